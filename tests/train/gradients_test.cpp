// Gradients of a graph against finite differences, and the rules of rounding (spec/training.md section 6.2).
#include "toolchain/engine/gradients.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>

#include "toolchain/graph/passes.h"
#include "toolchain/support/error.h"
#include "toolchain/support/random.h"
#include "toolchain/train/optimizer.h"
#include "toolchain/train/yolo11.h"

namespace shrike::train {
namespace {

using engine::Array;

// A convolution with bias, Swish, and a 1x1 convolution behind it.
graph::Graph two_convolutions() {
  graph::Graph graph;
  const auto tensor = [&](const std::string& name, graph::Shape shape, bool constant) -> graph::Tensor& {
    graph::Tensor& t = graph.tensors[name];
    t.name = name;
    t.shape = std::move(shape);
    t.constant = constant;
    Random random(name.size(), static_cast<uint64_t>(name[0]));
    if (constant) {
      for (int64_t i = 0; i < t.elements(); ++i)
        t.values.push_back(static_cast<float>(random.uniform(-1, 1)));
    }
    return t;
  };
  tensor("x", {1, 2, 4, 4}, false);
  tensor("w", {3, 2, 3, 3}, true);
  tensor("bias", {3}, true);
  tensor("h", {}, false);
  tensor("a", {}, false);
  tensor("v", {2, 3, 1, 1}, true);
  tensor("y", {}, false);
  graph.inputs = {"x"};
  graph.outputs = {"y"};
  graph.nodes = {{"first", "Conv", {"x", "w", "bias"}, {"h"}, {{"pads", std::vector<int64_t>{1, 1, 1, 1}}}},
                 {"act", "Swish", {"h"}, {"a"}, {}},
                 {"second", "Conv", {"a", "v"}, {"y"}, {}}};
  graph::infer_shapes(graph);
  return graph;
}

std::vector<std::vector<float>> values_of(const graph::Graph& graph, const std::vector<std::string>& names) {
  std::vector<std::vector<float>> values;
  for (const std::string& name : names) values.push_back(graph.tensor(name).values);
  return values;
}

Array random_input(graph::Shape shape) {
  Random random(11);
  Array input{std::move(shape), {}};
  input.values.resize(static_cast<size_t>(graph::element_count(input.shape)));
  for (float& v : input.values) v = static_cast<float>(random.unit());
  return input;
}

// Half the sum of squares.
engine::OutputLoss squares(double& loss) {
  return [&loss](const std::vector<Array>& outputs, std::vector<Array>& derivatives) {
    loss = 0;
    for (size_t i = 0; i < outputs.size(); ++i) {
      for (size_t k = 0; k < outputs[i].values.size(); ++k) {
        const float v = outputs[i].values[k];
        loss += 0.5 * static_cast<double>(v) * v;
        derivatives[i].values[k] = v;
      }
    }
  };
}

TEST(Gradients, AreThoseOfFiniteDifferences) {
  const graph::Graph graph = two_convolutions();
  engine::GradientOptions options;
  options.parameters = {"w", "bias", "v"};
  options.outputs = {"y"};
  const auto network = engine::make_differentiable(graph, options);
  std::vector<std::vector<float>> values = values_of(graph, options.parameters);
  const Array input = random_input({2, 2, 4, 4});  // a batch other than the graph's
  double loss = 0;
  const engine::Gradients found = network->run({{"x", input}}, values, squares(loss), false);
  for (size_t p = 0; p < values.size(); ++p) {
    for (size_t i = 0; i < values[p].size(); ++i) {
      const float old = values[p][i];
      double high = 0, low = 0;
      values[p][i] = old + 1e-2f;
      network->run({{"x", input}}, values, squares(high), false);
      values[p][i] = old - 1e-2f;
      network->run({{"x", input}}, values, squares(low), false);
      values[p][i] = old;
      const double expected = (high - low) / 2e-2;
      EXPECT_NEAR(found.parameters[p][i], expected, 2e-3 * (1 + std::abs(expected)))
          << options.parameters[p] << i;
    }
  }
}

TEST(Gradients, BatchStatisticsAreTheMeanAndVarianceOfTheBatch) {
  Yolo11Options small;
  small.width = 0.0625;
  small.classes = 1;
  small.bins = 4;
  small.image_size = 32;
  const graph::Graph graph = build_yolo11(small);
  engine::GradientOptions options;
  options.outputs = {"model.0.conv_output", "score0"};
  options.batch_statistics = true;
  const auto network = engine::make_differentiable(graph, options);
  double mean = 0, square = 0;
  int64_t count = 0;
  const engine::Gradients found = network->run(
      {{graph.inputs[0], random_input({4, 3, 32, 32})}}, {},
      [&](const std::vector<Array>& outputs, std::vector<Array>&) {
        const Array& x = outputs[0];  // [4, 8, 16, 16]
        for (int64_t b = 0; b < x.shape[0]; ++b) {
          for (int64_t i = 0; i < 256; ++i) {
            const double v = x.values[static_cast<size_t>(b * x.shape[1] * 256 + i)];
            mean += v;
            square += v * v;
            ++count;
          }
        }
      },
      false);
  mean /= static_cast<double>(count);
  const double variance =
      (square - static_cast<double>(count) * mean * mean) / static_cast<double>(count - 1);
  ASSERT_FALSE(found.statistics.empty());
  EXPECT_NEAR(found.statistics[0].mean[0], mean, 1e-5);
  EXPECT_NEAR(found.statistics[0].variance[0], variance, 1e-5);
}

// y = x * w with one weight in a format: the rounding of w alone.
struct OneWeight {
  graph::Graph graph;
  std::unique_ptr<engine::DifferentiableNetwork> network;

  explicit OneWeight(int exponent) {
    graph = two_convolutions();
    graph.nodes = {{"only", "Conv", {"x", "w"}, {"y"}, {}}};
    graph.tensors.erase("bias");
    graph.tensors.erase("h");
    graph.tensors.erase("a");
    graph.tensors.erase("v");
    graph.tensor("x").shape = {1, 1, 1, 1};
    graph.tensor("w").shape = {1, 1, 1, 1};
    graph.tensor("w").values = {0};
    graph.tensor("w").format = {8, exponent, {}};
    graph::infer_shapes(graph);
    engine::GradientOptions options;
    options.precision = engine::Precision::kFakeQuantized;
    options.parameters = {"w"};
    options.outputs = {"y"};
    network = engine::make_differentiable(graph, options);
  }

  // Value, slope by the weight and by its exponent.
  std::array<double, 3> at(float weight) const {
    std::array<double, 3> result{};
    const engine::Gradients found = network->run(
        {{"x", {{1, 1, 1, 1}, {1.0f}}}}, {{weight}},
        [&](const std::vector<Array>& outputs, std::vector<Array>& derivatives) {
          result[0] = outputs[0].values[0];
          derivatives[0].values[0] = 1;
        },
        true);
    result[1] = found.parameters[0][0];
    result[2] = found.exponents.at("w")[0];
    return result;
  }
};

TEST(Rounding, PassesGradientsWithinTheRangeAndGivesTheExponentItsSlope) {
  const OneWeight weight(-4);
  const double s = 1.0 / 16, by_log = s * std::log(2.0);
  const auto inside = weight.at(0.30f);  // 4.8 units
  EXPECT_FLOAT_EQ(static_cast<float>(inside[0]), 5 * s);
  EXPECT_EQ(inside[1], 1);
  EXPECT_NEAR(inside[2], by_log * (5 - 4.8), 1e-6);
  const auto below = weight.at(-20.0f), above = weight.at(20.0f);
  EXPECT_FLOAT_EQ(static_cast<float>(below[0]), -128 * s);
  EXPECT_EQ(below[1], 0);
  EXPECT_NEAR(below[2], by_log * -128, 1e-5);
  EXPECT_FLOAT_EQ(static_cast<float>(above[0]), 127 * s);
  EXPECT_EQ(above[1], 0);
  EXPECT_NEAR(above[2], by_log * 127, 1e-5);
}

// Spec section 8, check 6: an exponent follows data that shrink to half.
TEST(Rounding, AnExponentFollowsDataThatShrink) {
  graph::Graph graph = two_convolutions();
  graph.nodes = {{"only", "Conv", {"x", "w"}, {"y"}, {}}};
  for (const char* name : {"bias", "h", "a", "v"}) graph.tensors.erase(name);
  graph.tensor("x").shape = {1, 1, 16, 16};
  graph.tensor("w").shape = {1, 1, 1, 1};
  graph.tensor("w").values = {1};
  graph.tensor("y").format = {8, -4, {}};  // -8 .. 7.94
  graph::infer_shapes(graph);
  engine::GradientOptions options;
  options.precision = engine::Precision::kFakeQuantized;
  options.outputs = {"y"};
  const auto network = engine::make_differentiable(graph, options);
  Random random(3);
  Array input{{1, 1, 16, 16}, {}};
  for (int i = 0; i < 256; ++i)
    input.values.push_back(static_cast<float>(random.uniform(-3.9, 3.9)));  // half of what the format holds
  Values exponent = {{-4.0f}};
  Optimizer optimizer(Optimizer::Kind::kAdam, exponent);
  int steps = 0;
  for (; steps < 300 && std::lround(exponent[0][0]) == -4; ++steps) {
    const engine::Gradients found = network->run(
        {{"x", input}}, {},
        [&](const std::vector<Array>& outputs, std::vector<Array>& derivatives) {
          for (size_t i = 0; i < 256; ++i)
            derivatives[0].values[i] = 2 * (outputs[0].values[i] - input.values[i]);  // of the squared error
        },
        true);
    optimizer.step(exponent, {{static_cast<float>(found.exponents.at("y")[0])}}, {1e-2}, {0}, 0.9);
  }
  EXPECT_LT(steps, 300);
  EXPECT_EQ(std::lround(exponent[0][0]), -5);
}

TEST(Rounding, FollowsNewFormats) {
  OneWeight weight(-4);
  weight.network->set_formats({{"w", {8, -2, {}}}});
  EXPECT_EQ(weight.at(0.30f)[0], 0.25);
}

// The length of a vector of zeros has no slope; what no parameter decides has none either.
TEST(Gradients, AreNumbersWhereThereIsNoSlope) {
  graph::Graph graph = two_convolutions();
  graph.nodes.push_back({"length", "ReduceL2", {"y", "axes"}, {"l"}, {}});
  graph.nodes.push_back({"other", "Abs", {"x"}, {"o"}, {}});
  graph.outputs = {"l", "o"};
  for (const char* name : {"l", "o"}) graph.tensors[name].name = name;
  graph::Tensor& axes = graph.tensors["axes"];
  axes.name = "axes";
  axes.shape = {1};
  axes.constant = true;
  axes.type = graph::ElementType::kInt64;
  axes.integers = {2};
  graph::infer_shapes(graph);
  engine::GradientOptions options;
  options.parameters = {"w", "bias", "v"};
  options.outputs = {"l", "o"};
  const auto network = engine::make_differentiable(graph, options);
  std::vector<std::vector<float>> values = values_of(graph, options.parameters);
  std::fill(values[2].begin(), values[2].end(), 0.0f);
  double loss = 0;
  const engine::Gradients found =
      network->run({{"x", random_input({1, 2, 4, 4})}}, values, squares(loss), false);
  for (const std::vector<float>& gradients : found.parameters) {
    for (const float gradient : gradients) EXPECT_EQ(gradient, 0);
  }
}

TEST(Gradients, RefuseParametersThatAreNoConstants) {
  engine::GradientOptions options;
  options.parameters = {"x"};
  EXPECT_THROW(engine::make_differentiable(two_convolutions(), options), Error);
}

}  // namespace
}  // namespace shrike::train
