// Which outputs are refused before any work, and what is removed of killed runs.
#include "toolchain/support/outputs.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "toolchain/support/error.h"
#include "toolchain/support/files.h"

namespace shrike {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;
using testing::UnorderedElementsAre;

class OutputsTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "shrike_outputs_XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::string path(const std::string& name) const { return (folder_ / name).string(); }
  std::string write(const std::string& name, const std::string& bytes = "content") const {
    fs::create_directories((folder_ / name).parent_path());
    write_file_atomically(path(name), std::string_view(bytes));
    return path(name);
  }
  std::vector<std::string> list() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder_))
      names.push_back(entry.path().filename().string());
    return names;
  }
  // What is said against a command that reads `reads` and writes `output`.
  std::string refusal(const std::vector<std::string>& reads,
                      const std::vector<PlannedOutput>& outputs) const {
    try {
      guard_outputs({reads, outputs});
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }

  fs::path folder_;
};

TEST_F(OutputsTest, AFileThatIsReadIsNeverAnOutputWhateverItsNames) {
  const std::string model = write("model.onnx");
  fs::create_symlink(model, path("link"));
  fs::create_hard_link(model, path("hard"));
  fs::create_directories(path("sub"));
  for (const std::string& name : {model, path("link"), path("hard"), path("sub/../model.onnx")}) {
    EXPECT_THAT(refusal({model}, {{name, "-o"}}), AllOf(HasSubstr(name), HasSubstr("overwrite"))) << name;
    EXPECT_THAT(refusal({name}, {{model, "--html"}}), HasSubstr("--html")) << name;
  }
  EXPECT_EQ(refusal({model}, {{path("other.onnx"), "-o"}}), "");
  EXPECT_EQ(refusal({model, path("missing"), ""}, {{path("other.onnx"), "-o"}}), "");
}

TEST_F(OutputsTest, WhatBelongsToAFileThatIsReadIsKept) {
  const std::string model = write("model.espdl"), trained = write("trained.onnx");
  for (const char* companion : {"model.info", "model.json", "model.auto.jsonl"})
    EXPECT_THAT(refusal({model}, {{write(companion), "--save-json"}}), HasSubstr("overwrite")) << companion;
  for (const char* companion : {"trained.onnx.ckpt", "trained.onnx.train.jsonl"})
    EXPECT_THAT(refusal({trained}, {{write(companion), "-o"}}), HasSubstr("overwrite")) << companion;
}

TEST_F(OutputsTest, WhatAFileThatIsReadNamesIsKept) {
  const std::string model = write("model.onnx", "location\x1aweights.bin offset"),
                    list = write("list.txt", "a.npy\nsub/b.npy\nsub/labels.csv\n");
  EXPECT_THAT(refusal({model}, {{write("weights.bin"), "-o"}}), HasSubstr("weights.bin"));
  EXPECT_THAT(refusal({list}, {{write("sub/labels.csv"), "-o"}}), HasSubstr("labels.csv"));
  EXPECT_EQ(refusal({model}, {{write("elsewhere/x"), "-o"}}), "");
}

TEST_F(OutputsTest, PicturesAndLabelsOfAFolderThatIsReadAreKept) {
  const std::string images = path("set/images");
  for (const char* name : {"set/images/a.jpg", "set/images/b/c.png", "set/images/x.npy", "set/data.yaml",
                           "set/images/a.txt", "set/classes.txt"}) {
    EXPECT_THAT(refusal({images}, {{write(name), "-o"}}), HasSubstr("overwrite")) << name;
    EXPECT_THAT(refusal({path("set")}, {{write(name), "-o"}}), HasSubstr("overwrite")) << name;
  }
  EXPECT_THAT(refusal({images + "/"}, {{write("set/instances.json", "{\"images\": []}"), "formats"}}),
              HasSubstr("instances.json"));
  // What commands leave there may be written again.
  EXPECT_EQ(refusal({images}, {{write("set/images/model.espdl"), "-o"}}), "");
  EXPECT_EQ(refusal({images}, {{write("set/images/model.json", "{\"configs\": {}}"), "formats"}}), "");
  EXPECT_EQ(refusal({path("set")}, {{write("set/found.json", "[]"), "--save-json"}}), "");
}

TEST_F(OutputsTest, TwoOutputsNeedTwoNames) {
  const auto both = [&](const std::string& a, const std::string& b) {
    return refusal({}, {{a, "-o"}, {b, "--save-config"}});
  };
  const auto says = AllOf(HasSubstr("the same file"), HasSubstr("--save-config"));
  EXPECT_THAT(both(path("new"), path("new")), says);
  EXPECT_THAT(both(path("new"), path("./new")), says);
  EXPECT_THAT(both(path("nowhere/new"), path("nowhere/./new")), says);
  fs::create_symlink("new", path("dangling"));
  EXPECT_THAT(both(path("new"), path("dangling")), says);
  fs::create_symlink(write("old"), path("link"));
  EXPECT_THAT(both(path("old"), path("link")), says);
  EXPECT_EQ(both(path("new"), path("old")), "");
  // What is written into is no file that could be lost.
  EXPECT_EQ(both("/dev/null", "/dev/null"), "");
}

TEST_F(OutputsTest, ANameThatACommandMakesUpReplacesNoOtherKindOfJson) {
  const auto formats = [&](const std::string& content) {
    return refusal({}, {{write("y.json", content), "the formats beside -o", {"\"configs\""}}});
  };
  EXPECT_THAT(formats(" {\"images\": [], \"annotations\": []}"), HasSubstr("JSON file of another kind"));
  EXPECT_THAT(formats("{"), HasSubstr("y.json"));
  EXPECT_EQ(formats("{\"configs\": {}}"), "");
  EXPECT_EQ(formats("old"), "");
  EXPECT_EQ(formats(""), "");
}

TEST_F(OutputsTest, AnOutputNeedsAName) {
  EXPECT_THAT(refusal({}, {{"", "--save-json"}}), HasSubstr("--save-json"));
}

TEST_F(OutputsTest, WhatAKilledRunLeftIsRemovedAndNothingElse) {
  const std::string longest(255, 'n');
  write("y.espdl.4711.partial");
  write("y.espdl.4711-2.partial");
  write(longest.substr(0, 255 - 13) + ".4711.partial");
  write("other.espdl.4711.partial");
  write("y.espdl.partial");
  write("y.espdl.4711x.partial");
  write("y.espdl.4711");
  const std::string living = write("y.espdl.815.partial");
  const int holder = ::open(living.c_str(), O_RDONLY | O_CLOEXEC);
  ASSERT_EQ(::flock(holder, LOCK_EX), 0);
  guard_outputs({{}, {{path("y.espdl"), "-o"}, {path(longest), "--html"}}});
  EXPECT_THAT(list(), UnorderedElementsAre("other.espdl.4711.partial", "y.espdl.partial",
                                           "y.espdl.4711x.partial", "y.espdl.4711", "y.espdl.815.partial"));
  ::close(holder);
  guard_outputs({{}, {{path("y.espdl"), "-o"}}});
  EXPECT_FALSE(fs::exists(living));
}

TEST_F(OutputsTest, DevicesAndPipesAreWrittenThrough) {
  ASSERT_EQ(::mkfifo(path("pipe").c_str(), 0600), 0);
  EXPECT_TRUE(is_written_through("/dev/null"));
  EXPECT_TRUE(is_written_through("/dev/stdout"));
  EXPECT_TRUE(is_written_through(path("pipe")));
  EXPECT_FALSE(is_written_through(write("file")));
  EXPECT_FALSE(is_written_through(path("")));
  EXPECT_FALSE(is_written_through(path("new")));
}

TEST_F(OutputsTest, ADeviceIsNoFileToRead) {
  EXPECT_EQ(read_text("/dev/null"), "");
  try {
    read_text("/dev/zero");
    FAIL() << "read without end";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), AllOf(HasSubstr("/dev/zero"), HasSubstr("device")));
  }
}

}  // namespace
}  // namespace shrike
