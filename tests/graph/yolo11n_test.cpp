// The stock YOLO11n export, through the whole recipe.
#include <gmock/gmock.h>

#include <map>

#include "tests/import/onnx_builder.h"
#include "tests/shared_data.h"
#include "toolchain/import/onnx/import.h"

namespace shrike::graph {
namespace {

using ::testing::ElementsAre;

const char* const kModel = "models/yolo11n.onnx";

Graph prepared(const ImageSize& size = {}) {
  Graph graph = import_onnx(tests::shared_root() + "/" + kModel);
  PrepareOptions options;
  options.size = size;
  prepare(graph, options);
  return graph;
}

std::vector<Shape> output_shapes(const Graph& graph) {
  std::vector<Shape> shapes;
  for (const std::string& output : graph.outputs) shapes.push_back(graph.tensor(output).shape);
  return shapes;
}

TEST(Yolo11n, BecomesConvolutionsSwishesAndOneAttention) {
  SHRIKE_NEEDS_SHARED(kModel);
  const Graph graph = prepared();
  std::map<std::string, int> count;
  for (const Node& node : graph.nodes) ++count[node.op];
  const std::map<std::string, int> expected = {
      {"Add", 14},   {"Concat", 17}, {"Conv", 87},  {"MatMul", 2}, {"MaxPool", 3},  {"Reshape", 3},
      {"Resize", 2}, {"Softmax", 1}, {"Split", 10}, {"Swish", 77}, {"Transpose", 2}};
  EXPECT_EQ(count, expected);
}

TEST(Yolo11n, EndsInTheRawConvolutionsFinestLevelFirst) {
  SHRIKE_NEEDS_SHARED(kModel);
  const Graph graph = prepared();
  EXPECT_THAT(graph.inputs, ElementsAre("images"));
  EXPECT_THAT(graph.outputs, ElementsAre("box0", "score0", "box1", "score1", "box2", "score2"));
  EXPECT_THAT(output_shapes(graph),
              ElementsAre(Shape{1, 64, 80, 80}, Shape{1, 80, 80, 80}, Shape{1, 64, 40, 40},
                          Shape{1, 80, 40, 40}, Shape{1, 64, 20, 20}, Shape{1, 80, 20, 20}));
  const std::map<std::string, std::string> producers = {
      {"box0", "/model.23/cv2.0/cv2.0.2/Conv"}, {"score0", "/model.23/cv3.0/cv3.0.2/Conv"},
      {"box1", "/model.23/cv2.1/cv2.1.2/Conv"}, {"score1", "/model.23/cv3.1/cv3.1.2/Conv"},
      {"box2", "/model.23/cv2.2/cv2.2.2/Conv"}, {"score2", "/model.23/cv3.2/cv3.2.2/Conv"}};
  for (const auto& [output, node] : producers) {
    EXPECT_EQ(graph.nodes.at(static_cast<size_t>(graph.producer(output))).name, node);
  }
}

TEST(Yolo11n, TakesTheSizes320And480x640) {
  SHRIKE_NEEDS_SHARED(kModel);
  EXPECT_THAT(output_shapes(prepared({320, 320})),
              ElementsAre(Shape{1, 64, 40, 40}, Shape{1, 80, 40, 40}, Shape{1, 64, 20, 20},
                          Shape{1, 80, 20, 20}, Shape{1, 64, 10, 10}, Shape{1, 80, 10, 10}));
  const Graph wide = prepared({480, 640});
  EXPECT_THAT(output_shapes(wide),
              ElementsAre(Shape{1, 64, 60, 80}, Shape{1, 80, 60, 80}, Shape{1, 64, 30, 40},
                          Shape{1, 80, 30, 40}, Shape{1, 64, 15, 20}, Shape{1, 80, 15, 20}));
  EXPECT_EQ(wide.tensor("/model.10/m/m.0/attn/Reshape_output_0").shape, (Shape{1, 2, 128, 300}));
  EXPECT_EQ(wide.tensor("/model.10/m/m.0/attn/Reshape_1_output_0").shape, (Shape{1, 128, 15, 20}));
}

TEST(Yolo11n, ResizesForthAndBackToTheSameGraph) {
  SHRIKE_NEEDS_SHARED(kModel);
  Graph graph = prepared();
  const std::string before = to_text(graph);
  const Graph original = graph;
  resize_input(graph, {352, 1216});
  EXPECT_NE(to_text(graph), before);
  resize_input(graph, {640, 640});
  EXPECT_EQ(to_text(graph), before);
  for (const auto& [name, tensor] : original.tensors)
    EXPECT_EQ(graph.tensor(name).integers, tensor.integers) << name;
}

TEST(Yolo11n, CarriesTheAttentionScaleInTheQueryRows) {
  SHRIKE_NEEDS_SHARED(kModel);
  const Graph raw = import_onnx(tests::shared_root() + "/" + kModel);
  const Graph graph = prepared();
  const float scale = raw.tensor("/model.10/m/m.0/attn/Constant_1_output_0").values.at(0);
  EXPECT_NEAR(scale, 0.17677669f, 1e-7f);
  // Two heads of 32 query, 32 key and 64 value channels.
  for (const auto& [name, row] : {std::pair{"weight", size_t{128}}, std::pair{"bias", size_t{1}}}) {
    const std::string tensor = std::string("model.10.m.0.attn.qkv.conv.") + name;
    const auto& before = raw.tensor(tensor).values;
    const auto& after = graph.tensor(tensor).values;
    ASSERT_EQ(before.size(), 256 * row);
    for (size_t i = 0; i < before.size(); ++i) {
      const bool query = i / row % 128 < 32;
      ASSERT_EQ(after[i], query ? before[i] * scale : before[i]) << tensor << " " << i;
    }
  }
}

TEST(Yolo11n, EveryConstantHasOneReaderAndEveryNodeExplicitAttributes) {
  SHRIKE_NEEDS_SHARED(kModel);
  const Graph graph = prepared();
  const Links links(graph);
  for (const auto& [name, tensor] : graph.tensors) {
    if (!tensor.constant) continue;
    EXPECT_EQ(links.consumers.at(name).size(), 1u) << name;
  }
  for (const Node& node : graph.nodes) {
    if (node.op == "Split") {
      EXPECT_EQ(node.inputs.size(), 2u) << node.name;
    }
    if (node.op != "Conv" && node.op != "MaxPool") continue;
    EXPECT_EQ(node.integers("pads").size(), 4u) << node.name;
    EXPECT_EQ(node.integers("strides").size(), 2u) << node.name;
    EXPECT_EQ(node.integers("kernel_shape").size(), 2u) << node.name;
  }
}

TEST(Yolo11n, IsCutWhereTheUserSays) {
  SHRIKE_NEEDS_SHARED(kModel);
  Graph graph = import_onnx(tests::shared_root() + "/" + kModel);
  PrepareOptions options;
  options.outputs = {"/model.9/cv2/act/Mul_output_0", "/model.4/cv2/conv/Conv"};
  prepare(graph, options);
  EXPECT_THAT(graph.outputs, ElementsAre("/model.9/cv2/act/Mul_output_0", "/model.4/cv2/conv/Conv_output_0"));
  EXPECT_EQ(graph.tensor(graph.outputs[0]).shape, (Shape{1, 256, 20, 20}));
  EXPECT_EQ(tests::count_op(graph, "MatMul"), 0);
}

TEST(Yolo11n, RejectsSizesThatAreNoMultipleOf32) {
  SHRIKE_NEEDS_SHARED(kModel);
  EXPECT_THAT(tests::error_of([] { prepared({330, 640}); }), ::testing::HasSubstr("try 320x640"));
  EXPECT_EQ(tests::error_of([] {
              prepared({0, 640});
            }),
            "input size 0x640: sides from 1 to 8192 were expected");
}

TEST(Yolo11n, SaysThatTheDecoderPinsTheInputSize) {
  SHRIKE_NEEDS_SHARED(kModel);
  Graph graph = import_onnx(tests::shared_root() + "/" + kModel);
  const std::string error = tests::error_of([&] { resize_input(graph, {320, 320}); });
  EXPECT_THAT(error, ::testing::HasSubstr("cannot be given the input size 320x320"));
  EXPECT_THAT(error, ::testing::HasSubstr("/model.23/"));
}

}  // namespace
}  // namespace shrike::graph
