// What can't be computed is said for all nodes at once, before any work; and the document is the table.
#include "toolchain/operators/support.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "tests/import/onnx_builder.h"
#include "toolchain/graph/passes.h"
#include "toolchain/operators/operator.h"

namespace shrike {
namespace {

using ::testing::HasSubstr;
using tests::Floats;
using tests::Ints;
using tests::OnnxBuilder;

graph::Graph prepared(OnnxBuilder& builder) {
  graph::Graph graph = builder.graph();
  graph::prepare(graph, {.size = {}, .outputs = graph.outputs});
  return graph;
}

void check(const graph::Graph& graph, int bits) {
  operators::check_supported(graph, [&](const graph::Node&) { return bits; });
}

TEST(Support, NamesEveryNodeAndWhatToDo) {
  OnnxBuilder builder(18);
  builder.input("x", {1, 3, 8, 8}).integers("lengths", {8, 8, 8});
  builder.node("CumSum", {"x", "axis"}, {"c"}).integers("axis", {2});
  builder.node("ArgMax", {"c"}, {"y"}, {{"axis", int64_t{1}}}).output("y");
  const graph::Graph graph = prepared(builder);
  const std::string told = tests::error_of([&] { check(graph, 8); });
  EXPECT_THAT(told, HasSubstr("2 nodes can't be computed on the chip"));
  EXPECT_THAT(
      told, HasSubstr("node 'n_c' (CumSum): the chip has no such operator; MatMul with a constant triangle"));
  EXPECT_THAT(told, HasSubstr("node 'n_y' (ArgMax)"));
  EXPECT_THAT(told, HasSubstr("--outputs c"));
}

TEST(Support, RefusesReductionsOverNoAxesAndProductsOfVectors) {
  OnnxBuilder builder(18);
  builder.input("x", {1, 3, 8, 8}).integers("all", {-1}).floats("v", {192}, tests::Floats(192, 1));
  builder.node("ReduceL2", {"x"}, {"l"}, {{"noop_with_empty_axes", int64_t{1}}}).output("l");
  builder.node("Reshape", {"x", "all"}, {"flat"}).node("MatMul", {"flat", "v"}, {"y"}).output("y");
  const std::string told = tests::error_of([&] { check(prepared(builder), 8); });
  EXPECT_THAT(told, HasSubstr("node 'n_l' (ReduceL2): it reduces no axes"));
  EXPECT_THAT(told, HasSubstr("node 'n_y' (MatMul): the product of two vectors"));
}

TEST(Support, RefusesWholeNumbersNumbersWithoutAnAxisAndChoicesFromConstants) {
  OnnxBuilder builder(18);
  builder.input("x", {1, 3, 8, 8}).input("where", {2}).floats("table", {4, 5}, tests::Floats(20, 1));
  builder.node("ReduceMean", {"x"}, {"mean"}, {{"keepdims", int64_t{0}}}).output("mean");
  builder.node("Cast", {"where"}, {"whole"}, {{"to", int64_t{7}}});
  builder.node("Add", {"whole", "whole"}, {"twice"})
      .node("Gather", {"table", "twice"}, {"row"})
      .output("row");
  const std::string told = tests::error_of([&] { check(prepared(builder), 8); });
  EXPECT_THAT(told, HasSubstr("node 'n_mean' (ReduceMean): its result 'mean' is a number without an axis"));
  EXPECT_THAT(told, HasSubstr("node 'n_twice' (Add): its input 'whole' holds whole numbers"));
  EXPECT_THAT(told, HasSubstr("node 'n_row' (Gather)"));
}

TEST(Support, NamesEveryOperatorThatNobodyKnows) {
  OnnxBuilder builder(18);
  builder.input("x", {1, 3, 8, 8});
  builder.node("Fancy", {"x"}, {"f"}).node("Plain", {"f"}, {"y"}).output("y");
  const std::string told = tests::error_of([&] { prepared(builder); });
  EXPECT_THAT(told, HasSubstr("node 'n_f' (Fancy)"));
  EXPECT_THAT(told, HasSubstr("node 'n_y' (Plain)"));
}

OnnxBuilder resize(const std::string& mode, const std::string& rounding) {
  OnnxBuilder builder(18);
  builder.input("x", {1, 3, 8, 8}).floats("scales", {4}, {1, 1, 2, 2});
  builder.node("Resize", {"x", "", "scales"}, {"y"},
               {{"mode", mode},
                {"nearest_mode", rounding},
                {"coordinate_transformation_mode", std::string("half_pixel")}});
  builder.output("y");
  return builder;
}

TEST(Support, RefusesResizeModesThatNothingOnTheChipEquals) {
  OnnxBuilder cubic = resize("cubic", "floor"), ceil = resize("nearest", "ceil"),
              nearest = resize("nearest", "round_prefer_floor");
  EXPECT_THAT(tests::error_of([&] { check(prepared(cubic), 8); }), HasSubstr("export it as linear"));
  EXPECT_NO_THROW(check(prepared(ceil), 8)) << "the pixels that it reads are gathered";
  EXPECT_NO_THROW(check(prepared(nearest), 8));
  EXPECT_THAT(tests::error_of([&] { check(prepared(nearest), 16); }), HasSubstr("8-bit tensors only"));
}

// Only what is made smaller would alias.
TEST(Support, AntialiasingMattersWhereSizesShrink) {
  const auto resized = [](float scale) {
    OnnxBuilder builder(18);
    builder.input("x", {1, 3, 8, 8}).floats("scales", {4}, {1, 1, scale, scale});
    builder.node("Resize", {"x", "", "scales"}, {"y"},
                 {{"mode", std::string("linear")}, {"antialias", int64_t{1}}});
    return prepared(builder.output("y"));
  };
  EXPECT_NO_THROW(check(resized(2), 8));
  EXPECT_THAT(tests::error_of([&] { check(resized(0.5f), 8); }), HasSubstr("use AveragePool"));
}

TEST(Support, TheDocumentIsCurrent) {
  std::ifstream file(std::string(SHRIKE_SOURCE_DIR) + "/docs/operators.md");
  std::stringstream text;
  text << file.rdbuf();
  EXPECT_EQ(text.str(), operators::support_document()) << "run: shrike info --operators > docs/operators.md";
}

}  // namespace
}  // namespace shrike
