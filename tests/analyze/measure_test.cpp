#include "toolchain/analyze/measure.h"
#include "toolchain/measure/noise.h"

#include <gtest/gtest.h>

#include <vector>

namespace shrike::analyze {
namespace {

TEST(Measure, NoiseToSignalIsTheRatioOfPowers) {
  const std::vector<float> reference = {1, 2, -2}, quantized = {1, 1.5f, -2.5f};
  const quantize::Power power = quantize::compare(reference.data(), quantized.data(), 3);
  EXPECT_DOUBLE_EQ(power.noise, 0.5);
  EXPECT_DOUBLE_EQ(power.signal, 9.0);
  EXPECT_NEAR(power.ratio(), 0.5 / 9, 1e-9);
}

TEST(Measure, NoSignalGivesAFiniteRatio) {
  const std::vector<float> zeros(5, 0.0f), ones(5, 1.0f);
  EXPECT_DOUBLE_EQ(quantize::compare(zeros.data(), zeros.data(), 5).ratio(), 0.0);
  EXPECT_DOUBLE_EQ(quantize::compare(zeros.data(), ones.data(), 5).ratio(), 5e7);
}

TEST(Measure, OnGridRoundsAndSaturates) {
  EXPECT_EQ(on_grid({0.3f, 40.0f, -40.0f, 0.625f}, 8, -2, Rounding::kHalfEven),
            (std::vector<float>{0.25f, 31.75f, -32.0f, 0.5f}));
  EXPECT_EQ(on_grid({0.625f, 40.0f}, 9, -2, Rounding::kHalfUp),
            (std::vector<float>{0.75f, 40.0f}));  // ties up, twice the range
}

TEST(Measure, DistributionCountsLimitsAndBins) {
  // Steps of 1/4: limits at -32 and 31.75.
  const std::vector<float> reference = {-40, -32, 0, 0.3f, 31.75f, 50};
  const std::vector<float> quantized = {-32, -32, 0, 0.25f, 31.75f, 31.75f};
  const Distribution d = measure(reference.data(), quantized.data(), 6, 8, -2);
  EXPECT_EQ(d.minimum, -40);
  EXPECT_EQ(d.maximum, 50);
  EXPECT_EQ(d.lowest, -128);
  EXPECT_EQ(d.highest, 127);
  EXPECT_EQ(d.saturated, 4);
  EXPECT_EQ(d.clipped, 2);
  EXPECT_EQ(d.sampled, 6);
  EXPECT_EQ(d.reference.below, 1);
  EXPECT_EQ(d.reference.above, 1);
  EXPECT_EQ(d.quantized.counts[0], 2);    // two integers a bin: -128, -127
  EXPECT_EQ(d.quantized.counts[64], 2);   // 0 and 1
  EXPECT_EQ(d.quantized.counts[127], 2);  // 126, 127
  EXPECT_EQ(d.quantized.below + d.quantized.above, 0);
}

TEST(Measure, BitsUsedAreThoseOfTheLargestInteger) {
  Distribution d;
  EXPECT_EQ(d.bits_used(), 1);
  d.highest = 63;
  EXPECT_EQ(d.bits_used(), 7);
  d.lowest = -65;
  EXPECT_EQ(d.bits_used(), 8);
}

TEST(Measure, MergingImagesAveragesTheirRatios) {
  const std::vector<float> reference = {1, 1}, near = {1, 0.5f}, far = {0, 0};
  Distribution sum = measure(reference.data(), near.data(), 2, 8, -1);
  sum.merge(measure(reference.data(), far.data(), 2, 8, -1));
  EXPECT_NEAR(sum.noise_to_signal(), (0.125 + 1.0) / 2, 1e-6);
  EXPECT_EQ(sum.count, 4);
  EXPECT_DOUBLE_EQ(sum.mean(), 1.0);
  EXPECT_DOUBLE_EQ(sum.deviation(), 0.0);
}

}  // namespace
}  // namespace shrike::analyze
