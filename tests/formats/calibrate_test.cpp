#include "toolchain/formats/calibrate.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <numeric>
#include <stdexcept>

#include "tests/engine/graph_builder.h"
#include "tests/formats/ramp.h"
#include "toolchain/measure/ordered.h"

namespace shrike::quantize {
namespace {

TEST(Histogram, WidensByMergingNeighbours) {
  Histogram histogram;
  histogram.cover(1.0f);
  histogram.add(0.75f);
  histogram.add(0.25f);
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
  narrow.add(0.4f);
  wide.cover(64.0f);
  wide.add(50.0f);
  Histogram a = narrow, b = wide;
  a.merge(wide);
  b.merge(narrow);
  EXPECT_EQ(a.width_exponent, b.width_exponent);
  EXPECT_EQ(a.counts, b.counts);
}

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
    return calibrate(graph, {ramp}, Settings{}, [](size_t, size_t) {}).at("y").best_exponent();
  };
  EXPECT_EQ(exponent_of_y(visible), -1);  // 58 needs 2^-1
  EXPECT_LT(exponent_of_y(behind), -1) << "what Swish drops may be clipped";
}

TEST(TensorStatistics, EveryImageHasTheSameVote) {
  TensorStatistics first, second;
  first.images = second.images = 1;
  first.noise = {0.2, 0.1, 0.4, 1, 1, 1, 1, 1, 1, 1};
  second.noise = {0.4, 0.5, 0.6, 1, 1, 1, 1, 1, 1, 1};
  first.maximum = 1;
  second.maximum = 1000;  // how loud an image is does not count
  first.merge(second);
  EXPECT_EQ(first.images, 2);
  EXPECT_DOUBLE_EQ(first.noise_to_signal(0), 0.3);
  EXPECT_DOUBLE_EQ(first.noise_to_signal(1), 0.3);
  EXPECT_FLOAT_EQ(first.maximum, 1000);
}

TEST(OrderedParallel, ConsumesInOrderWhateverTheThreads) {
  for (const int threads : {1, 2, 7}) {
    std::vector<size_t> seen;
    ordered_parallel<size_t>(
        100, threads, [](int, size_t index) { return index * index; },
        [&](size_t index, size_t&& result) {
          EXPECT_EQ(result, index * index);
          seen.push_back(index);
        });
    ASSERT_EQ(seen.size(), 100u);
    for (size_t i = 0; i < seen.size(); ++i) EXPECT_EQ(seen[i], i);
  }
}

TEST(OrderedParallel, TheFirstFailureIsThrown) {
  EXPECT_THROW(ordered_parallel<int>(
                   50, 2,
                   [](int, size_t index) -> int {
                     if (index == 20) throw std::runtime_error("broken image");
                     return 0;
                   },
                   [](size_t, int&&) {}),
               std::runtime_error);
  EXPECT_THROW(ordered_parallel<int>(
                   50, 2, [](int, size_t) { return 0; },
                   [](size_t index, int&&) {
                     if (index == 20) throw std::runtime_error("full");
                   }),
               std::runtime_error);
}

TEST(ChooseImages, SpreadsEvenly) {
  std::vector<std::string> paths;
  for (int i = 0; i < 10; ++i) paths.push_back(std::to_string(i));
  EXPECT_EQ(choose_images(paths, 5), (std::vector<std::string>{"0", "2", "4", "6", "8"}));
  EXPECT_EQ(choose_images(paths, 0), paths);
  EXPECT_EQ(choose_images(paths, 99), paths);
}

}  // namespace
}  // namespace shrike::quantize
