// Standard streams that are closed, full or without a reader: results that can not be printed are a failure,
// notes that can not be are nobody's problem.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/cli/pictures.h"
#include "tests/cli/program.h"
#include "toolchain/support/files.h"

namespace shrike::tests {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::IsEmpty;

const std::string kFile = SHRIKE_SOURCE_DIR "/tests/fuzz/corpus/model_file/Add43.espdl";

// The program behind a shell's redirections.
Finished run_in_shell(const std::string& arguments) {
  return run_program(Command{"sh", {"-c", std::string("'") + SHRIKE_PROGRAM + "' " + arguments}, {}});
}

class StreamsTest : public ProgramTest {};

TEST_F(StreamsTest, AFullStandardOutputIsAFailure) {
  for (const std::string& command :
       std::vector<std::string>{"--help", "--version", "info --help", "info " + kFile, "info --cpu"}) {
    SCOPED_TRACE(command);
    expect_one_sentence(run_in_shell(command + " >/dev/full"), 1, {"cannot write the output"});
  }
}

TEST_F(StreamsTest, AStandardOutputWithoutReaderIsAFailure) {
  // The reader ends at once; what the program says and returns goes to files.
  const std::string out = path("err"), status = path("status");
  run_program(Command{"sh",
                      {"-c", std::string("{ sleep 0.2; '") + SHRIKE_PROGRAM + "' --help 2>" + out +
                                 "; echo $? >" + status + "; } | true"},
                      {}});
  EXPECT_EQ(read_text(status), "1\n");
  EXPECT_THAT(read_text(out), HasSubstr("the reader is gone"));
}

TEST_F(StreamsTest, ClosedStandardOutputIsNoPlaceForFiles) {
  // Descriptor 1 is free: the first file that is opened would get what is printed.
  const Finished finished = run_in_shell("run " + kFile + " --output " + path("dump") + " >&-");
  EXPECT_EQ(finished.status, 0) << finished.err;
  EXPECT_EQ(run({"compare", path("dump"), path("dump")}).status, 0);
}

TEST_F(StreamsTest, NothingDependsOnStandardError) {
  make_folder("images");
  write("images/a.jpg", rgb_jpeg(8, 8));
  for (const std::string redirection : {" 2>/dev/full", " 2>&-", " <&- 2>&-"}) {
    SCOPED_TRACE(redirection);
    EXPECT_EQ(run_in_shell("info " + kFile + redirection).status, 0);
    const Finished failed = run_in_shell("info " + path("missing.espdl") + redirection);
    EXPECT_EQ(failed.status, 1);
    EXPECT_EQ(failed.signal, 0);
    EXPECT_EQ(run_in_shell("info --rubbish" + redirection).status, 2);
  }
}

TEST_F(StreamsTest, ALimitOnFileSizesIsAnErrorThatLeavesNothingBehind) {
  make_folder("dump");
  const Finished finished =
      run_program(Command{"sh",
                          {"-c", std::string("ulimit -f 0; exec '") + SHRIKE_PROGRAM + "' run " + kFile +
                                     " --output " + path("dump") + " 2>&1 | cat"},
                          {}});
  EXPECT_THAT(finished.out, HasSubstr("cannot write"));
  EXPECT_THAT(list("dump"), IsEmpty());
}

}  // namespace
}  // namespace shrike::tests
