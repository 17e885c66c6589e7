// The rows' scalar functions, and constants computed by any operator.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/import/onnx_builder.h"
#include "toolchain/graph/activation.h"
#include "toolchain/operators/operator.h"

namespace shrike {
namespace {

using ::testing::ElementsAre;
using ::testing::FloatNear;
using tests::Floats;
using tests::Ints;
using tests::OnnxBuilder;

float value_of(const std::string& op, float x,
               const std::map<std::string, graph::Attribute>& attributes = {}) {
  graph::Graph graph;
  const graph::Node node{"n", op, {"x"}, {"y"}, attributes};
  return graph::activation_function(graph, node)(x);
}

TEST(Formulas, GeluHasTwoForms) {
  EXPECT_NEAR(value_of("Gelu", -2.4f), -0.01967f, 1e-5f);
  EXPECT_NEAR(value_of("Gelu", -2.4f, {{"approximate", std::string("tanh")}}), -0.01928f, 1e-5f);
}

TEST(Formulas, AreThoseOfOnnx) {
  EXPECT_NEAR(value_of("QuickGelu", 1), 0.845796f, 1e-6f);
  EXPECT_NEAR(value_of("QuickGelu", -2, {{"alpha", 1.0f}}), -0.238406f, 1e-6f);
  EXPECT_NEAR(value_of("Softplus", 0), 0.693147f, 1e-6f);
  EXPECT_NEAR(value_of("Softplus", 100), 100, 1e-4f);
  EXPECT_NEAR(value_of("Mish", 1), 0.865098f, 1e-5f);
  EXPECT_NEAR(value_of("Selu", -1), -1.111331f, 1e-5f);
  EXPECT_NEAR(value_of("Celu", -1, {{"alpha", 2.0f}}), -0.786939f, 1e-5f);
  EXPECT_EQ(value_of("Softsign", -3), -0.75f);
  EXPECT_EQ(value_of("ThresholdedRelu", 0.5f), 0);
  EXPECT_EQ(value_of("Round", 2.5f), 2);
  EXPECT_EQ(value_of("Sign", -0.1f), -1);
}

// The constant that y becomes when everything in front of it is constant.
Floats folded(OnnxBuilder& builder) {
  builder.input("x", {2}).node("Add", {"x", "y"}, {"z"}).output("z");
  graph::Graph graph = builder.graph();
  graph::fold_constants(graph);
  EXPECT_EQ(graph.nodes.size(), 1u);
  return graph.tensor("y").values;
}

TEST(Constants, AreComputedByAnyFunction) {
  OnnxBuilder builder;
  builder.floats("c", {2}, {0, 2}).node("Sigmoid", {"c"}, {"y"});
  EXPECT_THAT(folded(builder), ElementsAre(FloatNear(0.5f, 1e-6f), FloatNear(0.880797f, 1e-6f)));
}

TEST(Constants, AreReducedAlongAxes) {
  OnnxBuilder builder;
  builder.floats("c", {2, 3}, {1, 5, 3, -2, -7, -4});
  builder.node("ReduceMax", {"c"}, {"y"}, {{"axes", Ints{1}}, {"keepdims", int64_t{0}}});
  EXPECT_THAT(folded(builder), ElementsAre(5, -2));
}

TEST(Constants, OfSeveralTensorsAreFoldedFromTheLeft) {
  OnnxBuilder builder;
  builder.floats("a", {2}, {1, 8})
      .floats("b", {}, {4})
      .floats("c", {2}, {2, 9})
      .node("Max", {"a", "b", "c"}, {"y"});
  EXPECT_THAT(folded(builder), ElementsAre(4, 9));
}

// Output n, tap k of a transposed convolution's filters [4, 3, 1, 2] in two groups: channels 0, 1 make
// outputs 0..2.
TEST(Filters, OfATransposedConvolutionLieInputsFirst) {
  const graph::Node node{"n", "ConvTranspose", {}, {}, {{"group", int64_t{2}}}};
  const operators::FilterLayout layout = operators::filter_layout(node, {4, 3, 1, 2});
  EXPECT_EQ(layout.outputs, 6);
  EXPECT_EQ(layout.taps, 4);
  EXPECT_EQ(layout.index(0, 0), 0u);
  EXPECT_EQ(layout.index(1, 1), 3u);   // channel 0, output 1, second tap
  EXPECT_EQ(layout.index(1, 2), 8u);   // channel 1
  EXPECT_EQ(layout.index(4, 3), 21u);  // second group: channel 3, its output 1
}

}  // namespace
}  // namespace shrike
