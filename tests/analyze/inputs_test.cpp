// Networks of several inputs, of any rank: what quantize makes of them, analyze explains.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "tests/import/onnx_builder.h"
#include "tests/import/temporary_folder.h"
#include "tests/npy.h"
#include "toolchain/analyze/analyze.h"
#include "toolchain/data/samples.h"
#include "toolchain/espdl/writer.h"
#include "toolchain/pipeline/float_graph.h"
#include "toolchain/pipeline/quantize.h"

namespace shrike::analyze::tests {
namespace {

using shrike::tests::Floats;
using shrike::tests::Ints;
using shrike::tests::OnnxBuilder;

constexpr int kSamples = 6;

// A wave whose frequency and height depend on `seed`.
Floats wave(int64_t count, int seed) {
  Floats values;
  for (int64_t i = 0; i < count; ++i)
    values.push_back(0.1f * static_cast<float>(seed + 3) *
                     std::sin(0.37f * static_cast<float>((seed + 2) * (i + 1))));
  return values;
}

// signal [1,4,20] -> Conv -> Relu -> "loud"; settings [1,6] -> Gemm -> Tanh -> a gain for every channel of
// it.
std::string network_of_two_inputs() {
  OnnxBuilder b;
  b.input("signal", {1, 4, 20}).input("settings", {1, 6});
  b.floats("w", {8, 4, 3}, wave(96, 1)).floats("g", {8, 6}, wave(48, 2)).floats("bias", {8}, wave(8, 3));
  b.node("Conv", {"signal", "w"}, {"heard"}, {{"pads", Ints{1, 1}}}).node("Relu", {"heard"}, {"loud"});
  b.node("Gemm", {"settings", "g", "bias"}, {"h"}, {{"transB", int64_t{1}}}).node("Tanh", {"h"}, {"gain"});
  b.integers("shape", {1, 8, 1}).node("Reshape", {"gain", "shape"}, {"gains"});
  b.node("Mul", {"loud", "gains"}, {"out"}).output("out").output("gain");
  return b.bytes();
}

TEST(AnalyzeInputs, SeveralOfAnyRankAreTheFilesOwn) {
  const shrike::tests::TemporaryFolder folder;
  const std::string model = folder.write("two.onnx", network_of_two_inputs()),
                    calibration = folder / "calibration";
  for (const char* input : {"signal", "settings"})
    std::filesystem::create_directories(calibration + "/" + input);
  for (int i = 0; i < kSamples; ++i) {
    const auto write = [&](const char* input, const Ints& shape, const Floats& values) {
      const std::vector<uint8_t> bytes = shrike::tests::npy(shape, values);
      folder.write(fmt::format("calibration/{}/{}.npy", input, i), std::string(bytes.begin(), bytes.end()));
    };
    write("signal", {1, 4, 20}, wave(80, i));
    write("settings", {1, 6}, wave(6, i + 7));
  }
  const quantize::Settings settings;
  const quantize::Result quantized =
      quantize::quantize(model, calibration, settings, [](const std::string&, size_t, size_t) {});
  const std::vector<uint8_t> bytes = espdl::serialize(quantized.program);
  const graph::Graph graph =
      quantize::float_graph_of(model, host::IntegerModel::from_bytes(bytes, "two.espdl", {}), settings);
  quantize::Feed feed(graph, {}, 1);
  feed = feed.with(data::list_samples(calibration, feed.ports()));
  const Samples samples{feed.size(), [&](size_t index) { return feed.inputs(index); }};
  const Analysis analysis = analyze(graph, bytes, "two.espdl", samples, {}, [](size_t, size_t) {});

  EXPECT_EQ(analysis.samples, static_cast<size_t>(kSamples));
  ASSERT_EQ(analysis.inputs.size(), 2u);
  EXPECT_EQ(analysis.inputs[0].name, "signal");
  EXPECT_EQ(analysis.inputs[0].shape, (Ints{1, 4, 20}));
  EXPECT_EQ(analysis.inputs[1].name, "settings");
  ASSERT_EQ(analysis.outputs, (std::vector<std::string>{"out", "gain"}));
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_GT(analysis.output_noise[i], 0);
    EXPECT_LT(analysis.output_noise[i], 0.005);
    // The same sums of the same numbers, in another order.
    EXPECT_NEAR(analysis.output_noise[i], quantized.output_noise[i], 1e-6 * quantized.output_noise[i]);
  }
  // Both layers that compute lead to "out", one of them to "gain" too.
  ASSERT_EQ(analysis.layers.size(), 2u);
  for (const LayerReport& layer : analysis.layers) {
    EXPECT_GT(layer.noise_to_signal[0], 0) << layer.layer;
    EXPECT_EQ(layer.noise_to_signal[1] > 0, layer.op == "Gemm") << layer.layer;
  }
}

}  // namespace
}  // namespace shrike::analyze::tests
