// Rewrites keep the function: the float engine gives the same before and after, and what comes out is what
// the chip has.
#include <gtest/gtest.h>

#include <cmath>

#include "tests/operators/cases.h"
#include "toolchain/engine/engine.h"
#include "toolchain/graph/passes.h"
#include "toolchain/operators/expression.h"

namespace shrike {
namespace {

using tests::Floats;
using tests::Ints;
using tests::OnnxBuilder;

std::vector<float> picture() {
  std::vector<float> values(3 * 8 * 8);
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i * 37 % 101) / 101.0f;
  return values;
}

std::vector<float> output_of(const graph::Graph& graph) {
  engine::Engine engine(graph);
  return engine.run({{"image", {{1, 3, 8, 8}, picture()}}}).at("y").values;
}

class Rewrites : public ::testing::TestWithParam<std::string> {};

TEST_P(Rewrites, KeepTheFunction) {
  const auto [first, last] = tests::row_cases().equal_range(GetParam());
  ASSERT_NE(first, last);
  for (auto item = first; item != last; ++item) {
    graph::Graph before = tests::model_of(item->second).graph();
    graph::infer_shapes(before);
    graph::write_out_operands(before);
    graph::Graph after = before;
    graph::prepare(after, {.size = {}, .outputs = {"y"}});
    const std::vector<float> wanted = output_of(before), found = output_of(after);
    ASSERT_EQ(found.size(), wanted.size());
    for (size_t i = 0; i < wanted.size(); ++i)
      EXPECT_NEAR(found[i], wanted[i], 2e-5f * (1 + std::fabs(wanted[i]))) << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Rows, Rewrites,
                         ::testing::Values("Max", "Min", "AveragePool", "GlobalMaxPool", "Conv",
                                           "ConvTranspose", "Gemm", "Expand", "BatchNormalization", "Swish",
                                           "Resize", "Pad", "Softmax", "LogSoftmax"),
                         [](const auto& info) { return info.param; });

// y = the last node's output; `add` writes the function of "x".
graph::Graph with(const std::function<void(OnnxBuilder&)>& add) {
  graph::Graph graph = tests::model_of({add}).graph();
  graph::prepare(graph, {.size = {}, .outputs = {"y"}});
  return graph;
}

TEST(Functions, AreRecognisedByTheirValues) {
  const auto hard_swish = with([](OnnxBuilder& b) {
    b.floats("three", {}, {3}).floats("six", {}, {6}).floats("zero", {}, {0});
    b.node("Add", {"x", "three"}, {"a"}).node("Clip", {"a", "zero", "six"}, {"c"});
    b.node("Mul", {"x", "c"}, {"m"}).node("Div", {"m", "six"}, {"y"});
  });
  EXPECT_EQ(tests::count_op(hard_swish, "HardSwish"), 1);
  EXPECT_EQ(hard_swish.nodes.size(), 2u);
  const auto gelu = with([](OnnxBuilder& b) {
    b.floats("root", {}, {std::sqrt(2.0f)}).floats("one", {}, {1}).floats("half", {}, {0.5f});
    b.node("Div", {"x", "root"}, {"d"}).node("Erf", {"d"}, {"e"}).node("Add", {"e", "one"}, {"a"});
    b.node("Mul", {"x", "a"}, {"m"}).node("Mul", {"m", "half"}, {"y"});
  });
  EXPECT_EQ(tests::count_op(gelu, "Gelu"), 1);
  const auto mish = with([](OnnxBuilder& b) {
    b.node("Softplus", {"x"}, {"s"}).node("Tanh", {"s"}, {"t"}).node("Mul", {"t", "x"}, {"y"});
  });
  EXPECT_EQ(tests::count_op(mish, "Mish"), 1);
}

TEST(Functions, ThatNoRowIsBecomeOneTable) {
  const auto graph = with([](OnnxBuilder& b) {
    b.floats("two", {}, {2})
        .node("Sigmoid", {"x"}, {"s"})
        .node("Mul", {"s", "two"}, {"m"})
        .node("Pow", {"m", "two"}, {"y"});
  });
  ASSERT_EQ(graph.nodes.size(), 2u);
  EXPECT_EQ(graph.nodes[1].op, "Function");
  const auto function = operators::parse_expression(graph.nodes[1].text("expression", ""));
  for (const float x : {-3.0f, 0.0f, 1.5f})
    EXPECT_NEAR(function(x), std::pow(2 / (1 + std::exp(-x)), 2.0f), 1e-5f);
}

// It is refused by name later; in an expression nobody would find it.
TEST(Functions, LeaveAConstantThatNoFormatReachesWhereItIs) {
  OnnxBuilder builder;
  builder.input("image", {1, 3, 8, 8}).filled("huge", {}, 1e20f);
  builder.node("Sigmoid", {"image"}, {"s"}).node("Mul", {"image", "s"}, {"m"});
  builder.node("Add", {"m", "huge"}, {"y"}).output("y");
  graph::Graph graph = builder.graph();
  graph::prepare(graph, {.size = {}, .outputs = {"y"}});
  EXPECT_EQ(tests::count_op(graph, "Function"), 0);
  EXPECT_EQ(tests::count_op(graph, "Add"), 1);
}

TEST(Functions, StayApartWhereSomebodyElseReadsThem) {
  const auto graph = with([](OnnxBuilder& b) {
    b.floats("two", {}, {2})
        .node("Sigmoid", {"x"}, {"s"})
        .node("Mul", {"s", "two"}, {"m"})
        .node("Concat", {"s", "m"}, {"y"}, {{"axis", int64_t{1}}});
  });
  EXPECT_EQ(tests::count_op(graph, "Function"), 0);
  EXPECT_EQ(tests::count_op(graph, "Mul"), 1);
}

TEST(Normalizations, AreRecognisedInTheirParts) {
  const auto graph = with([](OnnxBuilder& b) {
    b.floats("two", {}, {2}).floats("eps", {}, {1e-5f}).filled("gamma", {8}, 1.5f).filled("beta", {8}, 0.25f);
    b.node("ReduceMean", {"x"}, {"m"}, {{"axes", Ints{-1}}}).node("Sub", {"x", "m"}, {"d"});
    b.node("Pow", {"d", "two"}, {"p"}).node("ReduceMean", {"p"}, {"v"}, {{"axes", Ints{-1}}});
    b.node("Add", {"v", "eps"}, {"e"}).node("Sqrt", {"e"}, {"r"}).node("Div", {"d", "r"}, {"n"});
    b.node("Mul", {"n", "gamma"}, {"g"}).node("Add", {"g", "beta"}, {"y"});
  });
  ASSERT_EQ(graph.nodes.size(), 2u);
  EXPECT_EQ(graph.nodes[1].op, "LayerNormalization");
  EXPECT_EQ(graph.tensor(graph.nodes[1].inputs[1]).values[0], 1.5f);
  EXPECT_EQ(graph.tensor(graph.nodes[1].inputs[2]).values[0], 0.25f);
}

}  // namespace
}  // namespace shrike
