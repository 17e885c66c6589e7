// `shrike quantize --auto` on the first layers of the published YOLO11n, at 64x64 with a few small pictures:
// only the program's manners matter here.
#include <gmock/gmock.h>
#include <signal.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "tests/cli/pictures.h"
#include "tests/cli/program.h"
#include "tests/shared_data.h"
#include "toolchain/support/files.h"

namespace shrike::tests {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using Words = std::vector<std::string>;

const std::string kModel = "models/yolo11n.onnx";

class AutoTest : public ProgramTest {
 protected:
  void SetUp() override {
    ProgramTest::SetUp();
    make_folder("out");
    make_folder("calibration");
    for (int i = 0; i < 6; ++i)
      write("calibration/" + std::to_string(i) + ".jpg", rgb_jpeg(60 + 9 * i, 80 - 7 * i));
  }

  Words words(const Words& more) const {
    Words all = {"quantize",
                 shared_root() + "/" + kModel,
                 "--calib",
                 path("calibration"),
                 "-o",
                 path("out/model.espdl"),
                 "--quiet",
                 "--imgsz",
                 "64",
                 "--outputs",
                 "/model.3/conv/Conv",
                 "--calibration-images",
                 "3",
                 "--refit-images",
                 "2",
                 "--bias-images",
                 "2"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }

  Finished search(const Words& more = {}, SendSignal send = {}) const {
    Words all = {"--auto", "--budget", "+20%", "--auto-images", "3"};
    all.insert(all.end(), more.begin(), more.end());
    return run(words(all), send);
  }

  std::string file() const { return read_text(path("out/model.espdl")); }
  std::string journal() const { return path("out/model.auto.jsonl"); }
};

TEST_F(AutoTest, PrintsTheTableAndWritesWhatThePlainCommandWritesFromTheSavedSettings) {
  SHRIKE_NEEDS_SHARED(kModel);
  const Finished finished = search({"--save-config", path("found.yaml"), "--threads", "1"});
  ASSERT_EQ(finished.status, 0) << finished.err;
  EXPECT_EQ(finished.err, "");
  for (const char* part : {"error %", "est. ms", "16-bit", "Requantize", "(the start)", "\n  * ",
                           "estimated on esp32p4: "})
    EXPECT_THAT(finished.out, HasSubstr(part));
  EXPECT_THAT(list("out"), ElementsAre("model.auto.jsonl", "model.espdl", "model.info", "model.json"));

  const std::string found = file();
  ASSERT_EQ(run({"quantize", shared_root() + "/" + kModel, "--calib", path("calibration"), "-o",
                 path("out/model.espdl"), "--quiet", "--config", path("found.yaml")})
                .status,
            0);
  EXPECT_TRUE(file() == found) << "the saved settings give another file";
}

TEST_F(AutoTest, FindsTheSameWhateverTheNumberOfThreads) {
  SHRIKE_NEEDS_SHARED(kModel);
  Words outputs, files;
  for (const char* threads : {"1", "2"}) {
    std::filesystem::remove(journal());
    const Finished finished = search({"--json", "--threads", threads});
    ASSERT_EQ(finished.status, 0) << finished.err;
    outputs.push_back(nlohmann::json::parse(finished.out).at("auto").dump());
    files.push_back(file());
  }
  EXPECT_EQ(outputs[0], outputs[1]);
  EXPECT_TRUE(files[0] == files[1]) << "the file differs between one and two threads";
}

TEST_F(AutoTest, GoesOnWhereItWasInterrupted) {
  SHRIKE_NEEDS_SHARED(kModel);
  ASSERT_EQ(search().status, 0);
  const std::string uninterrupted = file();
  const std::string whole = read_text(journal());
  ASSERT_EQ(search().status, 0);
  EXPECT_TRUE(file() == uninterrupted) << "a finished search run again wrote another file";
  EXPECT_EQ(read_text(journal()), whole);
  std::filesystem::remove_all(path("out"));
  make_folder("out");
  int interrupted = 0;
  for (int runs = 0; runs < 50; ++runs) {
    const Finished finished = search({}, {SIGINT, 400 + 400 * runs});
    if (finished.signal != SIGINT) {
      EXPECT_EQ(finished.status, 0) << finished.err;
      break;
    }
    ++interrupted;
    // A signal that falls behind the last write finds all the files, never some.
    EXPECT_THAT(list("out"),
                testing::AnyOf(IsEmpty(), ElementsAre("model.auto.jsonl"),
                               ElementsAre("model.auto.jsonl", "model.espdl", "model.info", "model.json")));
  }
  EXPECT_GT(interrupted, 0);
  EXPECT_TRUE(file() == uninterrupted) << "the interrupted search wrote another file";
  EXPECT_EQ(read_text(journal()), whole);
}

TEST_F(AutoTest, RefusesTheJournalOfAnUnfinishedSearchWithOtherImages) {
  SHRIKE_NEEDS_SHARED(kModel);
  write("out/model.auto.jsonl", "{\"shrike_auto\":1,\"inputs\":\"others\"}\n");
  expect_one_sentence(search(), 1, {journal(), "unfinished search", "remove it"});
  EXPECT_THAT(list("out"), ElementsAre("model.auto.jsonl"));
}

TEST_F(AutoTest, SaysWhatIsWrongWithTheBudget) {
  SHRIKE_NEEDS_SHARED(kModel);
  expect_one_sentence(run(words({"--auto", "--budget", "cheap"})), 2, {"budget", "2.5s", "'cheap'"});
  expect_one_sentence(run(words({"--auto", "--budget", "10%"})), 2, {"budget", "'10%'"});
  expect_one_sentence(run(words({"--budget", "+10%"})), 2, {"--budget", "--auto"});
  expect_one_sentence(run(words({"--auto", "--auto-images", "0"})), 2, {"--auto-images"});
  expect_one_sentence(run(words({"--auto", "--budget", "0.1ms"})), 1, {"budget: 0.1 ms can't be met"});
  EXPECT_THAT(list("out"), ElementsAre("model.auto.jsonl"));
}

TEST_F(AutoTest, ProfileAndSummaryAgreeOnTheChipsTime) {
  SHRIKE_NEEDS_SHARED(kModel);
  const Finished quantized = run(words({"--json"}));
  ASSERT_EQ(quantized.status, 0) << quantized.err;
  const Finished profiled = run({"profile", path("out/model.espdl"), "--runs", "1", "--json"});
  ASSERT_EQ(profiled.status, 0) << profiled.err;
  const auto profile = nlohmann::json::parse(profiled.out);
  EXPECT_EQ(nlohmann::json::parse(quantized.out).at("chip_milliseconds"), profile.at("chip_milliseconds"));
  double sum = 0;
  for (const auto& node : profile.at("nodes")) sum += node.at("chip_milliseconds").get<double>();
  EXPECT_NEAR(sum, profile.at("chip_milliseconds").get<double>(), 1e-9);

  ASSERT_EQ(run(words({"--target", "esp32"})).status, 0);
  const Finished plain = run({"profile", path("out/model.espdl"), "--runs", "1"});
  EXPECT_THAT(plain.out, HasSubstr("no published timings tell how long esp32 takes"));
}

}  // namespace
}  // namespace shrike::tests
