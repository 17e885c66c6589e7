// What is refused before the work, and what is written with a warning.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "tests/engine/graph_builder.h"
#include "toolchain/pipeline/check_values.h"
#include "toolchain/pipeline/noise_warnings.h"
#include "toolchain/support/error.h"

namespace shrike::quantize {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using tests::GraphBuilder;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

std::string refusal(const graph::Graph& graph) {
  try {
    check_values(graph);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

graph::Graph with_constant(const std::string& op, float value) {
  return GraphBuilder()
      .input("x", {1, 3, 4, 4})
      .constant("k", {1}, {value})
      .variable("y", {1, 3, 4, 4})
      .node(op, {"x", "k"}, {"y"})
      .graph();
}

TEST(CheckValues, ConstantsBeyondEveryFormatAreRefusedByName) {
  for (const float value : {kNan, kInfinity, -kInfinity, 1e38f, -3e9f}) {
    for (const char* op : {"Add", "Mul", "Div", "PRelu", "Conv"})
      EXPECT_THAT(refusal(with_constant(op, value)), AllOf(HasSubstr(op), HasSubstr("constant 'k' holds")))
          << value;
  }
  EXPECT_EQ(refusal(with_constant("Add", -1e9f)), "");
}

TEST(CheckValues, BoundsMayBeInfiniteButNotNan) {
  EXPECT_EQ(refusal(with_constant("Clip", -kInfinity)), "");
  EXPECT_EQ(refusal(with_constant("Clip", 3.4e38f)), "");
  EXPECT_THAT(refusal(with_constant("Clip", kNan)), HasSubstr("constant 'k' holds nan"));
}

TEST(CheckValues, AttributesAreLookedAtToo) {
  graph::Graph graph = with_constant("Add", 1);
  graph.nodes[0].op = "LeakyRelu";
  graph.nodes[0].attributes["alpha"] = kNan;
  EXPECT_THAT(refusal(graph), HasSubstr("attribute 'alpha' holds nan"));
}

TEST(CheckValues, TensorsWithoutElementsAreRefused) {
  graph::Graph graph = with_constant("Add", 1);
  graph.tensor("y").shape = {1, 0, 4, 4};
  EXPECT_THAT(refusal(graph), HasSubstr("'y' has the shape [1,0,4,4]"));
}

// a -> Conv -> boxes, a -> Conv -> scores, Concat -> all, Transpose -> out
graph::Graph joined() {
  return GraphBuilder()
      .input("a", {1, 2, 4, 4})
      .constant("w", {2, 2, 1, 1}, {1, 2, 3, 4})
      .node("Conv", {"a", "w"}, {"boxes"})
      .node("Conv", {"a", "w"}, {"scores"})
      .node("Concat", {"boxes", "scores"}, {"all"})
      .node("Transpose", {"all"}, {"out"})
      .graph();
}

TEST(NoiseWarnings, NameTheOperandsOfTheLastConcat) {
  const std::vector<std::string> warnings = noise_warnings(joined(), {0.34});
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_THAT(warnings[0], AllOf(HasSubstr("'out' 34.0 %"), HasSubstr("--outputs boxes,scores")));
}

TEST(NoiseWarnings, KeepTheOutputsThatAreFine) {
  graph::Graph graph = joined();
  graph.outputs = {"scores", "out"};
  const std::vector<std::string> warnings = noise_warnings(graph, {0.001, 0.5});
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_THAT(warnings[0], HasSubstr("--outputs scores,boxes"));
}

TEST(NoiseWarnings, AdviseAnotherRemedyWhereALayerMakesTheOutput) {
  graph::Graph graph = joined();
  graph.outputs = {"scores"};
  EXPECT_THAT(tensors_to_cut_at(graph, "scores"), IsEmpty());
  EXPECT_THAT(noise_warnings(graph, {0.2}), ElementsAre(HasSubstr("--bits 16")));
}

TEST(NoiseWarnings, SayNothingUpToTenPerCent) {
  EXPECT_THAT(noise_warnings(joined(), {0.1}), IsEmpty());
}

}  // namespace
}  // namespace shrike::quantize
