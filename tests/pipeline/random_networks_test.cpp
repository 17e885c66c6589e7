// Whatever network comes (random_network.h), quantize makes a file of it that computes the same.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <map>

#include "tests/npy.h"
#include "tests/own_temporary.h"
#include "tests/pipeline/random_network.h"
#include "toolchain/integer/trial.h"
#include "toolchain/measure/feed.h"
#include "toolchain/measure/noise.h"
#include "toolchain/pipeline/quantize.h"
#include "toolchain/support/files.h"
#include "toolchain/transform/channel_groups.h"

namespace shrike::quantize {
namespace {

constexpr int kArrays = 8;

// Waves and noise; every third array is a pause.
std::vector<std::string> write_arrays(const std::string& folder, const tests::Ints& shape, uint64_t seed) {
  std::vector<std::string> paths;
  for (int i = 0; i < kArrays; ++i) {
    Random random(seed, static_cast<uint64_t>(i));
    std::vector<float> values(static_cast<size_t>(shape[1] * shape[2] * shape[3]));
    const double offset = random.uniform(-0.5, 0.5), wave = random.uniform(-1, 1);
    for (size_t k = 0; k < values.size(); ++k) {
      const double value = offset + 0.4 * std::sin(wave * static_cast<double>(k)) + random.uniform(-0.5, 0.5);
      values[k] = static_cast<float>(i % 3 == 0 ? value / 1000 : value);
    }
    paths.push_back(folder + "/" + std::to_string(i) + ".npy");
    write_file_atomically(paths.back(), tests::npy(shape, values));
  }
  return paths;
}

class RandomNetworks : public ::testing::TestWithParam<int> {
 protected:
  RandomNetworks() : network_(static_cast<uint64_t>(GetParam())) {
    folder_ = tests::own_temporary("random_network_" + std::to_string(GetParam()));
    std::filesystem::create_directories(folder_ + "/calibration");
    write_file_atomically(model(), std::string_view(network_.bytes()));
    samples_ = write_arrays(folder_ + "/calibration", network_.input(), static_cast<uint64_t>(GetParam()));
  }
  ~RandomNetworks() override { std::filesystem::remove_all(folder_); }

  std::string model() const { return folder_ + "/network.onnx"; }

  Settings settings(Target target, int bits) const {
    Settings settings;
    settings.target = target;
    settings.bits = bits;
    settings.threads = 1;
    return settings;
  }

  // The noise of the worst output, over all arrays together.
  double noise(const Settings& settings) const {
    const Result result =
        quantize(model(), folder_ + "/calibration", settings, [](const std::string&, size_t, size_t) {});
    const graph::Graph graph = load_float_graph(model(), settings);
    const Feed feed(graph, samples_, 1);
    engine::Engine reference(graph);
    TrialNetwork trial(result.quantized_graph, settings.target, KeepTensors::kAll, 1);
    std::map<std::string, Power> powers;
    for (size_t i = 0; i < feed.size(); ++i) {
      const auto expected = reference.run(feed.inputs(i));
      trial.run(feed.values(i));
      for (const std::string& output : graph.outputs) {
        const engine::Array got = trial.values(output);
        const std::vector<float>& wanted = expected.at(output).values;
        EXPECT_EQ(got.shape, expected.at(output).shape);
        powers[output] += compare(wanted.data(), got.values.data(), static_cast<int64_t>(wanted.size()));
      }
    }
    double worst = 0;
    for (const auto& [output, power] : powers) worst = std::max(worst, power.ratio());
    return worst;
  }

  std::string folder_;
  tests::RandomNetwork network_;
  std::vector<std::string> samples_;
};

TEST_P(RandomNetworks, FilesComputeWhatTheyWereMadeFrom) {
  for (const Target target : {Target::kEsp32p4, Target::kEsp32s3}) {
    EXPECT_LT(noise(settings(target, 16)), 0.002);
    EXPECT_LT(noise(settings(target, 8)), 0.03);
  }
}

TEST_P(RandomNetworks, ChannelGroupsKeepTheFunction) {
  const graph::Graph graph = load_float_graph(model(), settings(Target::kEsp32s3, 8));
  graph::Graph grouped = graph;
  group_channels(grouped, choose_groups(graph, {Target::kEsp32s3, {}, 1e9}));
  const Feed feed(graph, samples_, 1);
  const auto expected = engine::Engine(graph).run(feed.inputs(1)),
             got = engine::Engine(grouped).run(feed.inputs(1));
  for (const auto& [output, array] : expected) {
    const Power power =
        compare(array.values.data(), got.at(output).values.data(), static_cast<int64_t>(array.values.size()));
    EXPECT_LT(power.ratio(), 1e-8) << output;
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomNetworks, ::testing::Range(0, 40));

}  // namespace
}  // namespace shrike::quantize
