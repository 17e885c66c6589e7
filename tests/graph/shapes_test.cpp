// Shape inference, operator by operator, and what the input size does to it.
#include <gmock/gmock.h>

#include "tests/import/onnx_builder.h"

namespace shrike::graph {
namespace {

using ::testing::HasSubstr;
using tests::Attribute;
using tests::error_of;
using tests::Ints;
using tests::OnnxBuilder;

// One operator on inputs i0, i1, ... of these shapes, followed by constant integer inputs c0, c1, ...
struct Case {
  std::string op;
  std::vector<Ints> inputs;
  std::vector<Attribute> attributes;
  std::vector<Ints> constants;
  std::vector<Shape> outputs;
};

Graph graph_of(const Case& c) {
  OnnxBuilder builder(18);
  std::vector<std::string> names, outputs;
  for (size_t i = 0; i < c.inputs.size(); ++i) {
    names.push_back(fmt::format("i{}", i));
    builder.input(names.back(), c.inputs[i]);
  }
  for (size_t i = 0; i < c.constants.size(); ++i) {
    names.push_back(fmt::format("c{}", i));
    builder.integers(names.back(), c.constants[i]);
  }
  for (size_t i = 0; i < std::max<size_t>(1, c.outputs.size()); ++i) outputs.push_back(fmt::format("o{}", i));
  builder.node(c.op, names, outputs, c.attributes);
  for (const std::string& output : outputs) builder.output(output);
  return builder.graph();
}

Attribute integer(const char* name, int64_t value) {
  return {name, value};
}
Attribute list(const char* name, const Ints& value) {
  return {name, value};
}

TEST(InferShapes, EveryOperator) {
  const std::vector<Case> cases = {
      {"Relu", {{1, 3, 4}}, {}, {}, {{1, 3, 4}}},
      {"HardSwish", {{1, 3, 4}}, {}, {}, {{1, 3, 4}}},
      {"Add", {{1, 3, 4, 4}, {3, 1, 1}}, {}, {}, {{1, 3, 4, 4}}},
      {"Mul", {{3, 1}, {1, 5}}, {}, {}, {{3, 5}}},
      {"PRelu", {{1, 3, 4, 4}, {3, 1, 1}}, {}, {}, {{1, 3, 4, 4}}},
      {"Greater", {{2, 1}, {3}}, {}, {}, {{2, 3}}},
      {"Max", {{2, 1}, {3}, {1}}, {}, {}, {{2, 3}}},
      {"Softmax", {{1, 4, 9}}, {integer("axis", 1)}, {}, {{1, 4, 9}}},
      {"Conv",
       {{1, 3, 9, 8}, {6, 3, 3, 3}},
       {list("strides", {2, 2}), list("pads", {1, 1, 1, 1})},
       {},
       {{1, 6, 5, 4}}},
      {"Conv", {{1, 3, 9, 9}, {6, 3, 3, 3}}, {list("dilations", {2, 2})}, {}, {{1, 6, 5, 5}}},
      {"Conv", {{1, 4, 9}, {4, 1, 3}}, {integer("group", 4), list("pads", {2, 0})}, {}, {{1, 4, 9}}},
      {"Conv",
       {{1, 1, 7, 7}, {1, 1, 2, 2}},
       {Attribute{"auto_pad", std::string("VALID")}},
       {},
       {{1, 1, 6, 6}}},
      {"ConvTranspose", {{1, 4, 5, 5}, {4, 3, 2, 2}}, {list("strides", {2, 2})}, {}, {{1, 3, 10, 10}}},
      {"ConvTranspose",
       {{1, 4, 5, 5}, {4, 3, 3, 3}},
       {list("strides", {2, 2}), list("pads", {1, 1, 1, 1}), list("output_padding", {1, 1}),
        integer("group", 2)},
       {},
       {{1, 6, 10, 10}}},
      {"ConvTranspose",
       {{1, 4, 5, 5}, {4, 3, 3, 3}},
       {list("strides", {2, 3}), Attribute{"auto_pad", std::string("SAME_UPPER")}},
       {},
       {{1, 3, 10, 15}}},
      {"ConvTranspose",
       {{1, 4, 5, 5}, {4, 3, 3, 3}},
       {list("strides", {2, 2}), list("output_shape", {10, 13})},
       {},
       {{1, 3, 10, 13}}},
      {"MaxPool",
       {{1, 3, 8, 8}},
       {list("kernel_shape", {5, 5}), list("pads", {2, 2, 2, 2})},
       {},
       {{1, 3, 8, 8}}},
      {"MaxPool",
       {{1, 3, 6, 6}},
       {list("kernel_shape", {3, 3}), list("strides", {2, 2}), integer("ceil_mode", 1)},
       {},
       {{1, 3, 3, 3}}},
      {"AveragePool",
       {{1, 3, 8, 8}},
       {list("kernel_shape", {2, 2}), list("strides", {2, 2})},
       {},
       {{1, 3, 4, 4}}},
      {"GlobalAveragePool", {{1, 3, 8, 8}}, {}, {}, {{1, 3, 1, 1}}},
      {"Gemm", {{1, 8}, {5, 8}, {5}}, {integer("transB", 1)}, {}, {{1, 5}}},
      {"MatMul", {{1, 2, 4, 8}, {2, 8, 5}}, {}, {}, {{1, 2, 4, 5}}},
      {"MatMul", {{8}, {8, 5}}, {}, {}, {{5}}},
      {"Concat", {{1, 3, 4}, {1, 5, 4}}, {integer("axis", -2)}, {}, {{1, 8, 4}}},
      {"Split", {{1, 6, 4}}, {integer("axis", 1)}, {{1, 2, 3}}, {{1, 1, 4}, {1, 2, 4}, {1, 3, 4}}},
      {"Split", {{1, 7, 4}}, {integer("axis", 1)}, {}, {{1, 4, 4}, {1, 3, 4}}},
      {"Slice", {{1, 9, 9}}, {}, {{0, -1}, {100, -100}, {1, 2}, {2, -3}}, {{1, 5, 3}}},
      {"Reshape", {{1, 6, 4, 4}}, {}, {{0, 2, -1, 16}}, {{1, 2, 3, 16}}},
      {"Flatten", {{1, 6, 4, 4}}, {}, {}, {{1, 96}}},
      {"Flatten", {{2, 6, 4, 4}}, {integer("axis", -1)}, {}, {{48, 4}}},
      {"Transpose", {{1, 2, 3}}, {}, {}, {{3, 2, 1}}},
      {"Transpose", {{1, 2, 3}}, {list("perm", {0, 2, 1})}, {}, {{1, 3, 2}}},
      {"Squeeze", {{1, 2, 1}}, {}, {{-1}}, {{1, 2}}},
      {"Unsqueeze", {{2, 3}}, {}, {{0, -1}}, {{1, 2, 3, 1}}},
      {"Expand", {{3, 1}}, {}, {{2, 1, 4}}, {{2, 3, 4}}},
      {"Tile", {{3, 1}}, {}, {{2, 5}}, {{6, 5}}},
      {"Pad", {{1, 3, 4, 4}}, {}, {{0, 0, 1, 2, 0, 0, 3, 4}}, {{1, 3, 8, 10}}},
      {"Gather", {{4, 5}}, {integer("axis", 1)}, {{0, 2, 4}}, {{4, 3}}},
      {"ReduceMean", {{1, 3, 4, 4}}, {integer("keepdims", 0)}, {{2, 3}}, {{1, 3}}},
      {"ReduceMax", {{1, 3, 4, 4}}, {}, {}, {{1, 1, 1, 1}}},
      {"ArgMax", {{1, 3, 4}}, {integer("axis", 1)}, {}, {{1, 1, 4}}},
      {"TopK", {{1, 9}}, {}, {{3}}, {{1, 3}, {1, 3}}},
      {"DepthToSpace", {{1, 12, 2, 2}}, {integer("blocksize", 2)}, {}, {{1, 3, 4, 4}}},
      {"SpaceToDepth", {{1, 3, 4, 4}}, {integer("blocksize", 2)}, {}, {{1, 12, 2, 2}}},
      {"Shape", {{1, 3, 4}}, {integer("start", 1)}, {}, {{2}}},
      {"GRU", {{7, 1, 4}, {1, 9, 4}, {1, 9, 3}}, {integer("hidden_size", 3)}, {}, {{7, 1, 1, 3}, {1, 1, 3}}},
      {"InsertZeros",
       {{1, 3, 4, 4}},
       {list("stride", {2, 2}), list("output_padding", {0, 1})},
       {},
       {{1, 3, 7, 8}}},
      {"StreamingCache", {{1, 5, 8}}, {integer("window_size", 3), integer("frame_axis", 1)}, {}, {{1, 7, 8}}},
      {"Swish", {{1, 3}}, {}, {}, {{1, 3}}},
  };
  for (const Case& c : cases) {
    Graph graph = graph_of(c);
    infer_shapes(graph);
    for (size_t i = 0; i < c.outputs.size(); ++i) {
      EXPECT_EQ(graph.tensor(fmt::format("o{}", i)).shape, c.outputs[i]) << c.op;
    }
  }
}

TEST(InferShapes, ResizeByScalesAndBySizes) {
  OnnxBuilder scaled;
  scaled.input("x", {1, 3, 5, 4})
      .floats("s", {4}, {1, 1, 2, 2.5f})
      .node("Resize", {"x", "", "s"}, {"y"})
      .output("y");
  Graph graph = scaled.graph();
  infer_shapes(graph);
  EXPECT_EQ(graph.tensor("y").shape, (Shape{1, 3, 10, 10}));
  OnnxBuilder sized;
  sized.input("x", {1, 3, 5, 4})
      .integers("s", {1, 3, 7, 9})
      .node("Resize", {"x", "", "", "s"}, {"y"})
      .output("y");
  graph = sized.graph();
  infer_shapes(graph);
  EXPECT_EQ(graph.tensor("y").shape, (Shape{1, 3, 7, 9}));
}

TEST(InferShapes, NamesTheNodeThatDoesNotFit) {
  const std::vector<std::pair<Case, std::string>> cases = {
      {{"Add", {{1, 3}, {4}}, {}, {}, {}},
       "node 'n_o0' (Add): inputs 'i0' [1,3] and 'i1' [4] do not go together"},
      {{"MatMul", {{2, 3}, {4, 2}}, {}, {}, {}},
       "node 'n_o0' (MatMul): matrices [2,3] and [4,2] do not go together"},
      {{"Conv", {{1, 3, 4, 4}, {2, 4, 1, 1}}, {}, {}, {}},
       "node 'n_o0' (Conv): filters [2,4,1,1] in 1 groups do not fit an input of 3 channels"},
      {{"Conv", {{1, 3, 2, 2}, {2, 3, 3, 3}}, {}, {}, {}},
       "node 'n_o0' (Conv): a window of 3 does not fit into 2 (with padding); is the input size too small?"},
      {{"Conv", {{1, 3, 4, 4}, {2, 3, 1, 1}}, {list("strides", {0, 1})}, {}, {}},
       "node 'n_o0' (Conv): strides holds 0, 1 or more was expected"},
      {{"Reshape", {{1, 6}}, {}, {{1, 4}}, {}},
       "node 'n_o0' (Reshape): the input [1,6] cannot be reshaped to [1,4]"},
      {{"Transpose", {{1, 6}}, {list("perm", {0, 0})}, {}, {}},
       "node 'n_o0' (Transpose): an axis is named twice"},
      {{"Concat", {{1, 6}}, {integer("axis", 2)}, {}, {}},
       "node 'n_o0' (Concat): axis 2 is out of range for rank 2"},
      {{"Fancy", {{1, 6}}, {}, {}, {}},
       "node 'n_o0' (Fancy): the operator is not supported; end the graph before it with --outputs NAME,... "
       "if it is "
       "part of the postprocessing"},
      {{"Relu", {{1, 6}}, {}, {}, {{}, {}}}, "node 'n_o0' (Relu): its output 'o1' is not supported"},
  };
  for (const auto& [c, expected] : cases) {
    Graph graph = graph_of(c);
    EXPECT_EQ(error_of([&] { infer_shapes(graph); }), expected);
  }
}

TEST(InferShapes, AnAttributeOfTheWrongKindIsNamed) {
  Graph graph = graph_of({"Conv", {{1, 3, 4, 4}, {2, 3, 1, 1}}, {integer("strides", 2)}, {}, {}});
  EXPECT_EQ(error_of([&] { infer_shapes(graph); }),
            "node 'n_o0' (Conv): attribute 'strides' was expected to be a list of integers; export the model "
            "again");
}

TEST(InferShapes, SoftmaxOverSeveralAxesOfOldOpsetsIsOneOverOneAxis) {
  OnnxBuilder builder(12);
  Graph joint = builder.input("x", {1, 4, 5}).node("Softmax", {"x"}, {"y"}).output("y").graph();
  prepare(joint, {.size = {}, .outputs = {"y"}});
  ASSERT_EQ(joint.nodes.size(), 3u);
  EXPECT_EQ(joint.tensor(joint.nodes[1].inputs[0]).shape, (Shape{1, 20}));
  EXPECT_EQ(joint.nodes[1].op, "Softmax");
  EXPECT_EQ(joint.tensor("y").shape, (Shape{1, 4, 5}));
}

// 64x64 image, stride 16, flattened, attended (here: a MatMul that keeps the shape) and unflattened.
OnnxBuilder flattening(const Ints& flat, const Ints& image, const Ints& perm = {}) {
  OnnxBuilder builder;
  builder.input("x", {1, 3, 64, 64}).conv("x", 3, 8, "c", 16).integers("flat", flat).integers("image", image);
  builder.node("Reshape", {"c", "flat"}, {"f"});
  const bool moved = !perm.empty();
  if (moved) builder.node("Transpose", {"f"}, {"t"}, {{"perm", perm}});
  builder.node("Reshape", {moved ? "t" : "f", "image"}, {"y"}).output("y");
  return builder;
}

Shape resized_output(const OnnxBuilder& builder, ImageSize size) {
  Graph graph = builder.graph();
  resize_input(graph, size);
  check(graph);
  return graph.tensor("y").shape;
}

TEST(ResizeInput, FollowsImagesThroughFlattening) {
  EXPECT_EQ(resized_output(flattening({1, 2, 4, 16}, {1, 8, 4, 4}), {32, 96}), (Shape{1, 8, 2, 6}));
  EXPECT_EQ(resized_output(flattening({1, 2, 4, -1}, {1, -1, 4, 4}), {32, 96}), (Shape{1, 8, 2, 6}));
  EXPECT_EQ(resized_output(flattening({0, 0, -1}, {1, 2, 4, 4, 4}), {96, 32}), (Shape{1, 2, 4, 6, 2}));
  EXPECT_EQ(resized_output(flattening({1, 8, 16}, {1, 4, 4, 8}, {0, 2, 1}), {32, 96}), (Shape{1, 2, 6, 8}));
}

TEST(ResizeInput, KeepsTheRatioOfAbsoluteSizes) {
  OnnxBuilder builder;
  builder.input("x", {1, 3, 64, 64}).conv("x", 3, 8, "c", 16).integers("sizes", {1, 8, 8, 8});
  builder.node("Resize", {"c", "", "", "sizes"}, {"y"}).output("y");
  EXPECT_EQ(resized_output(builder, {32, 96}), (Shape{1, 8, 4, 12}));
}

TEST(ResizeInput, SaysWhichReshapeItCannotFollow) {
  Graph graph = flattening({1, 8, 16}, {1, 8, 2, 2, 4}).graph();
  const std::string before = to_text(graph);
  EXPECT_EQ(error_of([&] {
              resize_input(graph, {32, 96});
            }),
            "the model cannot be given the input size 32x96: node 'n_y' (Reshape): it turns [1,8,16] into "
            "[1,8,2,2,4], "
            "and what it should make of [1,8,12] is not clear; export it at that size");
  EXPECT_EQ(to_text(graph), before);
}

TEST(ResizeInput, NeedsOneImage) {
  Graph graph = OnnxBuilder().input("x", {1, 10}).node("Relu", {"x"}, {"y"}).output("y").graph();
  EXPECT_THAT(error_of([&] {
                resize_input(graph, {64, 64});
              }),
              HasSubstr("one image input [N,C,H,W] was expected"));
}

}  // namespace
}  // namespace shrike::graph
