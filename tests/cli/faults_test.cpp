// Every write, rename and fsync of small commands fails once, or is the last thing that a killed process does
// (tests/faults/faults.cpp): an error or success, never a crash, and never files that do not belong together.
// scripts/fault_sweep.sh does the same for all points and all kinds.
#include <gmock/gmock.h>
#include <signal.h>

#include <algorithm>
#include <filesystem>
#include <sstream>

#include "tests/cli/pictures.h"
#include "tests/cli/program.h"
#include "tests/cli/tiny_network.h"
#include "toolchain/support/files.h"

namespace shrike::tests {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using Words = std::vector<std::string>;
using Files = std::map<std::string, std::string>;  // name and content

const std::string kFile = SHRIKE_SOURCE_DIR "/tests/fuzz/corpus/model_file/Add43.espdl";

class FaultsTest : public ProgramTest {
 protected:
  Finished run_with(const std::string& fault, const Words& arguments) const {
    return run_program({SHRIKE_PROGRAM, arguments, {{"LD_PRELOAD", SHRIKE_FAULTS}, {"SHRIKE_FAULT", fault}}});
  }
  // Calls of that kind in a run without a fault.
  int calls(const std::string& kind, const Words& arguments) const {
    fs::remove(path("counts"));
    run_program({SHRIKE_PROGRAM,
                 arguments,
                 {{"LD_PRELOAD", SHRIKE_FAULTS}, {"SHRIKE_FAULT_COUNTS", path("counts")}}});
    std::istringstream lines(read_text(path("counts")));
    std::string name;
    for (int count = 0; lines >> name >> count;) {
      if (name == kind) return count;
    }
    return 0;
  }
  Files files_in(const std::string& folder) const {
    Files files;
    for (const std::string& name : list(folder)) files[name] = read_text(path(folder + "/" + name));
    return files;
  }
  void put(const std::string& folder, const Files& files) const {
    fs::remove_all(path(folder));
    make_folder(folder);
    for (const auto& [name, bytes] : files) write(folder + "/" + name, bytes);
  }
};

// Sentence and status of a failure, or a success; `finished` was told to be no crash.
void expect_an_end(const Finished& finished) {
  EXPECT_EQ(finished.signal, 0);
  EXPECT_TRUE(finished.status == 0 || finished.status == 1) << finished.status;
  if (finished.status == 1) {
    EXPECT_THAT(finished.err, HasSubstr("shrike: "));
  }
}

TEST_F(FaultsTest, SmallCommandsSurviveEveryFault) {
  const std::vector<Words> commands = {{"info", kFile},
                                       {"run", kFile, "--output", path("dump"), "--tensors"}};
  for (const Words& command : commands) {
    for (const std::string kind : {"open", "read", "write", "rename", "sync", "thread", "alloc"}) {
      const int points = calls(kind, command), step = std::max(1, points / 12);
      for (int point = 1; point <= points; point += step) {
        SCOPED_TRACE(command[0] + " " + kind + " " + std::to_string(point));
        expect_an_end(run_with(kind + " " + std::to_string(point), command));
      }
    }
  }
  EXPECT_GT(calls("write", commands[1]), 3) << "the library counts nothing";
}

class QuantizeFaultsTest : public FaultsTest {
 protected:
  void SetUp() override {
    FaultsTest::SetUp();
    make_folder("images");
    for (const char* name : {"images/a.jpg", "images/b.jpg"}) write(name, rgb_jpeg(16, 16));
    write("tiny.onnx", tiny_network());
    make_folder("out");
    ASSERT_EQ(run(words({"--target", "esp32s3"})).status, 0);
    old_ = files_in("out");
    ASSERT_EQ(run(words({})).status, 0);
    new_ = files_in("out");
    ASSERT_NE(old_, new_);
  }
  Words words(const Words& more) const {
    Words all = {"quantize", path("tiny.onnx"), "--calib", path("images"), "-o", path("out/y.espdl"),
                 "--quiet",  "--threads",       "1"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }

  Files old_, new_;
};

TEST_F(QuantizeFaultsTest, AFailedRunLeavesTheOldFilesOrTheNewOnes) {
  for (const std::string kind : {"write", "rename", "sync"}) {
    put("out", old_);
    const int points = calls(kind, words({}));
    EXPECT_GE(points, 3);
    for (int point = 1; point <= points; ++point) {
      SCOPED_TRACE(kind + " " + std::to_string(point));
      put("out", old_);
      expect_an_end(run_with(kind + " " + std::to_string(point), words({})));
      const Files left = files_in("out");
      EXPECT_TRUE(left == old_ || left == new_);
    }
  }
}

TEST_F(QuantizeFaultsTest, AKilledRunLeavesTheOldFilesTheNewOnesOrAWordAboutThem) {
  put("out", old_);
  const int points = calls("rename", words({}));
  for (int point = 1; point <= points; ++point) {
    SCOPED_TRACE(point);
    put("out", old_);
    EXPECT_EQ(run_with("rename " + std::to_string(point) + " kill", words({})).signal, SIGKILL);
    Files left = files_in("out");
    std::erase_if(left, [](const auto& file) { return file.first.ends_with(".partial"); });
    if (left != old_ && left != new_) {
      EXPECT_THAT(run({"info", path("out/y.espdl")}).err, HasSubstr("was not written with"));
    }
    ASSERT_EQ(run(words({})).status, 0);
    EXPECT_TRUE(files_in("out") == new_) << "what the next run leaves";
  }
}

}  // namespace
}  // namespace shrike::tests
