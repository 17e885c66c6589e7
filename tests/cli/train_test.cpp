// `shrike train` of the embedded example, ended by a signal wherever it may be.
#include <gmock/gmock.h>
#include <signal.h>

#include <chrono>
#include <filesystem>

#include "tests/cli/pictures.h"
#include "tests/cli/program.h"
#include "toolchain/support/files.h"

namespace shrike::tests {
namespace {

using Words = std::vector<std::string>;

class TrainTest : public ProgramTest {
 protected:
  void SetUp() override {
    ProgramTest::SetUp();
    make_folder("pictures");
    for (int i = 0; i < 20; ++i)
      write("pictures/" + std::to_string(i) + ".jpg", rgb_jpeg(100 + 5 * i, 180 - 3 * i));
  }

  // Few steps of many pictures: a signal most likely falls into one.
  Finished train(const std::string& out, const Words& more = {}, SendSignal send = {}) const {
    Words all = {"train",         std::string(SHRIKE_SOURCE_DIR) + "/examples/shapes/shapes.onnx",
                 "--data",        path("pictures"),
                 "--target",      "esp32s3",
                 "--steps",       "3",
                 "--batch",       "48",
                 "--evaluations", "1",
                 "--threads",     "1",
                 "--quiet",       "-o",
                 path(out)};
    all.insert(all.end(), more.begin(), more.end());
    return run(all, send);
  }
};

TEST_F(TrainTest, TerminatedWithinAStepItGoesOnToTheSameFile) {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point begin = Clock::now();
  ASSERT_EQ(train("whole.espdl").status, 0);
  EXPECT_THAT(read_text(path("whole.espdl.train.jsonl")), testing::HasSubstr("\"mAP\": null")) << "no labels";
  double moment = 0.6 * std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
  bool met = false;
  for (int attempt = 0; attempt < 8 && !met; ++attempt) {
    const Finished finished = train("resumed.espdl", {}, {SIGTERM, static_cast<int>(moment)});
    met = finished.err.find("--resume goes on") != std::string::npos;
    moment *= finished.signal == SIGTERM ? 1.2 : 0.6;  // it came before the training, or after all
  }
  ASSERT_TRUE(met);
  const Finished finished = train("resumed.espdl", {"--resume"});
  ASSERT_EQ(finished.status, 0) << finished.err;
  for (const char* ending : {"", ".train.jsonl"}) {
    EXPECT_TRUE(read_file(path(std::string("resumed.espdl") + ending)) ==
                read_file(path(std::string("whole.espdl") + ending)))
        << ending;
  }
}

}  // namespace
}  // namespace shrike::tests
