#include <gtest/gtest.h>

#include "tests/analyze/small_network.h"
#include "toolchain/analyze/report.h"
#include "toolchain/pipeline/float_graph.h"
#include "toolchain/support/error.h"

namespace shrike::analyze::tests {
namespace {

// Power of rounding evenly spread values to steps of 2^exponent, and of values even over [-1, 1).
double rounding_power(int exponent) {
  return std::ldexp(1.0, 2 * exponent) / 12;
}
constexpr double kEvenPower = 1.0 / 3;

const TensorReport& tensor(const Analysis& analysis, const std::string& name) {
  for (const TensorReport& report : analysis.tensors) {
    if (report.tensor == name) return report;
  }
  fail("no tensor {}", name);
}

TEST(Analyze, TheInputsNoiseIsThatOfItsStep) {
  const graph::Graph graph = two_convolutions(1.0f, 1.0f);
  const Analysis analysis = run(graph, write_file(graph, {-5, -5, -5}), even_images(2, -1, 1));
  const double expected = rounding_power(-5) / kEvenPower;
  EXPECT_NEAR(tensor(analysis, "images").distribution.noise_to_signal(), expected, 0.02 * expected);
  // Multiplying by one on the same grid adds nothing.
  EXPECT_DOUBLE_EQ(tensor(analysis, "out").distribution.noise_to_signal(),
                   tensor(analysis, "images").distribution.noise_to_signal());
  ASSERT_EQ(analysis.output_noise.size(), 1u);
  EXPECT_DOUBLE_EQ(analysis.output_noise[0], tensor(analysis, "out").distribution.noise_to_signal());
}

TEST(Analyze, NoiseAccumulatesAlongTheNetwork) {
  const graph::Graph graph = two_convolutions(1.0f, 1.0f);
  // Each tensor is rounded to a step s four times as coarse as the one before. Multiples of s / 4 are off by
  // 0, s/4, s/2 and s/4 in turn, a mean power of 6/64 s^2, on top of the noise so far. Ties to even then
  // leave even integers 5/16 of the time and odd ones 3/16, so that the next rounding meets more
  // ties: 6.5/64.
  const Analysis analysis = run(graph, write_file(graph, {-7, -5, -3}), even_images(2, -1, 1));
  const auto noise = [&](const char* name) {
    return tensor(analysis, name).distribution.noise_to_signal() * kEvenPower;
  };
  const double middle = rounding_power(-7) + 6.0 / 64 * std::ldexp(1.0, -10);
  const double out = middle + 6.5 / 64 * std::ldexp(1.0, -6);
  EXPECT_NEAR(noise("images"), rounding_power(-7), 0.02 * rounding_power(-7));
  EXPECT_NEAR(noise("middle"), middle, 0.02 * middle);
  EXPECT_NEAR(noise("out"), out, 0.02 * out);
}

TEST(Analyze, ALayerAloneShowsOnlyItsOwnNoise) {
  const graph::Graph graph = two_convolutions(1.0f, 1.0f);
  const Analysis analysis = run(graph, write_file(graph, {-7, -3, -3}), even_images(2, -1, 1));
  ASSERT_EQ(analysis.layers.size(), 2u);
  const LayerReport& first = analysis.layers[0];
  const LayerReport& second = analysis.layers[1];
  EXPECT_EQ(first.layer, "first");
  EXPECT_EQ(second.layer, "second");
  const double coarse = rounding_power(-3) / kEvenPower;
  EXPECT_NEAR(first.mean(), coarse, 0.05 * coarse);
  // The second layer's input, the middle tensor, is what it rounds; its output is on the same grid already.
  EXPECT_NEAR(second.mean(), coarse, 0.05 * coarse);
  EXPECT_NEAR(first.shares.output, 1.0, 0.02);
  EXPECT_NEAR(first.shares.input, 0.0, 0.02);
  EXPECT_NEAR(first.local, first.mean(), 0.01 * first.mean());
}

TEST(Analyze, WeightNoiseIsToldFromRounding) {
  // 0.7 at 2^-6 becomes 45/64: an error of 0.003125, against which fine activations are nothing.
  const graph::Graph graph = two_convolutions(0.7f, 1.0f);
  const Analysis analysis = run(graph, write_file(graph, {-7, -7, -7}), even_images(2, -1, 1));
  const LayerReport& first = analysis.layers[0];
  const double weights = std::pow(45.0 / 64 / 0.7 - 1, 2);
  const double output = rounding_power(-7) / (0.49 * kEvenPower), input = rounding_power(-7) / kEvenPower;
  const double all = weights + output + input;
  EXPECT_NEAR(first.local, all, 0.1 * all);
  EXPECT_NEAR(first.shares.weights, weights / all, 0.05);
  EXPECT_NEAR(first.shares.input, input / all, 0.05);
  EXPECT_NEAR(first.shares.output, output / all, 0.05);
  EXPECT_NEAR(first.shares.input + first.shares.weights + first.shares.output, 1.0, 1e-9);
}

TEST(Analyze, OneMoreBitOnTheOutputBuysWhatItPromises) {
  // Given a layer whose output step is coarse, the gain foreseen for one more bit is what a file with half
  // the step really saves.
  const graph::Graph graph = two_convolutions(0.5f, 1.0f);
  const Samples images = even_images(2, -1, 1);
  const LayerReport coarse = run(graph, write_file(graph, {-7, -4, -4}), images).layers[0];
  const LayerReport fine = run(graph, write_file(graph, {-7, -5, -4}), images).layers[0];
  EXPECT_NEAR(coarse.gain_of_output_bit(), coarse.mean() - fine.mean(), 0.03 * coarse.mean());
}

TEST(Analyze, AClippedOutputGainsByRange) {
  // Values up to 1 in a format that ends at 0.5: a wider range saves nearly everything.
  const graph::Graph graph = two_convolutions(1.0f, 1.0f);
  const Analysis analysis = run(graph, write_file(graph, {-7, -8, -7}), even_images(2, -1, 1));
  const LayerReport& first = analysis.layers[0];
  EXPECT_GT(first.shares.output, 0.95);
  EXPECT_GT(first.gain_of_output_bit(), 0.95 * first.mean());
  const TensorReport& middle = tensor(analysis, "middle");
  EXPECT_NEAR(
      static_cast<double>(middle.distribution.saturated) / static_cast<double>(middle.distribution.count),
      0.5, 0.01);
  EXPECT_NEAR(
      static_cast<double>(middle.distribution.clipped) / static_cast<double>(middle.distribution.sampled),
      0.5, 0.01);
  EXPECT_EQ(middle.distribution.bits_used(), 8);
  EXPECT_EQ(middle.exponent, -8);
}

TEST(Analyze, WhatTheActivationFlattensIsNoNoise) {
  // Swish maps everything below -8 to nearly 0. A format that ends there loses nothing by clipping, so one
  // more bit is best spent on finer steps, which leave a quarter of the noise.
  graph::Graph graph = two_convolutions(1.0f, 1.0f);
  add_tensor(graph, "activated", {1, 3, kSize, kSize});
  graph::Node swish;
  swish.name = "swish";
  swish.op = "Swish";
  swish.inputs = {"middle"};
  swish.outputs = {"activated"};
  graph.nodes[1].inputs[0] = "activated";
  graph.nodes.insert(graph.nodes.begin() + 1, swish);
  const Analysis analysis = run(graph, write_file(graph, {-3, -4, -5}), even_images(2, -12, 2));
  const LayerReport& first = analysis.layers[0];
  const Distribution& middle = tensor(analysis, "middle").distribution;
  EXPECT_GT(middle.clipped, 0);
  EXPECT_LT(first.local, 0.01);
  // Graphwise too: what arrives at the layer is judged behind the function.
  EXPECT_GT(middle.noise_to_signal(), 0.03);
  EXPECT_LT(middle.noise_behind(), 0.01);
  EXPECT_NE(graphwise_table(analysis, Rows::kComputing).find("first:"), std::string::npos);
  EXPECT_DOUBLE_EQ(tensor(analysis, "out").distribution.noise_behind(),
                   tensor(analysis, "out").distribution.noise_to_signal());
  EXPECT_NEAR(first.output_bit_keeps, 0.25, 0.03);
}

TEST(Analyze, ResultsDoNotDependOnTheThreads) {
  const graph::Graph graph = two_convolutions(0.7f, 0.3f);
  const std::vector<uint8_t> file = write_file(graph, {-7, -6, -6});
  Options one, three;
  one.threads = 1;
  three.threads = 3;
  const Analysis a = run(graph, file, even_images(5, -1, 1), one);
  const Analysis b = run(graph, file, even_images(5, -1, 1), three);
  EXPECT_EQ(a.output_noise, b.output_noise);
  for (size_t i = 0; i < a.layers.size(); ++i) {
    EXPECT_EQ(a.layers[i].noise_to_signal, b.layers[i].noise_to_signal);
    EXPECT_EQ(a.layers[i].shares.weights, b.layers[i].shares.weights);
  }
  EXPECT_EQ(a.samples, 5u);
}

TEST(Analyze, EveryTensorIncludesTheInputAsALayer) {
  const graph::Graph graph = two_convolutions(1.0f, 1.0f);
  Options options;
  options.every_tensor = true;
  const Analysis analysis = run(graph, write_file(graph, {-4, -7, -7}), even_images(1, -1, 1), options);
  ASSERT_EQ(analysis.layers.size(), 3u);
  EXPECT_EQ(analysis.layers[0].op, "Input");
  EXPECT_NEAR(analysis.layers[0].mean(), rounding_power(-4) / kEvenPower, 1e-4);
}

TEST(Analyze, WithoutLayersOnlyTensorsAreCompared) {
  const graph::Graph graph = two_convolutions(1.0f, 1.0f);
  Options options;
  options.layerwise = false;
  const Analysis analysis = run(graph, write_file(graph, {}), even_images(1, -1, 1), options);
  EXPECT_TRUE(analysis.layers.empty());
  EXPECT_EQ(analysis.tensors.size(), 3u);
  EXPECT_TRUE(analysis.not_compared.empty());
}

TEST(Analyze, AnotherModelsFileIsRefusedByName) {
  const graph::Graph graph = two_convolutions(1.0f, 1.0f);
  const std::vector<uint8_t> file = write_file(graph, {});
  graph::Graph other = graph;
  other.tensors["elsewhere"] = other.tensors["out"];
  other.tensors["elsewhere"].name = "elsewhere";
  other.tensors.erase("out");
  other.nodes[1].outputs = {"elsewhere"};
  other.outputs = {"elsewhere"};
  try {
    run(other, file, even_images(1, -1, 1));
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("'small.espdl' has no tensor 'elsewhere'"), std::string::npos)
        << error.what();
  }
}

}  // namespace
}  // namespace shrike::analyze::tests
