// How many exponents the weights of a layer have, and how they are found.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/engine/graph_builder.h"
#include "toolchain/rounding/round_weights.h"

namespace shrike::quantize {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// A 1x1 convolution from `taps` channels to two; the second channel's weights are eight times smaller. One
// large weight (1.1 and 0.1375) stands among equal small ones.
class WeightExponentSettings : public ::testing::Test {
 protected:
  graph::Format weight_format(int64_t taps) const {
    std::vector<float> weights;
    for (const float size : {1.0f, 0.125f}) {
      for (int64_t k = 0; k < taps; ++k) weights.push_back(size * (k == 0 ? 1.1f : 0.3f));
    }
    const graph::Graph graph = tests::GraphBuilder()
                                   .input("x", {1, taps, 1, 1})
                                   .constant("w", {2, taps, 1, 1}, weights)
                                   .variable("y", {1, 2, 1, 1})
                                   .node("Conv", {"x", "w"}, {"y"})
                                   .graph();
    Plan plan;
    plan.formats["x"] = {8, -7, {}};
    plan.formats["y"] = {8, -3, {}};
    round_weights(graph, Target::kEsp32p4, settings_, plan);
    return plan.weights.at("Conv_0").format;
  }

  FormatOptions settings_;
};

TEST_F(WeightExponentSettings, OnePerChannelOrOnePerLayer) {
  settings_.weight_calibration = WeightCalibration::kMinMax;
  EXPECT_THAT(weight_format(4).channel_exponents, ElementsAre(-6, -9));
  settings_.weight_exponents = WeightExponents::kLayer;
  EXPECT_THAT(weight_format(4).channel_exponents, IsEmpty());
  EXPECT_EQ(weight_format(4).exponent, -6);  // 1.1 needs 127.5 * 2^-6; 2^-7 ends at 0.996
}

TEST_F(WeightExponentSettings, DirectClipsTheOneWeightThatOthersWouldPayFor) {
  settings_.weight_exponents = WeightExponents::kLayer;
  settings_.weight_calibration = WeightCalibration::kMinMax;
  EXPECT_EQ(weight_format(4000).exponent, -6);
  settings_.weight_calibration = WeightCalibration::kDirect;
  EXPECT_EQ(weight_format(4000).exponent, -7);
}

TEST_F(WeightExponentSettings, PercentileLeavesOutTheRarest) {
  settings_.weight_exponents = WeightExponents::kLayer;
  settings_.weight_calibration = WeightCalibration::kPercentile;
  settings_.percentile = 0.9999;
  EXPECT_EQ(weight_format(4000).exponent, -6) << "of 8000 weights none is left out";
  EXPECT_EQ(weight_format(8000).exponent, -8) << "of 16000 the largest is: 0.3 fits 127.5 * 2^-8";
}

}  // namespace
}  // namespace shrike::quantize
