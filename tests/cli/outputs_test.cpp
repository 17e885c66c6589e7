// What a command reads is never lost to what it writes, and files that were written together are told from
// files that were not.
#include <gmock/gmock.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "tests/cli/pictures.h"
#include "tests/cli/program.h"
#include "tests/cli/tiny_network.h"
#include "toolchain/support/files.h"
#include "toolchain/support/sha256.h"

namespace shrike::tests {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using Words = std::vector<std::string>;

const std::string kFile = SHRIKE_SOURCE_DIR "/tests/fuzz/corpus/model_file/Add43.espdl";

class OutputsTest : public ProgramTest {
 protected:
  void SetUp() override {
    ProgramTest::SetUp();
    make_folder("set/images");
    make_folder("out");
    for (const char* name : {"set/images/a.jpg", "set/images/b.jpg"}) write(name, rgb_jpeg(16, 16));
    write("set/instances.json",
          R"({"images": [{"id": 1, "file_name": "a.jpg", "width": 16, "height": 16}],
              "annotations": [], "categories": [{"id": 1, "name": "person"}]})");
    write("tiny.onnx", tiny_network());
  }

  Words quantize(const std::string& output, const Words& more = {}) const {
    Words all = {"quantize", path("tiny.onnx"), "--calib", path("set/images"), "-o", output, "--quiet"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }

  // Refused in one sentence, before the work, and every file is as it was.
  void expect_harmless(const Words& command, const std::string& kept, const Words& parts) const {
    SCOPED_TRACE(testing::PrintToString(command));
    const std::string before = fs::exists(kept) ? read_text(kept) : "";
    expect_one_sentence(run(command), 1, parts);
    if (fs::exists(kept) || !before.empty()) {
      EXPECT_EQ(read_text(kept), before);
    }
    EXPECT_THAT(list("out"), testing::IsEmpty());
  }
};

TEST_F(OutputsTest, QuantizeKeepsWhatItReads) {
  const std::string model = path("tiny.onnx"), labels = path("set/instances.json");
  expect_harmless(quantize(model), model, {"tiny.onnx", "overwrite"});
  expect_harmless(quantize(path("out/y.espdl"), {"--save-config", model}), model, {"--save-config"});
  expect_harmless(quantize(path("set/images/a.jpg")), path("set/images/a.jpg"), {"a.jpg", "overwrite"});
  expect_harmless(quantize(path("set/instances.espdl")), labels, {"instances.json"});
  expect_harmless(quantize(path("out/y.espdl"), {"--test-image", path("set/images/a.jpg"), "--save-config",
                                                 path("set/images/a.jpg")}),
                  path("set/images/a.jpg"), {"a.jpg"});
}

TEST_F(OutputsTest, QuantizeNeedsANameForEachOutput) {
  for (const char* other : {"out/y.espdl", "out/y.json", "out/y.info", "out/./y.json"}) {
    expect_harmless(quantize(path("out/y.espdl"), {"--save-config", path(other)}), path(other),
                    {"the same file", "--save-config"});
  }
}

TEST_F(OutputsTest, OtherCommandsKeepWhatTheyRead) {
  const std::string model = path("model.espdl");
  write("model.espdl", read_text(kFile));
  write("model.json", "{\"configs\": {}}");
  const Words eval = {"eval", model, "--data", path("set"), "--quiet", "--save-json"};
  const auto saving = [&](const std::string& place) {
    Words all = eval;
    all.push_back(place);
    return all;
  };
  for (const std::string& kept :
       {model, path("model.json"), path("set/instances.json"), path("set/images/a.jpg")})
    expect_harmless(saving(kept), kept, {"--save-json", "overwrite"});
  expect_harmless(
      {"analyze", path("tiny.onnx"), model, "--calib", path("set/images"), "--html", path("tiny.onnx")},
      path("tiny.onnx"), {"--html", "overwrite"});
  expect_harmless({"train", path("tiny.onnx"), "--data", path("set"), "-o", path("tiny.onnx")},
                  path("tiny.onnx"), {"tiny.onnx", "overwrite"});
  expect_harmless({"train", path("tiny.onnx"), "--data", path("set"), "-o", path("set/instances.json")},
                  path("set/instances.json"), {"instances.json", "overwrite"});
  write("index.json", "{\"mine\": 1}");
  expect_harmless({"run", model, "--output", path("")}, path("index.json"), {"index.json", "another kind"});
}

TEST_F(OutputsTest, ThreeFilesOfAQuantisationNameTheirFile) {
  ASSERT_EQ(run(quantize(path("out/y.espdl"))).status, 0);
  EXPECT_THAT(list("out"), ElementsAre("y.espdl", "y.info", "y.json"));
  const std::string file = read_text(path("out/y.espdl")), hash = sha256(file.data(), file.size());
  EXPECT_EQ(nlohmann::json::parse(read_text(path("out/y.json"))).at("espdl_sha256"), hash);
  EXPECT_THAT(read_text(path("out/y.info")), HasSubstr("espdl_sha256: " + hash + "\n"));
  EXPECT_THAT(run({"info", path("out/y.espdl")}).err, Not(HasSubstr("was not written with")));

  // Killed between two renames: the companions are new, the file is old.
  write("out/y.espdl", read_text(kFile));
  const Finished told = run({"info", path("out/y.espdl")});
  EXPECT_EQ(told.status, 0);
  for (const char* companion : {"y.info", "y.json"})
    EXPECT_THAT(told.err, HasSubstr(path(std::string("out/") + companion) + "' was not written with"));
  write("out/y.espdl.4711.partial", "of the run that was killed");
  ASSERT_EQ(run(quantize(path("out/y.espdl"))).status, 0);
  EXPECT_THAT(list("out"), ElementsAre("y.espdl", "y.info", "y.json"));
  EXPECT_TRUE(read_text(path("out/y.espdl")) == file) << "the next run repairs it";
}

TEST_F(OutputsTest, ADeviceGetsTheFileAndNothingBesideIt) {
  const Finished finished = run(quantize("/dev/stdout"));
  EXPECT_EQ(finished.status, 0) << finished.err;
  EXPECT_THAT(finished.out, testing::StartsWith("EDL2"));
  EXPECT_FALSE(fs::exists("/dev/stdout.info"));
  expect_one_sentence(run(quantize("/dev/stdout", {"--auto"})), 1, {"/dev/stdout", "journal"});
}

TEST_F(OutputsTest, ADumpThatWasInterruptedIsNotEqualToItself) {
  ASSERT_EQ(run({"run", kFile, "--output", path("a"), "--tensors"}).status, 0);
  ASSERT_EQ(run({"compare", path("a"), path("a")}).status, 0);
  ASSERT_EQ(run({"run", kFile, "--output", path("b"), "--tensors", "--seed", "2"}).status, 0);
  std::string first;
  for (const std::string& name : list("b")) {
    if (name.ends_with(".bin") && first.empty()) first = name;
  }
  fs::copy_file(path("b/" + first), path("a/" + first), fs::copy_options::overwrite_existing);
  expect_one_sentence(run({"compare", path("a"), path("a")}), 1, {first, "interrupted or changed"});
}

TEST_F(OutputsTest, NothingToCompareIsNotEqual) {
  make_folder("a");
  write("a/index.json", "{\"tensors\": []}");
  expect_one_sentence(run({"compare", path("a"), path("a")}), 1, {"a/index.json", "nothing to compare"});
}

}  // namespace
}  // namespace shrike::tests
