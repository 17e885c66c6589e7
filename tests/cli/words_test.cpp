// What goes wrong is told in words of this program: never in those of a library, and never by a crash.
// Damaged files of every kind that a command reads.
#include <gmock/gmock.h>

#include <filesystem>

#include "tests/board/small_files.h"
#include "tests/cli/pictures.h"
#include "tests/cli/program.h"
#include "tests/cli/tiny_network.h"
#include "tests/shared_data.h"
#include "toolchain/support/files.h"

namespace shrike::tests {
namespace {

namespace fs = std::filesystem;
using Words = std::vector<std::string>;

const std::string kCorpus = SHRIKE_SOURCE_DIR "/tests/fuzz/corpus";
const std::string kFile = kCorpus + "/model_file/Add43.espdl";

// Words of the standard library, nlohmann-json, yaml-cpp, protobuf, LibTorch, and of a defect.
void expect_own_words(const Finished& finished) {
  EXPECT_EQ(finished.signal, 0);
  EXPECT_TRUE(finished.status >= 0 && finished.status <= 2) << finished.status;
  static const Words foreign = {"map::at",
                                "[json.exception",
                                "syntax error while",
                                "enforce fail",
                                "terminate called",
                                "std::",
                                "c10::",
                                "basic_string",
                                "vector::",
                                "_M_",
                                "libprotobuf",
                                "yaml-cpp",
                                "YAML::",
                                "end of map",
                                "end of sequence",
                                "bad conversion",
                                "invalid node",
                                "illegal map",
                                "bad_alloc",
                                "bad_",
                                "stoi",
                                "stod",
                                "filesystem error",
                                "what():",
                                "a defect ended",
                                "Exception"};
  for (const std::string& word : foreign) {
    EXPECT_EQ(finished.err.find(word), std::string::npos) << finished.err;
    EXPECT_EQ(finished.out.find(word), std::string::npos) << finished.out;
  }
}

class WordsTest : public ProgramTest {
 protected:
  void SetUp() override {
    ProgramTest::SetUp();
    make_folder("set/images");
    make_folder("out");
    write("set/images/a.jpg", rgb_jpeg(16, 16));
    write("tiny.onnx", tiny_network());
    const std::vector<uint8_t> detector =
        board::tests::file_with(board::tests::kDetect, Target::kEsp32p4, "{0: 'cat', 1: 'dog'}");
    write("detector.espdl", as_text(detector));
  }
  Finished expect_refusal(const Words& arguments) const {
    SCOPED_TRACE(testing::PrintToString(arguments));
    const Finished finished = run(arguments);
    expect_own_words(finished);
    EXPECT_NE(finished.status, 0) << finished.out;
    return finished;
  }
  Words quantize(const Words& more) const {
    Words all = {"quantize", path("tiny.onnx"),   "--calib", path("set/images"),
                 "-o",       path("out/y.espdl"), "--quiet"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
};

TEST_F(WordsTest, Settings) {
  const Words texts = {"bits: [8\n",
                       "bits: 8\n  target: x\n",
                       "{a: b",
                       "- a\n- b\n",
                       "bits: {a: 1}\n",
                       "? [a, b]\n: c\n",
                       "bits: &a [*a]\n",
                       "bits: *a\n",
                       "\t bits: 8\n",
                       "bits: !!int x\n",
                       "bits: \"\\x\"\n",
                       "bits:\n- [1, [2]]\n",
                       "%YAML 9\n---\na: b\n",
                       std::string("bits: \xff\xfe\n"),
                       std::string(1000, '['),
                       "exponents: [[a]]\n",
                       "bits: 99999999999999999999\n"};
  for (const std::string& text : texts) {
    write("settings.yaml", text);
    expect_refusal(quantize({"--config", path("settings.yaml")}));
  }
}

TEST_F(WordsTest, DataSets) {
  const Words yamls = {"names: [a\n",
                       "names: {a: b}\nval: images\n",
                       "names: {0: [a]}\nval: images\n",
                       "names: [[a]]\n",
                       "names: [a]\nval: {x: y}\n",
                       "names: [a]\n",
                       "names: [a]\nval: [[x]]\n",
                       "val: *x\n",
                       "names: {99999999999: a}\nval: images\n",
                       "names: 5\nval: images\n"};
  for (const std::string& text : yamls) {
    write("set/data.yaml", text);
    expect_refusal({"eval", path("detector.espdl"), "--data", path("set/data.yaml")});
  }
  fs::remove(path("set/data.yaml"));
  const Words jsons = {"",
                       "{",
                       "[1",
                       "{\"images\": 1}",
                       "nul",
                       "{\"images\": [1e999], \"annotations\": [], \"categories\": []}",
                       "{\"images\": [{}], \"annotations\": [], \"categories\": []}",
                       R"({"images": [{"id": "x", "file_name": 3}], "annotations": [], "categories": []})",
                       "\xff\xfe{}",
                       std::string(100'000, '['),
                       "{\"a\":\"\\ud800\"}"};
  for (const std::string& text : jsons) {
    write("set/instances.json", text);
    expect_refusal({"eval", path("detector.espdl"), "--data", path("set")});
  }
}

TEST_F(WordsTest, Journals) {
  const Words lines = {"{\"shrike_auto\":", "[]\n", "{\"shrike_auto\":\"x\"}\n", "\xff\xff\n",
                       "{\"shrike_auto\":1}\n"};
  for (const std::string& text : lines) {
    write("out/y.auto.jsonl", text);
    const Finished finished = run(quantize({"--auto", "--auto-images", "1", "--calibration-images", "1"}));
    expect_own_words(finished);
  }
}

TEST_F(WordsTest, ArraysNamesPricesLogs) {
  std::string header = "\x93NUMPY\x01";
  header += std::string("\0\x10\0", 3);
  const Words arrays = {"\x93NUMPY", header, header + "{'descr': '<f4'}",
                        header + "{'descr': '<f4', 'shape': (1,"};
  for (const std::string& bytes : arrays) {
    write("a.npy", bytes);
    expect_refusal({"run", kFile, "--input", "Add43_in0=" + path("a.npy"), "--seed", "1"});
  }
  for (const char* text : {"", "\xff\n", "names: [\n", "{}"}) {
    write("names.yaml", text);
    expect_refusal(
        {"detect", path("detector.espdl"), path("set/images/a.jpg"), "--names", path("names.yaml")});
  }
  for (const char* text :
       {"", "{", "{}", "{\"target\": 3}", "{\"target\": \"esp32p4\", \"nanoseconds\": []}"}) {
    write("prices.json", text);
    const Finished finished =
        run_program({SHRIKE_PROGRAM, {"profile", kFile}, {{"SHRIKE_COST", path("prices.json")}}});
    expect_own_words(finished);
    EXPECT_EQ(finished.status, 1) << text;
  }
  for (const char* text : {"", "shrike:", "shrike: model 99999999999999999999 x\n", "\xff\xfe"}) {
    write("board.log", text);
    expect_own_words(run({"check-board", kFile, path("board.log")}));
  }
  for (const char* text : {"", "{", "[]", "{\"tensors\": 3}", "{\"tensors\": [{\"name\": 1}]}"}) {
    make_folder("dump");
    write("dump/index.json", text);
    expect_refusal({"compare", path("dump"), path("dump")});
  }
}

TEST_F(WordsTest, Pictures) {
  const std::string jpeg = rgb_jpeg(16, 16), ping = png(16, 16);
  const Words damaged = {"",
                         "\xff\xd8",
                         jpeg.substr(0, jpeg.size() / 2),
                         ping.substr(0, ping.size() / 2),
                         ping.substr(0, 20),
                         "GIF89a",
                         std::string("\0\0\0\x18"
                                     "ftypheic",
                                     12)};
  for (const std::string& bytes : damaged) {
    write("set/images/a.jpg", bytes);
    expect_refusal({"detect", path("detector.espdl"), path("set/images/a.jpg")});
  }
}

// Every tenth cut of models of each kind, and some flipped bytes.
TEST_F(WordsTest, Models) {
  const Words models = {path("tiny.onnx"), kCorpus + "/import/classifier.pt",
                        kCorpus + "/import/small.tflite", kFile};
  for (const std::string& model : models) {
    const std::string bytes = read_text(model);
    const std::string damaged = "damaged" + fs::path(model).extension().string();
    for (size_t part = 0; part < 10; ++part) {
      write(damaged, bytes.substr(0, bytes.size() * part / 10));
      expect_refusal({"info", path(damaged)});
      std::string flipped = bytes;
      for (size_t i = 8 + part * 13; i < bytes.size(); i += 263)
        flipped[i] = static_cast<char>(flipped[i] ^ (1 << part % 8));
      write(damaged, flipped);
      expect_own_words(run({"info", path(damaged)}));
    }
  }
}

// The inputs of an earlier attempt to break the program: each crashed, hung, took gigabytes or went through.
class HostileCases : public WordsTest {
 protected:
  void SetUp() override {
    WordsTest::SetUp();
    SHRIKE_NEEDS_SHARED("cases/hostile");
  }
  static std::string hostile(const std::string& name) { return shared_root() + "/cases/hostile/" + name; }
  void expect_refused(const Words& arguments, const std::string& part) const {
    const Finished finished = expect_refusal(arguments);
    EXPECT_EQ(finished.status, 1);
    EXPECT_THAT(finished.err, testing::HasSubstr(part));
  }
};

TEST_F(HostileCases, FloatModels) {
  const std::vector<std::pair<std::string, std::string>> refused = {
      {"05_const_Gather.onnx", "node 'x' (Gather) has 3 inputs, 2 were expected"},
      {"05_noin_Cast.onnx", "node 'x' (Cast) has 0 inputs, 1 were expected"},
      {"06_Clip_min_4.onnx", "the attribute 'min' is NaN"},
      {"07_Gather_0.onnx", "[0,8,32,32], which holds nothing"},
      {"07_Slicesteps_2.onnx", "[0,8,32,32], which holds nothing"},
      {"09_addc_4.onnx", "'k' holds 1e+38"},
      {"13_function_shadows_conv.onnx", "it defines the standard operator 'Conv' anew"},
      {"21_bomb_40.onnx", "more than 67108864 elements"}};
  for (const auto& [name, part] : refused) {
    expect_refused(
        {"quantize", hostile(name), "--calib", path("set/images"), "--quiet", "-o", path("out/y.espdl")},
        part);
  }
  // Valid: an input of 8192x8192, and ten thousand nodes that share a constant.
  for (const char* name : {"02_in_19.onnx", "20_shared_10000.onnx"}) {
    const Finished finished = run({"info", hostile(name)});
    expect_own_words(finished);
    EXPECT_EQ(finished.status, 0) << finished.err;
  }
}

TEST_F(HostileCases, IntegerModels) {
  for (const char* name : {"good", "espdl_profile_109", "espdl_test_742", "espdl_test_2022"}) {
    const std::string file = hostile(std::string(name) + ".espdl");
    for (const char* command : {"info", "run", "profile"}) {
      const Finished finished = run({command, file});
      expect_own_words(finished);
      EXPECT_EQ(finished.status, 0) << finished.err;
    }
    const Finished tested = run({"test", file});
    expect_own_words(tested);
    EXPECT_EQ(tested.status, std::string(name).starts_with("espdl_test") ? 1 : 0);
  }
}

TEST_F(HostileCases, Annotations) {
  for (const char* name : {"coco_ann_area_2", "coco_bbox_neg", "coco_bbox_zero", "coco_dup_ann"}) {
    SCOPED_TRACE(name);
    write("set/instances.json", read_text(hostile(std::string(name) + ".json")));
    expect_own_words(run({"eval", path("detector.espdl"), "--data", path("set")}));
    expect_refusal({"eval", path("detector.espdl"), "--data", path("set"), "--strict"});
  }
}

TEST_F(HostileCases, Journals) {
  for (const char* name : {"journal_noise_empty", "journal_poisoned_by_stderr"}) {
    write("out/y.auto.jsonl", read_text(hostile(std::string(name) + ".auto.jsonl")));
    expect_own_words(run(quantize({"--auto", "--auto-images", "1", "--calibration-images", "1"})));
  }
}

TEST_F(HostileCases, Pictures) {
  expect_refused({"detect", path("detector.espdl"), hostile("bomb_16384.png")}, "16384x16384");
  expect_refused({"detect", path("detector.espdl"), hostile("scanbomb_16384.jpg")}, "16384x16384");
  expect_refused({"detect", path("detector.espdl"), hostile("claim.png")}, "claim.png");
}

}  // namespace
}  // namespace shrike::tests
