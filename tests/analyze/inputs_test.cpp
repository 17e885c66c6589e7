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
#include "toolchain/integer/stored.h"
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

// A model quantised on samples of its inputs, the first of which are `pauses`, and the file analysed.
struct Analyzed {
  quantize::Result quantized;
  std::vector<uint8_t> bytes;
  Analysis analysis;
};

using Inputs = std::vector<std::pair<std::string, Ints>>;

Analyzed analyzed(const std::string& onnx, const Inputs& inputs, int pauses = 0) {
  const shrike::tests::TemporaryFolder folder;
  const std::string model = folder.write("m.onnx", onnx);
  for (const auto& [input, shape] : inputs) {
    const std::string place = inputs.size() > 1 ? "calibration/" + input : "calibration";
    std::filesystem::create_directories(folder / place);
    for (int i = 0; i < kSamples; ++i) {
      Floats values = wave(graph::element_count(shape), i + static_cast<int>(shape.size()));
      for (float& value : values) value *= i < pauses ? 1e-3f : 1.0f;
      const std::vector<uint8_t> bytes = shrike::tests::npy(shape, values);
      folder.write(fmt::format("{}/{}.npy", place, i), std::string(bytes.begin(), bytes.end()));
    }
  }
  const quantize::Settings settings;
  Analyzed result;
  result.quantized =
      quantize::quantize(model, folder / "calibration", settings, [](const std::string&, size_t, size_t) {});
  result.bytes = espdl::serialize(result.quantized.program);
  const graph::Graph graph =
      quantize::float_graph_of(model, host::IntegerModel::from_bytes(result.bytes, "m.espdl", {}), settings);
  quantize::Feed feed(graph, {}, 1);
  feed = feed.with(data::list_samples(folder / "calibration", feed.ports()));
  const Samples samples{feed.size(), [&](size_t index) { return feed.inputs(index); }};
  result.analysis = analyze(graph, result.bytes, "m.espdl", samples, {}, [](size_t, size_t) {});
  return result;
}

// What quantize measured on its own network in memory, analyze finds in the file.
void expect_same_noise(const Analyzed& found) {
  const std::vector<double>&noise = found.analysis.output_noise, &expected = found.quantized.output_noise;
  ASSERT_EQ(noise.size(), expected.size());
  for (size_t i = 0; i < noise.size(); ++i) {
    EXPECT_GT(noise[i], 0);
    EXPECT_LT(noise[i], 0.005);
    EXPECT_NEAR(noise[i], expected[i], 1e-6 * expected[i]);  // the same sums, in another order
  }
}

TEST(AnalyzeInputs, SeveralOfAnyRankAreTheFilesOwn) {
  const Analyzed found = analyzed(network_of_two_inputs(), {{"signal", {1, 4, 20}}, {"settings", {1, 6}}});
  const Analysis& analysis = found.analysis;
  expect_same_noise(found);
  EXPECT_EQ(analysis.samples, static_cast<size_t>(kSamples));
  ASSERT_EQ(analysis.inputs.size(), 2u);
  EXPECT_EQ(analysis.inputs[0].name, "signal");
  EXPECT_EQ(analysis.inputs[0].shape, (Ints{1, 4, 20}));
  EXPECT_EQ(analysis.inputs[1].name, "settings");
  ASSERT_EQ(analysis.outputs, (std::vector<std::string>{"out", "gain"}));
  // Both layers that compute lead to "out", one of them to "gain" too.
  ASSERT_EQ(analysis.layers.size(), 2u);
  for (const LayerReport& layer : analysis.layers) {
    EXPECT_GT(layer.noise_to_signal[0], 0) << layer.layer;
    EXPECT_EQ(layer.noise_to_signal[1] > 0, layer.op == "Gemm") << layer.layer;
  }
}

// What is lost of a pause is nothing that anybody hears: no reason to call the file of little use.
TEST(AnalyzeInputs, PausesHaveLittleSay) {
  OnnxBuilder b;
  b.input("x", {1, 6, 5}).floats("w", {4, 6, 3}, wave(72, 1));
  b.node("Conv", {"x", "w"}, {"y"}, {{"pads", Ints{1, 1}}}).output("y");
  const Analyzed found = analyzed(b.bytes(), {{"x", {1, 6, 5}}}, 2);
  expect_same_noise(found);
  EXPECT_EQ(found.quantized.warnings, std::vector<std::string>{});
}

std::vector<int> order_of_input(const Analyzed& found) {
  const auto file = host::IntegerModel::from_bytes(found.bytes, "m.espdl", {});
  return quantize::order_of_alike_dims(file, file.model().input(0));
}

// [1,6,6] in the model's order and with channels last look the same; the file says which it is.
TEST(AnalyzeInputs, ThatLookAlikeInEveryOrderAreReadInTheirOwn) {
  OnnxBuilder product, convolution, oblong;
  product.input("x", {1, 6, 6})
      .floats("w", {6, 4}, wave(24, 1))
      .node("MatMul", {"x", "w"}, {"y"})
      .output("y");
  const Analyzed as_it_is = analyzed(product.bytes(), {{"x", {1, 6, 6}}});
  expect_same_noise(as_it_is);
  EXPECT_EQ(order_of_input(as_it_is), (std::vector<int>{0, 1, 2}));

  convolution.input("x", {1, 6, 6}).floats("w", {4, 6, 3}, wave(72, 1));
  convolution.node("Conv", {"x", "w"}, {"y"}, {{"pads", Ints{1, 1}}}).output("y");
  const Analyzed channels_last = analyzed(convolution.bytes(), {{"x", {1, 6, 6}}});
  expect_same_noise(channels_last);
  EXPECT_EQ(order_of_input(channels_last), (std::vector<int>{0, 2, 1}));

  oblong.input("x", {1, 6, 5}).floats("w", {4, 6, 3}, wave(72, 1));
  oblong.node("Conv", {"x", "w"}, {"y"}, {{"pads", Ints{1, 1}}}).output("y");
  EXPECT_EQ(order_of_input(analyzed(oblong.bytes(), {{"x", {1, 6, 5}}})), std::vector<int>{});
}

// A Reshape reads [1,1,6,8] as it is; its second and third number are no height and width.
TEST(AnalyzeInputs, PicturesThatAreStoredAsTheModelHasThemKeepTheirSize) {
  OnnxBuilder b;
  b.input("x", {1, 1, 6, 8}).integers("shape", {1, 6, 8}).floats("w", {8, 4}, wave(32, 1));
  b.node("Reshape", {"x", "shape"}, {"rows"}).node("MatMul", {"rows", "w"}, {"y"}).output("y");
  const Analyzed found = analyzed(b.bytes(), {{"x", {1, 1, 6, 8}}});
  EXPECT_EQ(found.quantized.program.values[0].permutation, (std::vector<int>{0, 1, 2, 3}));
  expect_same_noise(found);
}

// The convolution itself writes what the Transpose gives: no byte moves.
TEST(AnalyzeInputs, ATransposedOutputIsReadInItsOrder) {
  for (const int64_t length : {7, 4}) {  // of the latter, nothing can be told by the shape
    OnnxBuilder b;
    b.input("x", {1, 3, length}).floats("w", {4, 3, 1}, wave(12, 1));
    b.node("Conv", {"x", "w"}, {"h"}).node("Transpose", {"h"}, {"y"}, {{"perm", Ints{0, 2, 1}}}).output("y");
    const Analyzed found = analyzed(b.bytes(), {{"x", {1, 3, length}}});
    EXPECT_EQ(found.quantized.program.nodes.size(), 1u);
    expect_same_noise(found);
  }
}

}  // namespace
}  // namespace shrike::analyze::tests
