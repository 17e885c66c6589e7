// Each pass on the smallest graph that shows what it does.
#include <gmock/gmock.h>

#include <cmath>
#include <utility>

#include "tests/import/onnx_builder.h"
#include "toolchain/graph/nearest.h"
#include "toolchain/graph/rewrite.h"

namespace shrike::graph {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using tests::count_op;
using tests::error_of;
using tests::Floats;
using tests::Ints;
using tests::OnnxBuilder;

Graph inferred(const OnnxBuilder& builder) {
  Graph graph = builder.graph();
  infer_shapes(graph);
  return graph;
}

std::vector<std::string> ops(const Graph& graph) {
  std::vector<std::string> result;
  for (const Node& node : graph.nodes) result.push_back(node.op);
  return result;
}

const Tensor& input_of(const Graph& graph, size_t node, size_t slot) {
  return graph.tensor(graph.nodes.at(node).inputs.at(slot));
}

TEST(FoldConstants, ComputesWhatFollowsFromShapesAlone) {
  OnnxBuilder builder;
  builder.input("x", {1, 6, 4, 4}).integers("two", {2}).integers("first", {0}).integers("rest", {3, 16});
  builder.node("Shape", {"x"}, {"shape"})
      .node("Gather", {"shape", "first"}, {"batch"}, {{"axis", int64_t{0}}});
  builder.node("Concat", {"batch", "two", "rest"}, {"target"}, {{"axis", int64_t{0}}});
  builder.node("Reshape", {"x", "target"}, {"y"}).output("y");
  Graph graph = builder.graph();
  fold_constants(graph);
  EXPECT_THAT(ops(graph), ElementsAre("Reshape"));
  EXPECT_EQ(graph.tensor("target").integers, (Ints{1, 2, 3, 16}));
  EXPECT_EQ(graph.tensor("y").shape, (Shape{1, 2, 3, 16}));
}

TEST(FoldConstants, ComputesArithmeticWithBroadcast) {
  OnnxBuilder builder;
  builder.input("x", {1, 2, 3}).floats("column", {2, 1}, {10, 20}).floats("row", {3}, {1, 2, 3});
  builder.node("Add", {"column", "row"}, {"grid"}).node("Neg", {"grid"}, {"negative"});
  builder.node("Mul", {"x", "negative"}, {"y"}).output("y");
  Graph graph = builder.graph();
  fold_constants(graph);
  EXPECT_THAT(ops(graph), ElementsAre("Mul"));
  EXPECT_EQ(graph.tensor("negative").values, (Floats{-11, -12, -13, -21, -22, -23}));
}

TEST(FoldConstants, MovesElementsAsOnnxSays) {
  OnnxBuilder builder;
  builder.input("x", {3, 1}).floats("c", {2, 3}, {1, 2, 3, 4, 5, 6});
  builder.node("Transpose", {"c"}, {"t"}, {{"perm", Ints{1, 0}}});
  builder.integers("starts", {-1}).integers("ends", {-10}).integers("axes", {0}).integers("steps", {-1});
  builder.node("Slice", {"t", "starts", "ends", "axes", "steps"}, {"reversed"});
  builder.node("Split", {"reversed"}, {"left", "right"}, {{"axis", int64_t{1}}});
  builder.node("Mul", {"x", "right"}, {"y"}).node("Mul", {"x", "left"}, {"z"}).output("y").output("z");
  Graph graph = builder.graph();
  fold_constants(graph);
  EXPECT_THAT(ops(graph), ElementsAre("Mul", "Mul"));
  EXPECT_EQ(graph.tensor("left").values, (Floats{3, 2, 1}));
  EXPECT_EQ(graph.tensor("right").values, (Floats{6, 5, 4}));
}

TEST(FoldConstants, LeavesADivisionByZeroAlone) {
  OnnxBuilder builder;
  builder.input("x", {1, 4}).integers("one", {1}).integers("zero", {0}).node("Div", {"one", "zero"}, {"d"});
  builder.node("Reshape", {"x", "d"}, {"y"}).output("y");
  Graph graph = builder.graph();
  fold_constants(graph);
  EXPECT_THAT(error_of([&] { infer_shapes(graph); }),
              HasSubstr("'n_y' (Reshape): the target shape (input 1)"));
}

TEST(RemoveIdentities, KeepsTheNamesOfOutputs) {
  OnnxBuilder builder;
  builder.input("x", {1, 4})
      .node("Relu", {"x"}, {"a"})
      .node("Identity", {"a"}, {"b"})
      .node("Dropout", {"b"}, {"c"});
  builder.node("Cast", {"c"}, {"y"}, {{"to", int64_t{1}}}).output("y");
  Graph graph = inferred(builder);
  remove_identities(graph);
  check(graph);
  EXPECT_THAT(ops(graph), ElementsAre("Relu"));
  EXPECT_THAT(graph.outputs, ElementsAre("y"));
}

TEST(RemoveIdentities, AReductionOverNoAxes) {
  const auto reduced = [](const char* op, const Ints& axes) {
    OnnxBuilder builder(18);
    builder.input("x", {1, 4}).integers("axes", axes).node("Relu", {"x"}, {"r"});
    builder.node(op, {"r", "axes"}, {"s"}, {{"noop_with_empty_axes", int64_t{1}}})
        .node("Relu", {"s"}, {"y"})
        .output("y");
    Graph graph = builder.graph();
    remove_identities(graph);
    return count_op(graph, op);
  };
  EXPECT_EQ(reduced("ReduceSum", {}), 0);
  EXPECT_EQ(reduced("ReduceSum", {1}), 1);
  EXPECT_EQ(reduced("ReduceL2", {}), 1);  // of each number its absolute value
}

TEST(RemoveIdentities, KeepsACastThatRounds) {
  OnnxBuilder builder;
  builder.input("x", {1, 4}).node("Cast", {"x"}, {"i"}, {{"to", int64_t{7}}});
  builder.node("Cast", {"i"}, {"y"}, {{"to", int64_t{1}}}).output("y");
  Graph graph = inferred(builder);
  remove_identities(graph);
  EXPECT_THAT(ops(graph), ElementsAre("Cast", "Cast"));
}

TEST(RemoveDeadNodes, DropsNodesAndTheirConstants) {
  OnnxBuilder builder;
  builder.input("x", {1, 4})
      .filled("c", {4}, 1)
      .node("Add", {"x", "c"}, {"unused"})
      .node("Relu", {"x"}, {"y"});
  Graph graph = builder.output("y").graph();
  remove_dead_nodes(graph);
  EXPECT_THAT(ops(graph), ElementsAre("Relu"));
  EXPECT_EQ(graph.tensors.count("c"), 0u);
  EXPECT_EQ(graph.tensors.count("unused"), 0u);
}

OnnxBuilder& batch_norm(OnnxBuilder& builder, const std::string& x, const std::string& y) {
  // scale = gamma / sqrt(variance + epsilon) = {4, 3/2}
  builder.floats("gamma", {2}, {4, 3}).floats("beta", {2}, {10, 20}).floats("mean", {2}, {1, 2});
  builder.floats("variance", {2}, {0.75f, 3.75f});
  return builder.node("BatchNormalization", {x, "gamma", "beta", "mean", "variance"}, {y},
                      {{"epsilon", 0.25f}});
}

TEST(FoldBatchNorm, GoesIntoTheConvolution) {
  OnnxBuilder builder;
  builder.input("x", {1, 1, 4, 4}).floats("w", {2, 1, 1, 2}, {1, 2, 3, 4}).floats("b", {2}, {5, 6});
  builder.node("Conv", {"x", "w", "b"}, {"c"});
  Graph graph = inferred(batch_norm(builder, "c", "y").output("y"));
  fold_batch_norm(graph);
  check(graph);
  EXPECT_THAT(ops(graph), ElementsAre("Conv"));
  EXPECT_THAT(graph.outputs, ElementsAre("y"));
  EXPECT_EQ(graph.tensor("w").values, (Floats{4, 8, 4.5f, 6}));
  EXPECT_EQ(graph.tensor("b").values, (Floats{26, 26}));  // 10 + (5-1)*4, 20 + (6-2)*1.5
}

TEST(RewriteForChip, MakesABatchNormalizationOnItsOwnADepthwiseConvolution) {
  OnnxBuilder builder;
  builder.input("x", {1, 2, 4, 4});
  Graph graph = inferred(batch_norm(builder, "x", "y").output("y"));
  rewrite_for_chip(graph);
  ASSERT_THAT(ops(graph), ElementsAre("Conv"));
  EXPECT_EQ(graph.nodes[0].integer("group", 0), 2);
  EXPECT_EQ(input_of(graph, 0, 1).values, (Floats{4, 1.5f}));
  EXPECT_EQ(input_of(graph, 0, 1).shape, (Shape{2, 1, 1, 1}));
  EXPECT_EQ(input_of(graph, 0, 2).values, (Floats{6, 17}));
}

TEST(FoldBatchNorm, AConvolutionThatOthersReadIsLeftAlone) {
  OnnxBuilder builder;
  builder.input("x", {1, 1, 4, 4}).floats("w", {2, 1, 1, 1}, {1, 2}).node("Conv", {"x", "w"}, {"c"});
  Graph graph = inferred(batch_norm(builder, "c", "y").node("Relu", {"c"}, {"z"}).output("y").output("z"));
  fold_batch_norm(graph);
  EXPECT_EQ(graph.tensor("w").values, (Floats{1, 2}));
  EXPECT_EQ(count_op(graph, "Conv"), 1);
  EXPECT_EQ(count_op(graph, "BatchNormalization"), 1);
}

TEST(FoldBatchNorm, ScalesTransposedConvolutionsAlongTheirSecondAxis) {
  OnnxBuilder builder;
  builder.input("x", {1, 2, 4, 4})
      .floats("w", {2, 2, 1, 1}, {1, 2, 3, 4})
      .node("ConvTranspose", {"x", "w"}, {"c"});
  Graph graph = inferred(batch_norm(builder, "c", "y").output("y"));
  fold_batch_norm(graph);
  EXPECT_EQ(graph.tensor("w").values, (Floats{4, 3, 12, 6}));
}

TEST(FoldBatchNorm, ConstantSumsBecomeTheBias) {
  OnnxBuilder builder;
  builder.input("x", {1, 1, 4, 4}).floats("w", {2, 1, 1, 1}, {1, 2}).floats("c", {1, 2, 1, 1}, {7, 8});
  builder.node("Conv", {"x", "w"}, {"a"}).node("Add", {"c", "a"}, {"y"}).output("y");
  Graph graph = inferred(builder);
  fold_batch_norm(graph);
  ASSERT_THAT(ops(graph), ElementsAre("Conv"));
  EXPECT_EQ(input_of(graph, 0, 2).values, (Floats{7, 8}));
}

TEST(FoldBatchNorm, ASumThatDiffersBetweenPixelsStays) {
  OnnxBuilder builder;
  builder.input("x", {1, 1, 2, 2}).floats("w", {2, 1, 1, 1}, {1, 2}).floats("c", {2, 2}, {1, 2, 3, 4});
  builder.node("Conv", {"x", "w"}, {"a"}).node("Add", {"a", "c"}, {"y"}).output("y");
  Graph graph = inferred(builder);
  fold_batch_norm(graph);
  EXPECT_THAT(ops(graph), ElementsAre("Conv", "Add"));
}

TEST(FuseSwish, TakesTheNameOfTheProducer) {
  OnnxBuilder builder;
  builder.input("x", {1, 4}).node("Sigmoid", {"x"}, {"g"}).node("Mul", {"g", "x"}, {"a"});
  builder.node("Add", {"a", "x"}, {"b"})
      .node("Sigmoid", {"b"}, {"h"})
      .node("Mul", {"b", "h"}, {"y"})
      .output("y");
  Graph graph = builder.graph();
  fuse_swish(graph);
  check(graph);
  EXPECT_THAT(ops(graph), ElementsAre("Swish", "Add", "Swish"));
  EXPECT_EQ(graph.nodes[0].name, "x/Swish");
  EXPECT_EQ(graph.nodes[2].name, "n_b/Swish");
  EXPECT_THAT(graph.nodes[2].outputs, ElementsAre("y"));
}

TEST(FuseSwish, LeavesAGateThatOthersRead) {
  OnnxBuilder builder;
  builder.input("x", {1, 4}).node("Sigmoid", {"x"}, {"g"}).node("Mul", {"g", "x"}, {"y"});
  Graph graph = builder.output("y").output("g").graph();
  fuse_swish(graph);
  EXPECT_THAT(ops(graph), ElementsAre("Sigmoid", "Mul"));
}

// qkv of 2 heads with 2 query, 2 key and 4 value channels on a 2x3 image; weights are all 1, biases all 2.
OnnxBuilder qkv() {
  OnnxBuilder builder(12);
  builder.input("x", {1, 4, 2, 3}).filled("w", {16, 4, 1, 1}, 1).filled("bias", {16}, 2);
  builder.floats("scale", {}, {0.5f}).integers("heads", {1, 2, 8, 6});
  builder.node("Conv", {"x", "w", "bias"}, {"qkv"}).node("Reshape", {"qkv", "heads"}, {"h"});
  builder.node("Split", {"h"}, {"q", "k", "v"}, {{"axis", int64_t{2}}, {"split", Ints{2, 2, 4}}});
  return builder.output("v");
}

// Channels c with c % 8 in [first, first + 2) carry the factor 0.5, all others are as they were.
void expect_scaled(const Graph& graph, int64_t first) {
  for (int64_t c = 0; c < 16; ++c) {
    const float factor = c % 8 >= first && c % 8 < first + 2 ? 0.5f : 1.0f;
    EXPECT_EQ(graph.tensor("bias").values[static_cast<size_t>(c)], 2 * factor) << c;
    EXPECT_EQ(graph.tensor("w").values[static_cast<size_t>(4 * c + 3)], factor) << c;
  }
}

TEST(FoldAttentionScale, BehindTheProduct) {
  OnnxBuilder builder = qkv();
  builder.node("Transpose", {"q"}, {"qt"}, {{"perm", Ints{0, 1, 3, 2}}}).node("MatMul", {"qt", "k"}, {"qk"});
  builder.node("Mul", {"qk", "scale"}, {"scaled"})
      .node("Softmax", {"scaled"}, {"s"}, {{"axis", int64_t{3}}})
      .output("s");
  Graph graph = inferred(builder);
  fold_attention_scale(graph);
  check(graph);
  EXPECT_EQ(count_op(graph, "Mul"), 0);
  expect_scaled(graph, 0);
}

TEST(FoldAttentionScale, OnTheQueryBeforeTheProduct) {
  OnnxBuilder builder = qkv();
  builder.node("Mul", {"scale", "q"}, {"scaled"})
      .node("Transpose", {"scaled"}, {"qt"}, {{"perm", Ints{0, 1, 3, 2}}});
  builder.node("MatMul", {"qt", "k"}, {"qk"}).output("qk");
  Graph graph = inferred(builder);
  fold_attention_scale(graph);
  EXPECT_EQ(count_op(graph, "Mul"), 0);
  expect_scaled(graph, 0);
}

TEST(FoldAttentionScale, AsADivisorOfTheKey) {
  OnnxBuilder builder = qkv();
  builder.floats("root", {1}, {2}).node("Div", {"k", "root"}, {"scaled"});
  builder.node("Transpose", {"q"}, {"qt"}, {{"perm", Ints{0, 1, 3, 2}}})
      .node("MatMul", {"qt", "scaled"}, {"qk"});
  Graph graph = inferred(builder.output("qk"));
  fold_attention_scale(graph);
  EXPECT_EQ(count_op(graph, "Div"), 0);
  expect_scaled(graph, 2);
}

TEST(FoldAttentionScale, GoesIntoTheKeyWhenTheQueryIsReadElsewhere) {
  OnnxBuilder builder = qkv();
  builder.node("Transpose", {"q"}, {"qt"}, {{"perm", Ints{0, 1, 3, 2}}}).node("MatMul", {"qt", "k"}, {"qk"});
  builder.node("Mul", {"qk", "scale"}, {"y"}).node("Relu", {"y"}, {"z"}).output("z").output("q");
  Graph graph = inferred(builder);
  fold_attention_scale(graph);
  EXPECT_EQ(count_op(graph, "Mul"), 0);
  expect_scaled(graph, 2);
}

TEST(FoldAttentionScale, StaysWhenTheChannelsAreSharedWithOtherReaders) {
  OnnxBuilder builder = qkv();
  builder.node("Transpose", {"q"}, {"qt"}, {{"perm", Ints{0, 1, 3, 2}}}).node("MatMul", {"qt", "k"}, {"qk"});
  builder.node("Mul", {"qk", "scale"}, {"y"}).node("Relu", {"y"}, {"z"}).output("z").output("qkv");
  Graph graph = inferred(builder);
  fold_attention_scale(graph);
  EXPECT_EQ(count_op(graph, "Mul"), 1);
  EXPECT_EQ(graph.tensor("w").values, Floats(64, 1));
}

TEST(MakeAttributesExplicit, ResolvesAutoPadAndDefaults) {
  OnnxBuilder builder;
  builder.input("x", {1, 1, 5, 6}).filled("w", {1, 1, 3, 4}, 1);
  builder.node("Conv", {"x", "w"}, {"y"}, {{"auto_pad", std::string("SAME_UPPER")}, {"strides", Ints{2, 2}}})
      .output("y");
  Graph graph = builder.graph();
  make_attributes_explicit(graph);
  const Node& conv = graph.nodes[0];
  EXPECT_EQ(graph.tensor("y").shape, (Shape{1, 1, 3, 3}));
  EXPECT_EQ(conv.integers("pads"), (Ints{1, 1, 1, 1}));
  EXPECT_EQ(conv.integers("kernel_shape"), (Ints{3, 4}));
  EXPECT_EQ(conv.integers("dilations"), (Ints{1, 1}));
  EXPECT_EQ(conv.integer("group", 0), 1);
  EXPECT_EQ(conv.attributes.count("auto_pad"), 0u);
}

TEST(MakeAttributesExplicit, ResolvesThePadsOfATransposedConvolution) {
  const auto resolved = [](const std::vector<tests::Attribute>& attributes) {
    OnnxBuilder builder;
    builder.input("x", {1, 1, 5, 6}).filled("w", {1, 1, 3, 4}, 1);
    builder.node("ConvTranspose", {"x", "w"}, {"y"}, attributes).output("y");
    Graph graph = builder.graph();
    make_attributes_explicit(graph);
    return graph;
  };
  const Graph same = resolved({{"strides", Ints{2, 2}}, {"auto_pad", std::string("SAME_UPPER")}});
  EXPECT_EQ(same.tensor("y").shape, (Shape{1, 1, 10, 12}));
  EXPECT_EQ(same.nodes[0].integers("pads"), (Ints{0, 1, 1, 1}));
  EXPECT_EQ(same.nodes[0].integers("output_padding"), (Ints{0, 0}));
  EXPECT_EQ(same.nodes[0].attributes.count("auto_pad"), 0u);
  // More than the filter reaches is put behind, less is cut off, in front first.
  const Graph given = resolved({{"strides", Ints{2, 2}}, {"output_shape", Ints{13, 13}}});
  EXPECT_EQ(given.tensor("y").shape, (Shape{1, 1, 13, 13}));
  EXPECT_EQ(given.nodes[0].integers("pads"), (Ints{0, 1, 0, 0}));
  EXPECT_EQ(given.nodes[0].integers("output_padding"), (Ints{2, 0}));
  EXPECT_EQ(given.nodes[0].attributes.count("output_shape"), 0u);
}

TEST(MakeAttributesExplicit, WritesSplitSizesAndPositiveAxes) {
  OnnxBuilder builder(18);
  builder.input("x", {1, 7, 4, 4})
      .node("Split", {"x"}, {"a", "b"}, {{"axis", int64_t{-3}}, {"num_outputs", int64_t{2}}});
  Graph graph = builder.output("a").output("b").graph();
  make_attributes_explicit(graph);
  EXPECT_EQ(graph.nodes[0].integer("axis", -9), 1);
  EXPECT_EQ(input_of(graph, 0, 1).integers, (Ints{4, 3}));
}

TEST(Prepare, LeavesOutWhatDependsOnNoInput) {
  OnnxBuilder builder;
  builder.input("x", {1, 3, 8, 8}).filled("anchors", {4}, 2).conv("x", 3, 4, "y");
  builder.node("Shape", {"y"}, {"size"}).node("Relu", {"anchors"}, {"scaled"});
  Graph graph = builder.output("anchors").output("y").output("size").output("scaled").graph();
  const std::vector<std::string> notes = prepare(graph, {});
  EXPECT_EQ(graph.outputs, std::vector<std::string>{"y"});
  EXPECT_THAT(notes.at(0), HasSubstr("anchors, size, scaled"));
  Graph constant = OnnxBuilder().input("x", {1, 4}).node("Shape", {"x"}, {"s"}).output("s").graph();
  EXPECT_THAT(error_of([&] { prepare(constant, {}); }), HasSubstr("no output depends on an input: 's'"));
}

TEST(Prepare, LeavesOutWholeNumbersThatNobodyReads) {
  OnnxBuilder builder;
  builder.input("x", {1, 3, 8, 8}).input("size", {4}).conv("x", 3, 4, "y").output("y");
  builder.model.mutable_graph()->mutable_input(1)->mutable_type()->mutable_tensor_type()->set_elem_type(
      onnx::TensorProto::INT64);
  Graph graph = builder.graph();
  EXPECT_THAT(prepare(graph, {}).back(), HasSubstr("left out: size"));
  EXPECT_EQ(graph.inputs, std::vector<std::string>{"x"});
}

TEST(Prepare, MakesABatchOneImageOrRefusesIt) {
  Graph graph = OnnxBuilder().input("x", {4, 3, 32, 32}).conv("x", 3, 4, "y").output("y").graph();
  PrepareOptions options;
  options.outputs = {"y"};
  prepare(graph, options);
  EXPECT_EQ(graph.tensor("y").shape, (Shape{1, 4, 32, 32}));
  OnnxBuilder two;
  two.input("x", {4, 3, 32, 32})
      .input("z", {2, 3, 32, 32})
      .node("Concat", {"x", "z"}, {"y"}, {{"axis", int64_t{0}}});
  Graph unequal = two.output("y").graph();
  EXPECT_EQ(error_of([&] { prepare(unequal, options); }),
            "input 'x': a batch of 1 was expected, found 4; export the model with batch 1");
}

TEST(Prepare, FillsOpenSizesOrAsksForThem) {
  const Graph open = OnnxBuilder().input("x", {-1, 3, -1, -1}).conv("x", 3, 4, "y", 8).output("y").graph();
  PrepareOptions options;
  options.outputs = {"y"};
  Graph graph = open;
  EXPECT_EQ(error_of([&] { prepare(graph, options); }),
            "input 'x' has the shape [1,3,-1,-1] with sizes left open; give the input size with --imgsz");
  graph = open;
  options.size = {64, 96};
  prepare(graph, options);
  EXPECT_EQ(graph.tensor("y").shape, (Shape{1, 4, 8, 12}));
}

// The metadata goes into what is written: a file for 64x96 must not say that it takes 640x640.
TEST(Prepare, StatesTheSizeThatTheGraphHas) {
  Graph graph = OnnxBuilder().input("x", {1, 3, 640, 640}).conv("x", 3, 4, "y", 8).output("y").graph();
  graph.metadata = {{"imgsz", "[640, 640]"}, {"names", "{0: 'a'}"}};
  Graph resized = graph, plain = graph;
  prepare(resized, {.size = {64, 96}, .outputs = {"y"}});
  EXPECT_EQ(resized.metadata.at("imgsz"), "[64, 96]");
  EXPECT_EQ(resized.metadata.at("names"), "{0: 'a'}");
  prepare(plain, {.size = {}, .outputs = {"y"}});
  EXPECT_EQ(plain.metadata.at("imgsz"), "[640, 640]");
  plain.metadata.erase("imgsz");
  prepare(plain, {.size = {64, 96}, .outputs = {"y"}});
  EXPECT_EQ(plain.metadata.count("imgsz"), 0u);
}

TEST(Prepare, RefusesInfiniteWeights) {
  OnnxBuilder builder;
  builder.input("x", {1, 1, 32, 32})
      .floats("w", {1, 1, 1, 1}, {INFINITY})
      .node("Conv", {"x", "w"}, {"y"})
      .output("y");
  Graph graph = builder.graph();
  PrepareOptions options;
  options.outputs = {"y"};
  EXPECT_EQ(
      error_of([&] { prepare(graph, options); }),
      "node 'n_y' (Conv): constants of at most 1e+30 were expected, 'w' holds inf; export the model again");
}

TEST(ToText, IsStableAndReadable) {
  OnnxBuilder builder;
  builder.input("x", {1, 3, 4, 4}).conv("x", 3, 2, "y").output("y");
  Graph graph = inferred(builder);
  graph.tensor("x").format = {8, -7, {}};
  graph.tensor("y.weight").format = {8, -5, {-5, -6}};
  EXPECT_EQ(to_text(graph),
            "graph test\n"
            "input x [1,3,4,4] s8*2^-7\n"
            "Conv n_y (x [1,3,4,4] s8*2^-7; y.weight [2,3,1,1] s8*2^[-5,-6]; y.bias [2] float) -> (y "
            "[1,2,4,4] float) "
            "strides=[1,1]\n"
            "output y [1,2,4,4] float\n");
}

TEST(Check, FindsWhatIsBroken) {
  const Graph sound = OnnxBuilder()
                          .input("x", {1, 4})
                          .node("Relu", {"x"}, {"a"})
                          .node("Relu", {"a"}, {"y"})
                          .output("y")
                          .graph();
  EXPECT_NO_THROW(check(sound));
  Graph unsorted = sound;
  std::swap(unsorted.nodes[0], unsorted.nodes[1]);
  EXPECT_THAT(error_of([&] { check(unsorted); }), HasSubstr("reads 'a', which no earlier node"));
  Graph twice = sound;
  twice.nodes[1].outputs = {"a"};
  EXPECT_THAT(error_of([&] { check(twice); }), HasSubstr("'a' is defined again"));
  Graph same_name = sound;
  same_name.nodes[1].name = same_name.nodes[0].name;
  EXPECT_THAT(error_of([&] { check(same_name); }), HasSubstr("two nodes have the name 'n_a'"));
}

TEST(NearestName, PrefersTheSmallestEditDistance) {
  EXPECT_EQ(nearest_name("kitten", {"sitting", "mitten", "kitchen"}), "mitten");
  EXPECT_EQ(nearest_name("abc", {"abd", "abe"}), "abd");
  EXPECT_EQ(nearest_name("abc", {}), "");
}

TEST(NearName, IsNearOrNone) {
  const std::vector<std::string> commands = {"quantize", "analyze", "train", "eval", "run", "run-firmware"};
  EXPECT_EQ(near_name("trian", commands), "train");
  EXPECT_EQ(near_name("quantise", commands), "quantize");
  EXPECT_EQ(near_name("analyse", commands), "analyze");
  EXPECT_EQ(near_name("anal", commands), "analyze");
  EXPECT_EQ(near_name("run-", commands), "run");
  EXPECT_EQ(near_name("export", commands), "");
  EXPECT_EQ(near_name("csv", {"isa", "cpu", "ops"}), "");
  EXPECT_EQ(near_name("jsn", {"isa", "json"}), "json");
  EXPECT_EQ(near_name("confidence", {"conf", "mode", "iou"}), "conf");
  EXPECT_EQ(near_name("confidence", {"con", "conf"}), "");
  EXPECT_EQ(near_name("x", {"y", "o"}), "");
  EXPECT_EQ(near_name("", commands), "");
}

}  // namespace
}  // namespace shrike::graph
