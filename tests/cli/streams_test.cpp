// Standard streams that are closed, full or without a reader: results that can not be printed are a failure,
// notes that can not be are nobody's problem.
#include <gmock/gmock.h>
#include <sys/stat.h>

#include "tests/cli/pictures.h"
#include "tests/cli/program.h"

namespace shrike::tests {
namespace {

using testing::HasSubstr;

const std::string kFile = SHRIKE_SOURCE_DIR "/tests/fuzz/corpus/model_file/Add43.espdl";

// The program behind a shell's redirections.
Finished run_in_shell(const std::string& arguments) {
  return run_program(Command{"sh", {"-c", std::string("'") + SHRIKE_PROGRAM + "' " + arguments}, {}});
}

class StreamsTest : public ProgramTest {};

TEST_F(StreamsTest, AFullStandardOutputIsAFailure) {
  const std::vector<std::string> commands = {"--help", "--version", "info --help",
                                             "info --target esp32p4 " + kFile, "info --cpu"};
  for (const std::string& command : commands) {
    SCOPED_TRACE(command);
    expect_one_sentence(run_in_shell(command + " >/dev/full"), 1, {"cannot write the output"});
  }
}

TEST_F(StreamsTest, AStandardOutputWithoutReaderIsAFailureThatNeedsNoTelling) {
  // Descriptor 3 is the only reader of the pipe, and is closed before the program starts.
  ASSERT_EQ(::mkfifo(path("pipe").c_str(), 0600), 0);
  const Finished finished =
      run_program(Command{"sh",
                          {"-c", "exec 3<>" + path("pipe") + "; exec 4>" + path("pipe") +
                                     "; exec 3>&-; '" SHRIKE_PROGRAM "' --help >&4"},
                          {}});
  EXPECT_EQ(finished.status, 1);
  EXPECT_EQ(finished.err, "");
}

TEST_F(StreamsTest, AClosedStandardOutputIsAFailureAndNoPlaceForFiles) {
  // Descriptor 1 is free: the first file that is opened would get what is printed.
  const Finished finished = run_in_shell("run " + kFile + " --output " + path("dump") + " >&-");
  EXPECT_EQ(finished.status, 1);
  EXPECT_THAT(finished.err, HasSubstr("cannot write the output"));
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

}  // namespace
}  // namespace shrike::tests
