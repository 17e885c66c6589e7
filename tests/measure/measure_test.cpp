// What every step measures with.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <numeric>

#include "tests/engine/graph_builder.h"
#include "tests/formats/ramp.h"
#include "tests/formats/small_detector.h"
#include "toolchain/measure/behind.h"
#include "toolchain/measure/feed.h"
#include "toolchain/measure/grid.h"
#include "toolchain/measure/histogram.h"
#include "toolchain/measure/lanes.h"
#include "toolchain/measure/noise.h"
#include "toolchain/measure/range.h"

namespace shrike::quantize {
namespace {

TEST(Histogram, WidensByMergingNeighbours) {
  Histogram histogram;
  histogram.cover(1.0f);
  histogram.add(std::vector<float>{0.75f, -0.25f});
  const int before = histogram.width_exponent;
  histogram.cover(100.0f);
  EXPECT_GT(histogram.width_exponent, before);
  EXPECT_EQ(std::accumulate(histogram.counts.begin(), histogram.counts.end(), int64_t{0}), 2);
  EXPECT_EQ(histogram.counts[static_cast<size_t>(0.75 / histogram.width())], 1);
  EXPECT_EQ(histogram.counts[static_cast<size_t>(0.25 / histogram.width())], 1);
}

TEST(Histogram, MergeDoesNotDependOnWhichIsWider) {
  Histogram narrow, wide;
  narrow.cover(0.5f);
  narrow.add(std::vector<float>{0.4f});
  wide.cover(64.0f);
  wide.add(std::vector<float>{50.0f});
  Histogram a = narrow, b = wide;
  a.merge(wide);
  b.merge(narrow);
  EXPECT_EQ(a.width_exponent, b.width_exponent);
  EXPECT_EQ(a.counts, b.counts);
}

TEST(ChooseSamples, SpreadsEvenly) {
  std::vector<std::string> paths;
  for (int i = 0; i < 10; ++i) paths.push_back(std::to_string(i));
  EXPECT_EQ(choose_samples(paths, 5), (std::vector<std::string>{"0", "2", "4", "6", "8"}));
  EXPECT_EQ(choose_samples(paths, 0), paths);
  EXPECT_EQ(choose_samples(paths, 99), paths);
}

TEST(IntegerOf, RoundsTiesAsTheChipDoesAndSaturates) {
  EXPECT_EQ(integer_of(0.5, 0, 8, Rounding::kHalfEven), 0);
  EXPECT_EQ(integer_of(1.5, 0, 8, Rounding::kHalfEven), 2);
  EXPECT_EQ(integer_of(0.5, 0, 8, Rounding::kHalfUp), 1);
  EXPECT_EQ(integer_of(-0.5, 0, 8, Rounding::kHalfUp), 0);
  EXPECT_EQ(integer_of(1, -7, 8, Rounding::kHalfEven), 127);
  EXPECT_EQ(integer_of(-2, -7, 8, Rounding::kHalfEven), -128);
  EXPECT_EQ(integer_of(1e30, 0, 64, Rounding::kHalfEven), INT64_MAX);
}

// The highest code is 127: whether 127.5 steps, 128 or exactly 32767 still count as covered is the caller's
// to say.
TEST(CoveringExponent, EndsWhereTheCallerSays) {
  EXPECT_EQ(covering_exponent(1.0f, kSteps8), -6);
  EXPECT_EQ(covering_exponent(1.0f, kAllCodes8), -7);
  EXPECT_EQ(covering_exponent(127.5f, kSteps8), 0);
  EXPECT_EQ(covering_exponent(32767.0f, kExact16), 0);
  EXPECT_EQ(covering_exponent(32767.25f, kExact16), 1);
  EXPECT_EQ(covering_exponent(32767.25f, kSteps16), 0);
  EXPECT_EQ(covering_exponent(0.0f, kSteps8), covering_exponent(1e-40f, kSteps8)) << "no grid at all";
}

TEST(RangeOf, NanAnywhereShows) {
  std::vector<float> values(19, 1.0f);
  values[3] = -2;
  EXPECT_EQ(range_of(values.data(), 19), std::make_pair(-2.0f, 1.0f));
  for (const size_t at : {size_t{5}, size_t{18}}) {
    std::vector<float> spoilt = values;
    spoilt[at] = std::nanf("");
    EXPECT_TRUE(std::isnan(range_of(spoilt.data(), 19).first)) << at;
  }
}

TEST(Lanes, AreSingleNumbers) {
  const std::vector<float> x = {-300, -0.5f, 1.5f, 2.5f, 126.75f};
  const Floats4 rounded = round_half_even(clamped(loaded(&x[0]), -128, 127));
  for (int lane = 0; lane < 4; ++lane) {
    const float expected = round_half_even(std::clamp(x[static_cast<size_t>(lane)], -128.0f, 127.0f));
    EXPECT_EQ(rounded[lane], expected) << lane;
  }
  EXPECT_EQ(clamped(loaded(&x[1]), -128, 1)[3], 1);
  const Floats4 found = looked_up(x.data(), Integers4{4, 0, 1, 1});
  EXPECT_EQ(found[0], 126.75f);
  EXPECT_EQ(found[1], -300);
  EXPECT_EQ(found[3], -0.5f);
}

TEST(NoiseToSignal, IsTheRatioOfPowers) {
  const std::vector<float> wanted = {3, 0, 4}, got = {3, 1, 4};
  EXPECT_NEAR(compare(wanted.data(), got.data(), 3).ratio(), 1.0 / 25, 1e-8);
}

// A shift that the decoder does not see is no signal.
TEST(NoiseToSignal, OfAnOutputIsThatOfWhatItMeans) {
  graph::Graph graph = tests::small_detector(1, 1).graph();
  graph::Tensor& box = graph.tensor("box0");
  box.scales.assign(8, 1);
  box.offsets.assign(8, -10);
  const size_t count = static_cast<size_t>(box.elements());
  const engine::Array wanted = {box.shape, std::vector<float>(count, -8)},
                      got = {box.shape, std::vector<float>(count, -9)};
  const Power power = output_noise(graph, "box0", wanted, got);
  EXPECT_EQ(power.noise, static_cast<double>(count));
  EXPECT_EQ(power.signal, static_cast<double>(4 * count));
}

TEST(NoiseToSignal, ImagesHaveAVoteEachButQuietOnes) {
  const graph::Graph graph = tests::small_detector(1, 1).graph();
  // The mean signal is 100: an image counts by 6.25 at least.
  EXPECT_NEAR(noise_to_signal(graph, "box0", {{1, 100}, {4, 200}, {2, 1e-3}, {0, 99.999}}),
              (0.01 + 0.02 + 2 / 6.25) / 4, 1e-6);
  EXPECT_NEAR(noise_to_signal(graph, "score0", {{1, 100}, {4, 200}}), 5.0 / 300, 1e-9);
  EXPECT_EQ(noise_to_signal(graph, "box0", {{0, 0}, {0, 0}}), 0);
  EXPECT_EQ(noise_to_signal(graph, "box0", {}), 0);
}

TEST(NoiseToSignal, OfClassLogitsIsAboveTheBackground) {
  const graph::Graph graph = tests::small_detector(1, 1).graph();
  const graph::Shape& shape = graph.tensor("score0").shape;
  engine::Array wanted = {shape, std::vector<float>(512, -30)}, got = {shape, std::vector<float>(512, -8)};
  EXPECT_EQ(output_noise(graph, "score0", wanted, got).noise, 0);
  wanted.values[3] = -4;
  got.values[3] = -3;
  const Power power = output_noise(graph, "score0", wanted, got);
  EXPECT_EQ(power.noise, 1);
  EXPECT_EQ(power.signal, 16 + 64);  // and that of a logit of 0
}

TEST(NoiseToSignal, OfLogitsCountsWhatRisesAboveTheFloor) {
  const Power power = compare_above(-8, {{3}, {-20, -8, -4}}, {{3}, {-9, -8, -5}});
  EXPECT_DOUBLE_EQ(power.noise, 1);
  EXPECT_DOUBLE_EQ(power.signal, 16);
}

// x -> Conv -> y -> Relu -> z
tests::GraphBuilder conv_relu() {
  tests::GraphBuilder builder;
  builder.input("x", {1, 3, 16, 16})
      .constant("w", {1, 3, 1, 1}, {1, 0, 0})
      .variable("y", {1, 1, 16, 16})
      .variable("z", {1, 1, 16, 16})
      .node("Conv", {"x", "w"}, {"y"})
      .node("Relu", {"y"}, {"z"});
  return builder;
}

TEST(ActivationBehind, IsTheOnlyReader) {
  tests::GraphBuilder builder = conv_relu();
  const graph::Graph alone = builder.graph();
  ASSERT_NE(activation_behind(alone, graph::Links(alone), "y"), nullptr);
  EXPECT_EQ(activation_behind(alone, graph::Links(alone), "y")->op, "Relu");
  EXPECT_EQ(behind(alone, graph::Links(alone), "y")->function(-3), 0);
  EXPECT_EQ(activation_behind(alone, graph::Links(alone), "x"), nullptr) << "a convolution reads it";
  const graph::Graph shown = builder.outputs({"y", "z"}).graph();
  EXPECT_EQ(activation_behind(shown, graph::Links(shown), "y"), nullptr) << "the outside sees it too";
}

class FeedTest : public ::testing::Test {
 protected:
  FeedTest() { std::filesystem::create_directories(folder_); }
  ~FeedTest() override { std::filesystem::remove_all(folder_); }
  std::string folder_ = ::testing::TempDir() + "shrike_feed_" + std::to_string(::getpid());
};

TEST_F(FeedTest, CalibrationMayFitPicturesInAnotherWayThanUseDoes) {
  const graph::Graph graph = conv_relu().graph();
  const std::string wide = folder_ + "/wide.png";
  std::filesystem::create_directories(folder_);
  data::save_image({8, 4, std::vector<uint8_t>(8 * 4 * 3, 255)}, wide);
  const Feed feed(graph, {wide}, 1);
  const std::vector<float> white(3 * 16 * 16, 1.0f);
  EXPECT_NE(feed.values(0), white) << "grey above and below";
  EXPECT_EQ(feed.fitted_by(data::Geometry::kStretch).values(0), white);
  EXPECT_EQ(feed.fitted_by(std::nullopt).values(0), feed.values(0));
}

TEST_F(FeedTest, ReadsAPictureOnce) {
  const graph::Graph graph = conv_relu().graph();
  const std::string ramp = tests::write_ramp(folder_);
  const Feed feed(graph, {ramp}, 1);
  const std::vector<float> first = feed.values(0);
  EXPECT_EQ(first, data::load_sample(ramp, feed.ports())[0]);
  std::filesystem::remove(ramp);
  EXPECT_EQ(feed.values(0), first);
  EXPECT_EQ(feed.evenly(1).values(0), first) << "parts share what was read";
  EXPECT_EQ(feed.inputs(0).at("x").shape, (graph::Shape{1, 3, 16, 16}));
}

}  // namespace
}  // namespace shrike::quantize
