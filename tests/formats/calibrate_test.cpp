#include "toolchain/formats/calibrate.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <cmath>
#include <filesystem>

#include "tests/engine/graph_builder.h"
#include "tests/formats/ramp.h"
#include "tests/formats/small_detector.h"

namespace shrike::quantize {
namespace {

TEST(TensorStatistics, PicksTheExponentWithTheLeastNoise) {
  TensorStatistics statistics;
  statistics.images = 1;
  statistics.first_exponent = -10;
  statistics.noise = {1, 0.5, 0.1, 0.01, 0.02, 0.08, 0.3, 1, 4, 16};
  EXPECT_EQ(statistics.best_exponent(), -7);
  EXPECT_DOUBLE_EQ(statistics.noise_to_signal(-7), 0.01);
  // Beyond the window: four times as much per bit on the coarse side, everything lost on the fine side.
  EXPECT_DOUBLE_EQ(statistics.noise_to_signal(0), 64.0);
  EXPECT_DOUBLE_EQ(statistics.noise_to_signal(-11), 1.0);
}

// y = 2 - 60 r of the picture's red channel: its values reach far below zero, where Swish gives next to
// nothing.
TEST(Calibrate, TheNoiseBehindTheActivationDecidesWhereThereIsOne) {
  const std::string folder = ::testing::TempDir() + "shrike_calibrate_" + std::to_string(::getpid());
  std::filesystem::create_directories(folder);
  const std::string ramp = tests::write_ramp(folder);
  tests::GraphBuilder builder;
  builder.input("x", {1, 3, 16, 16})
      .constant("w", {1, 3, 1, 1}, {-60, 0, 0})
      .constant("b", {1}, {2})
      .variable("y", {1, 1, 16, 16})
      .variable("z", {1, 1, 16, 16})
      .node("Conv", {"x", "w", "b"}, {"y"})
      .node("Swish", {"y"}, {"z"});
  const graph::Graph behind = builder.graph(), visible = builder.outputs({"y", "z"}).graph();
  const auto exponent_of_y = [&](const graph::Graph& graph) {
    return calibrate(graph, Feed(graph, {ramp}, 1), [](size_t, size_t) {}).at("y").best_exponent();
  };
  EXPECT_EQ(exponent_of_y(visible), -1);  // 58 needs 2^-1
  EXPECT_LT(exponent_of_y(behind), -1) << "what Swish drops may be clipped";
}

// Logits of classes reach from -40 to 2 here: below -8 all is background, and 2^-4 holds the rest.
TEST(Calibrate, BackgroundMayBeClipped) {
  const std::string folder = ::testing::TempDir() + "shrike_background_" + std::to_string(::getpid());
  std::filesystem::create_directories(folder);
  const std::string ramp = tests::write_ramp(folder);
  const auto exponent_of_scores = [&](graph::Graph graph, const std::string& name) {
    return calibrate(graph, Feed(graph, {ramp}, 1), [](size_t, size_t) {}).at(name).best_exponent();
  };
  const graph::Graph graph = tests::small_detector(4, 2).graph();
  EXPECT_EQ(exponent_of_scores(graph, "score0"), -4);
  EXPECT_EQ(exponent_of_scores(tests::small_detector(4, 9).graph(), "score0"), -3);
  graph::Graph other = graph;
  other.outputs = {"score0"};  // no head any more
  EXPECT_EQ(exponent_of_scores(other, "score0"), -1);
}

TensorStatistics of_image(int first_exponent, double power,
                          const std::array<double, TensorStatistics::kCandidates>& squared_error) {
  TensorStatistics statistics;
  statistics.images = 1;
  statistics.votes = {{first_exponent, squared_error, power}};
  return statistics;
}

TEST(TensorStatistics, EveryImageHasTheSameVote) {
  TensorStatistics first = of_image(0, 2, {0.4, 0.2, 0.8, 1, 1, 1, 1, 1, 1, 1});
  TensorStatistics second = of_image(0, 3, {1.2, 1.5, 1.8, 1, 1, 1, 1, 1, 1, 1});
  first.maximum = 1;
  second.maximum = 1000;  // how loud an image is does not count
  first.merge(second);
  first.count_votes();
  EXPECT_EQ(first.images, 2);
  EXPECT_DOUBLE_EQ(first.noise_to_signal(0), 0.3);
  EXPECT_DOUBLE_EQ(first.noise_to_signal(1), 0.3);
  EXPECT_FLOAT_EQ(first.maximum, 1000);
}

// Pauses lose everything at exponents that music needs, and music at those of pauses.
TEST(TensorStatistics, QuietImagesHaveHardlyAVote) {
  const std::array<double, TensorStatistics::kCandidates> errors = {900, 800, 600, 300, 100,
                                                                    40,  10,  0.1, 0.4, 1.6};
  std::array<double, TensorStatistics::kCandidates> quiet = errors;
  for (double& error : quiet) error = std::ldexp(error, -20);
  TensorStatistics statistics = of_image(-20, std::ldexp(1000, -20), quiet);
  statistics.merge(of_image(-20, std::ldexp(1000, -20), quiet));
  statistics.merge(of_image(-10, 1000, errors));
  statistics.count_votes();
  EXPECT_EQ(statistics.first_exponent, -10);
  EXPECT_EQ(statistics.best_exponent(), -3);
  EXPECT_LT(statistics.noise_to_signal(-3), 1e-4);
}

TEST(TensorStatistics, BeyondAnImagesCandidatesItsSignalIsAllThereIsToLose) {
  const TensorStatistics statistics = of_image(0, 10, {9, 8, 7, 6, 5, 4, 3, 2, 1, 0.5});
  EXPECT_EQ(statistics.votes[0].squared_error_at(9), 0.5);
  EXPECT_EQ(statistics.votes[0].squared_error_at(11), 8);
  EXPECT_EQ(statistics.votes[0].squared_error_at(12), 10);
}

}  // namespace
}  // namespace shrike::quantize
