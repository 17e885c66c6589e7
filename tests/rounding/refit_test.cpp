#include "toolchain/rounding/refit.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "tests/engine/graph_builder.h"
#include "toolchain/data/decode.h"
#include "toolchain/formats/calibrate.h"
#include "toolchain/formats/choose.h"
#include "toolchain/integer/reference.h"
#include "toolchain/rounding/round_weights.h"
#include "toolchain/support/files.h"

namespace shrike::quantize {
namespace {

// On a picture whose red rises and whose green is the same everywhere. 127.5 * 2^-7 is 0.996.
class RefitWeights : public ::testing::Test {
 protected:
  static constexpr int kNearest = 0, kRefitted = 1;

  void SetUp() override {
    folder_ = ::testing::TempDir() + "shrike_refit_" + std::to_string(::getpid());
    std::filesystem::create_directories(folder_);
    data::Image picture{16, 16, {}};
    for (int i = 0; i < 16 * 16; ++i)
      picture.pixels.insert(picture.pixels.end(), {static_cast<uint8_t>(i), 200, 0});
    picture_ = folder_ + "/red.png";
    write_file_atomically(picture_, data::encode_png(picture));
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  // A 1x1 convolution with one exponent for all weights, rounded to nearest and refitted: its exponents and
  // the noise at its output.
  void round(int64_t filters, const std::vector<float>& weights) {
    const graph::Graph graph = tests::GraphBuilder()
                                   .input("x", {1, 3, 16, 16})
                                   .constant("w", {filters, 3, 1, 1}, weights)
                                   .variable("y", {1, filters, 16, 16})
                                   .node("Conv", {"x", "w"}, {"y"})
                                   .graph();
    const auto quiet = [](size_t, size_t) {};
    const Target target = Target::kEsp32s3;
    const Feed feed(graph, {picture_}, 1);
    Plan plan = choose_formats(graph, calibrate(graph, feed, quiet), {});
    const Reference reference = make_reference(graph, feed);
    for (const int step : {kNearest, kRefitted}) {
      if (step == kNearest) {
        round_weights(graph, target, {}, plan);
      } else {
        refit_weights(graph, feed, target, plan, quiet);
      }
      exponent_[step] = plan.weights.at("Conv_0").format.exponent;
      noise_[step] = output_noise(graph, plan, target, reference)[0];
    }
  }

  std::string folder_, picture_;
  int exponent_[2] = {};
  double noise_[2] = {};
};

TEST_F(RefitWeights, ALargeWeightOfAnInputThatNeverChangesIsClipped) {
  std::vector<float> weights;
  for (int filter = 0; filter < 16; ++filter)
    weights.insert(weights.end(), {0.3f + 0.013f * static_cast<float>(filter), filter == 0 ? 1.1f : 0.0f, 0});
  round(16, weights);
  EXPECT_EQ(exponent_[kNearest], -6);
  EXPECT_EQ(exponent_[kRefitted], -7);
  EXPECT_LT(noise_[kRefitted], 0.7 * noise_[kNearest]);
}

TEST_F(RefitWeights, TheOneWeightThatCountsIsNotClippedForManyThatDoNot) {
  constexpr float kHalfway = 19.5f / 64;  // between two integers at -6, an integer at -7
  std::vector<float> weights;
  for (int filter = 0; filter < 1024; ++filter)
    weights.insert(weights.end(), {filter == 0 ? 1.1f : 0.0f, kHalfway, kHalfway});
  round(1024, weights);
  EXPECT_EQ(exponent_[kNearest], -7);
  EXPECT_EQ(exponent_[kRefitted], -6);
  EXPECT_LT(noise_[kRefitted], noise_[kNearest]);
}

}  // namespace
}  // namespace shrike::quantize
