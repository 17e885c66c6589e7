// `shrike quantize` on the detector of examples/shapes: what it refuses and how, what it leaves behind when
// it fails or is interrupted, and which odd pictures it takes. Small settings, because only the program's
// manners matter.
#include <gmock/gmock.h>
#include <signal.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "tests/cli/pictures.h"
#include "tests/cli/program.h"
#include "toolchain/support/files.h"

namespace shrike::tests {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::IsEmpty;
using Words = std::vector<std::string>;

std::string model() {
  return std::string(SHRIKE_SOURCE_DIR) + "/examples/shapes/shapes.onnx";
}

class QuantizeTest : public ProgramTest {
 protected:
  void SetUp() override {
    ProgramTest::SetUp();
    make_folder("out");
    make_folder("calibration");
    write("calibration/a.jpg", rgb_jpeg(64, 48));
  }

  // The command line, small settings filled in where `more` says nothing else.
  Words words(const std::string& onnx, const Words& more) const {
    Words all = {"quantize", onnx, "--calib", path("calibration"), "-o", output(), "--quiet"};
    all.insert(all.end(), more.begin(), more.end());
    const std::pair<const char*, const char*> small[] = {{"--imgsz", "96"},
                                                         {"--exponent-search", "off"},
                                                         {"--weight-refit", "off"},
                                                         {"--bias-correction", "off"}};
    for (const auto& [name, value] : small) {
      if (std::find(more.begin(), more.end(), name) == more.end()) all.insert(all.end(), {name, value});
    }
    return all;
  }

  std::string output() const { return path("out/model.espdl"); }

  // The model is good, the rest is not.
  void expect_refused(const Words& more, int status, const Words& parts) const {
    SCOPED_TRACE(testing::PrintToString(more));
    expect_one_sentence(run(words(model(), more)), status, parts);
    EXPECT_THAT(list("out"), IsEmpty());
  }

  void expect_refused_model(const std::string& onnx, const Words& parts) const {
    expect_one_sentence(run(words(onnx, {})), 1, parts);
    EXPECT_THAT(list("out"), IsEmpty());
  }

  void expect_written(const std::string& said = "") const {
    const Finished finished = run(words(model(), {}));
    EXPECT_EQ(finished.status, 0) << finished.err;
    EXPECT_EQ(finished.err, said);
    EXPECT_THAT(list("out"), ElementsAre("model.espdl", "model.info", "model.json"));
    EXPECT_EQ(run({"info", output()}).status, 0);
  }
};

TEST_F(QuantizeTest, RefusesATruncatedModelWhereverItIsCut) {
  const std::string whole = read_text(model());
  for (const size_t size : {size_t{100}, whole.size() - 1}) {
    SCOPED_TRACE(size);
    write("cut.onnx", whole.substr(0, size));
    expect_refused_model(path("cut.onnx"), {"cut.onnx", "ONNX"});
  }
}

TEST_F(QuantizeTest, RefusesWhatIsNoModel) {
  std::string garbage;
  for (int i = 0; i < 10000; ++i) garbage += static_cast<char>(i * 7919 >> 3);
  write("garbage.onnx", garbage);
  write("empty.onnx", "");
  expect_refused_model(path("garbage.onnx"), {"garbage.onnx", "ONNX"});
  expect_refused_model(path("empty.onnx"), {"empty.onnx", "empty file"});
  expect_refused_model(path("missing.onnx"), {"missing.onnx", "No such file"});
  expect_refused_model(path("calibration"), {"calibration", "folder"});
}

TEST_F(QuantizeTest, RefusesAFolderWithoutPictures) {
  fs::remove(path("calibration/a.jpg"));
  expect_refused({}, 1, {"calibration", "no .jpg"});
  write("calibration/notes.txt", "not a picture");
  expect_refused({}, 1, {"calibration", "no .jpg"});
  fs::remove_all(path("calibration"));
  expect_refused({}, 1, {"calibration", "no such folder"});
}

TEST_F(QuantizeTest, NamesTheBrokenPicture) {
  const std::string whole = rgb_jpeg(64, 48);
  write("calibration/broken.jpg", whole.substr(0, whole.size() / 2));
  expect_refused({}, 1, {"broken.jpg", "damaged or cut short"});
  write("calibration/broken.jpg", "no picture at all");
  expect_refused({}, 1, {"broken.jpg", "neither a JPEG nor a PNG"});
  write("calibration/broken.jpg", "");
  expect_refused({}, 1, {"broken.jpg", "empty"});
}

TEST_F(QuantizeTest, TakesOddPictures) {
  write("calibration/png_inside.jpg", png(50, 70));
  write("calibration/grey.jpg", raw_jpeg(JCS_GRAYSCALE, 1, 40, 30));
  write("calibration/cmyk.jpg", raw_jpeg(JCS_CMYK, 4, 40, 30));
  write("calibration/one_pixel.jpg", rgb_jpeg(1, 1));
  expect_written();
}

TEST_F(QuantizeTest, TakesAFolderWithNothingButOnePixel) {
  fs::remove(path("calibration/a.jpg"));
  write("calibration/one_pixel.png", png(1, 1));
  expect_written("warning: one sample only: ranges of one picture fit no other; a few hundred are enough\n");
}

// The superuser may write anywhere; below a regular file and in /proc nobody can.
TEST_F(QuantizeTest, RefusesAnOutputFolderThatCannotBeWrittenBeforeItReadsTheModel) {
  write("file", "a regular file");
  write("broken.onnx", "broken");
  make_folder("out2/model.json");
  for (const std::string& place : {path("file/y.espdl"), path("nowhere/y.espdl"),
                                   std::string("/proc/y.espdl"), path("out"), path("out2/model.espdl")}) {
    SCOPED_TRACE(place);
    Words all = words(path("broken.onnx"), {});
    all[5] = place;
    expect_one_sentence(run(all), 1, {"cannot write"});
  }
  EXPECT_THAT(list("out"), IsEmpty());
  EXPECT_THAT(list("out2"), ElementsAre("model.json"));
  EXPECT_EQ(read_text(path("file")), "a regular file");
}

TEST_F(QuantizeTest, SaysWhatIsWrongWithTheCommandLine) {
  expect_refused({"--target", "esp32p5"}, 2, {"esp32p5", "esp32p4", "esp32s3 or esp32"});
  expect_refused({"--imgsz", "9000"}, 2, {"8192", "9000"});
  expect_refused({"--bits", "4"}, 2, {"8 or 16", "'4'"});
  expect_refused({"--exponent-serch", "off"}, 2, {"--exponent-serch", "did you mean '--exponent-search'"});
  expect_refused({"--calibration", "entropy"}, 2, {"direct,minmax,percentile,kl,mse", "entropy"});
  expect_refused({"--threads", "100000"}, 2, {"--threads"});
  expect_one_sentence(run({"quantize", model(), "-o", output()}), 2, {"--calib is required"});
  expect_one_sentence(run({"quantise"}), 2, {"'quantise'", "did you mean 'quantize'"});
  expect_one_sentence(run({}), 2, {"a command is missing"});
}

TEST_F(QuantizeTest, SuggestsTheNearestNameForOneThatTheModelHasNot) {
  expect_refused({"--outputs", "model.23.cv2.0.0.con"}, 1,
                 {"--outputs", "did you mean 'model.23.cv2.0.0.conv'"});
  expect_refused({"--int16-layers", "model.0.con"}, 1, {"int16-layers", "did you mean 'model.0.conv'"});
  expect_refused({"--exponents", "imges=-7"}, 1, {"exponents", "did you mean 'images'"});
}

TEST_F(QuantizeTest, PointsAtTheLineOfAWrongSettingsFile) {
  write("settings.yaml", "bits: 8\nbitz: 8\n");
  expect_refused({"--config", path("settings.yaml")}, 1, {"settings.yaml line 2", "did you mean 'bits'"});
  write("settings.yaml", "bits: [8\n");
  expect_refused({"--config", path("settings.yaml")}, 1, {"settings.yaml line", "not valid YAML"});
}

TEST_F(QuantizeTest, RefusesABadTestImageBeforeTheWork) {
  write("calibration/broken.jpg", "");  // the work would stop here
  write("broken.jpg", rgb_jpeg(64, 48).substr(0, 700));
  expect_one_sentence(run(words(model(), {"--test-image", path("broken.jpg")})), 1,
                      {"/broken.jpg", "damaged or cut short"});
  expect_one_sentence(run(words(model(), {"--test-image", path("missing.jpg")})), 1,
                      {"missing.jpg", "No such file"});
}

TEST_F(QuantizeTest, LeavesTheFilesOfTheLastRunAloneWhenItFails) {
  write("out/model.espdl", "old");
  write("calibration/broken.jpg", "");
  expect_one_sentence(run(words(model(), {"--save-config", path("out/settings.yaml")})), 1, {"broken.jpg"});
  EXPECT_THAT(list("out"), ElementsAre("model.espdl"));
  EXPECT_EQ(read_text(output()), "old");
}

TEST_F(QuantizeTest, LeavesTheFilesOfTheLastRunAloneWhenItIsInterrupted) {
  write("out/model.espdl", "old");
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    // The search over exponents takes far longer than this.
    const Finished finished = run(words(model(), {"--exponent-search", "on"}), {signal, 1500});
    EXPECT_EQ(finished.signal, signal);
    EXPECT_THAT(list("out"), ElementsAre("model.espdl"));
    EXPECT_EQ(read_text(output()), "old");
  }
}

// Wherever the signal falls, writing included: old or new, nothing between, and no partial file.
TEST_F(QuantizeTest, AnInterruptedRunLeavesTheOldFileOrTheNewOne) {
  ASSERT_EQ(run(words(model(), {})).status, 0);
  const std::string complete = read_text(output());
  for (int milliseconds = 700; milliseconds <= 1700; milliseconds += 250) {
    SCOPED_TRACE(milliseconds);
    write("out/model.espdl", "old");
    const Finished finished = run(words(model(), {}), {SIGTERM, milliseconds});
    EXPECT_TRUE(finished.signal == SIGTERM || finished.status == 0);
    EXPECT_THAT(read_text(output()), testing::AnyOf("old", complete));
    EXPECT_THAT(list("out"), ElementsAre("model.espdl", "model.info", "model.json"));
  }
}

TEST_F(QuantizeTest, GivesTheSameBytesWhateverTheNumberOfThreads) {
  for (int i = 0; i < 4; ++i)
    write("calibration/" + std::to_string(i) + ".jpg", rgb_jpeg(60 + 9 * i, 80 - 7 * i));
  const Words refined = {"--weight-refit",       "on", "--bias-correction", "on",
                         "--calibration-images", "4",  "--refit-images",    "2",
                         "--bias-images",        "2",  "--threads"};
  Words files[2];
  for (const int threads : {1, 2}) {
    Words more = refined;
    more.push_back(std::to_string(threads));
    const Finished finished = run(words(model(), more));
    ASSERT_EQ(finished.status, 0) << finished.err;
    for (const std::string& name : list("out")) files[threads - 1].push_back(read_text(path("out/" + name)));
  }
  ASSERT_EQ(files[0].size(), 3u);
  EXPECT_TRUE(files[0] == files[1]) << "an output file differs between one and two threads";
}

TEST_F(QuantizeTest, EmbedsTestValuesThatTheRuntimeReproducesAndSummarisesAsJson) {
  const Finished finished = run(words(model(), {"--json", "--test-image", path("calibration/a.jpg"),
                                                "--save-config", path("settings.yaml")}));
  ASSERT_EQ(finished.status, 0) << finished.err;
  EXPECT_THAT(finished.out, testing::StartsWith("{"));
  // The arena is what a caller on a board must give, as "info" says it.
  const auto info = nlohmann::json::parse(run({"info", output(), "--json"}).out);
  EXPECT_EQ(nlohmann::json::parse(finished.out).at("arena_bytes"), info.at("arena_bytes"));
  EXPECT_EQ(run({"test", output()}).status, 0);
  // The settings it saved make the same file again.
  const std::string first = read_text(output());
  const Words again = {"--config", path("settings.yaml"), "--test-image", path("calibration/a.jpg")};
  Words all = {"quantize", model(), "--calib", path("calibration"), "-o", output(), "--quiet"};
  all.insert(all.end(), again.begin(), again.end());
  ASSERT_EQ(run(all).status, 0);
  EXPECT_TRUE(read_text(output()) == first) << "the saved settings give another file";
}

}  // namespace
}  // namespace shrike::tests
