// `shrike train`, ended by a signal wherever it may be.
#include <gmock/gmock.h>
#include <signal.h>

#include <chrono>

#include "tests/cli/pictures.h"
#include "tests/cli/program.h"
#include "tests/train/drawn_set.h"
#include "toolchain/support/files.h"

namespace shrike::tests {
namespace {

using Words = std::vector<std::string>;

class TrainTest : public ProgramTest {
 protected:
  // Few steps of many pictures: a signal most likely falls into one.
  Finished train(const std::string& out, Words words, SendSignal send = {}) const {
    const Words common = {"--steps",   "3", "--batch", "48", "--evaluations", "1",
                          "--threads", "1", "--quiet", "-o", path(out)};
    words.insert(words.begin(), "train");
    words.insert(words.end(), common.begin(), common.end());
    return run(words, send);
  }

  // Trains at one go to whole + `ending`, and once more, terminated within a step.
  void expect_the_same_when_terminated(const std::string& ending, Words words) const {
    using Clock = std::chrono::steady_clock;
    const std::string whole = "whole" + ending, resumed = "resumed" + ending;
    const Clock::time_point begin = Clock::now();
    ASSERT_EQ(train(whole, words).status, 0);
    double moment = 0.6 * std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
    bool met = false;
    for (int attempt = 0; attempt < 8 && !met; ++attempt) {
      const Finished finished = train(resumed, words, {SIGTERM, static_cast<int>(moment)});
      met = finished.err.find("--resume goes on") != std::string::npos;
      moment *= finished.signal == SIGTERM ? 1.2 : 0.6;  // it came before the training, or after all
    }
    ASSERT_TRUE(met);
    words.push_back("--resume");
    const Finished finished = train(resumed, words);
    ASSERT_EQ(finished.status, 0) << finished.err;
    for (const char* file : {"", ".train.jsonl"})
      EXPECT_TRUE(read_file(path(resumed + file)) == read_file(path(whole + file))) << file;
  }
};

TEST_F(TrainTest, TerminatedWithinAStepItGoesOnToTheSameFile) {
  make_folder("pictures");
  for (int i = 0; i < 20; ++i)
    write("pictures/" + std::to_string(i) + ".jpg", rgb_jpeg(100 + 5 * i, 180 - 3 * i));
  expect_the_same_when_terminated(".espdl", {std::string(SHRIKE_SOURCE_DIR) + "/examples/shapes/shapes.onnx",
                                             "--data", path("pictures"), "--target", "esp32s3"});
  EXPECT_THAT(read_text(path("whole.espdl.train.jsonl")), testing::HasSubstr("\"mAP\": null")) << "no labels";
}

TEST_F(TrainTest, WithoutACheckpointThereIsNothingToGoOnFrom) {
  make_folder("pictures");
  for (int i = 0; i < 5; ++i)
    write("pictures/" + std::to_string(i) + ".jpg", rgb_jpeg(100 + 5 * i, 180 - 3 * i));
  const Finished finished =
      train("none.espdl", {std::string(SHRIKE_SOURCE_DIR) + "/examples/shapes/shapes.onnx", "--data",
                           path("pictures"), "--target", "esp32s3", "--resume"});
  EXPECT_EQ(finished.status, 1);
  EXPECT_THAT(finished.err, testing::HasSubstr("none.espdl.ckpt' does not exist"));
}

TEST_F(TrainTest, TerminatedWithinAStepFloatTrainingGoesOnToTheSameFile) {
  const DrawnSet set("train_test_set", 20, 160);
  expect_the_same_when_terminated(".onnx", {"--new", "yolo11", "--width", "0.0625", "--reg-max", "8",
                                            "--imgsz", "160", "--data", set.folder});
}

}  // namespace
}  // namespace shrike::tests
