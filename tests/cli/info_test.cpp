// `shrike info`: what is in a file, in words and as JSON; the same figures wherever they are stated; models
// that quantize would refuse are shown as far as they can be. And what the program says to mistyped words.
#include <gmock/gmock.h>

#include <nlohmann/json.hpp>
#include <regex>
#include <sstream>

#include "tests/cli/pictures.h"
#include "tests/cli/program.h"
#include "tests/import/onnx_builder.h"
#include "toolchain/support/csv.h"
#include "toolchain/support/files.h"
#include "toolchain/support/format.h"

namespace shrike::tests {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using Json = nlohmann::json;

const std::string kShapes = SHRIKE_SOURCE_DIR "/examples/shapes/shapes.onnx";

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

class InfoTest : public ProgramTest {
 protected:
  // The detector of examples/shapes for 96x64 pixels, quickly.
  Finished quantize(const std::string& chip, bool json) {
    make_folder("pictures");
    write("pictures/a.jpg", rgb_jpeg(64, 48));
    std::vector<std::string> words = {"quantize",       kShapes,   "--calib", path("pictures"),    "-o",
                                      path("f.espdl"),  "--imgsz", "64x96",   "--target",          chip,
                                      "--weight-refit", "off",     "--quiet", "--bias-correction", "off"};
    if (json) words.push_back("--json");
    Finished finished = run(words);
    EXPECT_EQ(finished.status, 0) << finished.err;
    return finished;
  }
  Json info_json(const std::string& file) { return Json::parse(run({"info", file, "--json"}).out); }
};

TEST_F(InfoTest, TellsInputNamesAndHeadOfAFile) {
  quantize("esp32p4", false);
  const Json info = info_json(path("f.espdl"));
  EXPECT_EQ(info.at("target"), "esp32p4");
  EXPECT_EQ(info.at("picture").at("width"), 96);
  EXPECT_EQ(info.at("picture").at("height"), 64);
  EXPECT_EQ(info.at("picture").at("color"), "rgb");
  EXPECT_EQ(info.at("picture").at("std"), Json({255, 255, 255}));
  EXPECT_EQ(info.at("picture").at("fit"), "letterbox");
  EXPECT_EQ(info.at("head").at("name"), "detect");
  EXPECT_EQ(info.at("head").at("classes"), 8);
  EXPECT_EQ(info.at("head").at("strides"), Json({8, 16, 32}));
  EXPECT_EQ(info.at("class_names"),
            Json({"circle", "square", "triangle", "star", "cross", "ring", "letter A", "letter R"}));
  // The exported model says 160x160; this file does not.
  EXPECT_EQ(info.at("metadata").at("imgsz"), "[64, 96]");

  const std::string text = run({"info", path("f.espdl")}).out;
  EXPECT_THAT(text, HasSubstr("\npicture input 96x64, RGB, pixel / 255: 0 to 1, letterbox\n"));
  EXPECT_THAT(text,
              HasSubstr("\nclasses (8) circle, square, triangle, star, cross, ring, letter A, letter R\n"));
  EXPECT_THAT(text, HasSubstr("\nhead detect: 3 levels"));
}

// A caller on a board gives one arena and waits for one time, whichever command was asked.
TEST_F(InfoTest, QuantizeInfoAndProfileStateOneArenaAndOneTime) {
  for (const std::string chip : {"esp32p4", "esp32s3"}) {
    SCOPED_TRACE(chip);
    const Json quantized = Json::parse(quantize(chip, true).out);
    const std::string words = quantize(chip, false).out;
    const Json info = info_json(path("f.espdl"));
    const Json profile = Json::parse(run({"profile", path("f.espdl"), "--runs", "1", "--json"}).out);
    const auto arena = info.at("arena_bytes").get<uint64_t>();
    EXPECT_EQ(quantized.at("arena_bytes"), arena);
    EXPECT_EQ(profile.at("arena_bytes"), arena);
    EXPECT_EQ(profile.at("memory").at("arena_bytes"), arena);
    const std::string info_text = run({"info", path("f.espdl")}).out;
    const std::string profile_text = run({"profile", path("f.espdl"), "--runs", "1"}).out;
    EXPECT_THAT(words, HasSubstr("arena " + format_bytes(arena) + ", ESP-DL "));
    for (const std::string& text : {info_text, profile_text})
      EXPECT_THAT(text, testing::ContainsRegex("arena (on a board )?" + format_bytes(arena) + " \\(" +
                                               std::to_string(arena) + " bytes\\)"));

    for (const char* key : {"chip_milliseconds", "chip_milliseconds_of"}) {
      EXPECT_EQ(quantized.at(key), info.at(key));
      EXPECT_EQ(profile.at(key), info.at(key));
    }
    EXPECT_EQ(info.contains("own_runtime"), chip == "esp32p4") << "instructions were counted on RV32";
    std::smatch line;
    ASSERT_TRUE(std::regex_search(words, line, std::regex("\nestimated on [^\n]*\n")));
    EXPECT_THAT(line.str(), HasSubstr("ESP-DL 3.3 on the vector unit"));
    EXPECT_THAT(info_text, HasSubstr(line.str()));
    EXPECT_THAT(profile_text, HasSubstr(line.str()));
    for (const std::string& text : {words, info_text, profile_text}) EXPECT_THAT(text, Not(HasSubstr(" MB")));
  }
}

TEST_F(InfoTest, TablesForSpreadsheets) {
  quantize("esp32p4", false);
  const auto info = lines_of(run({"info", path("f.espdl"), "--csv"}).out);
  const auto profile = lines_of(run({"profile", path("f.espdl"), "--csv", "--runs", "1"}).out);
  const auto nodes = info_json(path("f.espdl")).at("nodes").get<size_t>();
  EXPECT_EQ(info.size(), 1 + nodes);
  EXPECT_EQ(profile.size(), 1 + nodes);
  EXPECT_THAT(info[1], HasSubstr(",\"[1, 32, 48, 8]\",int8,"));
  EXPECT_EQ(lines_of(run({"info", kShapes, "--csv"}).out)[0], "node,type,name,inputs,outputs,output_shape");
  EXPECT_EQ(csv_line({"a", "b,c", "say \"d\"", "e\nf"}), "a,\"b,c\",\"say \"\"d\"\"\",\"e\nf\"\n");
}

TEST_F(InfoTest, ShowsAFloatModelAndWhatQuantizeMakesOfIt) {
  const std::string text = run({"info", kShapes}).out;
  EXPECT_THAT(text, HasSubstr("input images [1,3,160,160] float\n"));
  EXPECT_THAT(text, HasSubstr(" parameters\npicture input 160x160, RGB"));
  EXPECT_THAT(text,
              HasSubstr("\nclasses (8) circle, square, triangle, star, cross, ring, letter A, letter R\n"));
  const Json info = info_json(kShapes);
  EXPECT_EQ(info.at("quantizable"), true);
  EXPECT_EQ(info.at("head").at("name"), "detect");
  EXPECT_EQ(info.at("inputs").at(0).at("shape"), Json({1, 3, 160, 160}));
}

TEST_F(InfoTest, ShowsModelsOfOpenSize) {
  write("open.onnx", OnnxBuilder().input("x", {1, 3, -1, -1}).conv("x", 3, 4, "y", 8).output("y").bytes());
  const Finished finished = run({"info", path("open.onnx")});
  EXPECT_EQ(finished.status, 0) << finished.err;
  EXPECT_THAT(finished.out, HasSubstr("input x [1,3,?,?] float\n"));
  EXPECT_THAT(finished.out, HasSubstr("output y [?] float\n"));
  EXPECT_THAT(finished.out, HasSubstr("as it is, quantize refuses it: input 'x'"));
  EXPECT_THAT(finished.out, HasSubstr("--imgsz"));
  const Json info = info_json(path("open.onnx"));
  EXPECT_EQ(info.at("inputs").at(0).at("shape"), Json({1, 3, nullptr, nullptr}));
  EXPECT_EQ(info.at("quantizable"), false);
}

TEST_F(InfoTest, ShowsModelsWithOperatorsThatNobodyKnows) {
  OnnxBuilder builder;
  builder.input("x", {1, 3, 8, 8}).conv("x", 3, 4, "c").node("Frobnicate", {"c"}, {"y"}).output("y");
  write("strange.onnx", builder.bytes());
  const Finished finished = run({"info", path("strange.onnx")});
  EXPECT_EQ(finished.status, 0) << finished.err;
  EXPECT_THAT(finished.out, HasSubstr("(c [1,4,8,8] float) -> (y [?] float)"));
  EXPECT_THAT(finished.out, HasSubstr("quantize refuses it"));
  EXPECT_THAT(finished.out, HasSubstr("Frobnicate"));
}

struct Mistyped {
  std::vector<std::string> words;
  std::string said;
};

TEST(Suggestions, AreNearOrThereIsNone) {
  for (const Mistyped& mistyped : std::vector<Mistyped>{
           {{"trian"}, "there is no command 'trian'; did you mean 'train'?; see 'shrike --help'"},
           {{"export"}, "there is no command 'export'; see 'shrike --help'"},
           {{"-v"}, "there is no option '-v'; see 'shrike --help'"},
           {{}, "a command is missing; see 'shrike --help'"},
           {{"info", "--jsn"},
            "there is no option '--jsn'; did you mean '--json'?; see 'shrike info --help'"},
           {{"info", "--table=x"}, "there is no option '--table'; see 'shrike info --help'"},
           {{"info", "a", "b", "c"}, "'b', 'c' is more than 'info' takes; see 'shrike info --help'"}}) {
    const Finished finished = run(mistyped.words);
    EXPECT_EQ(finished.status, 2);
    EXPECT_EQ(finished.err, "shrike: " + mistyped.said + "\n");
  }
}

}  // namespace
}  // namespace shrike::tests
