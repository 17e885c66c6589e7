#include "toolchain/transform/equalize.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/engine/graph_builder.h"
#include "tests/shared_data.h"
#include "toolchain/measure/feed.h"
#include "toolchain/pipeline/steps.h"

namespace shrike::quantize {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using tests::GraphBuilder;

engine::Array ramp(graph::Shape shape) {
  engine::Array array{std::move(shape), {}};
  int64_t count = 1;
  for (const int64_t dim : array.shape) count *= dim;
  for (int64_t i = 0; i < count; ++i) array.values.push_back(static_cast<float>(i % 13) * 0.37f - 2.1f);
  return array;
}

std::vector<float> output_of(const graph::Graph& graph) {
  return engine::Engine(graph)
      .run({{graph.inputs[0], ramp(graph.tensor(graph.inputs[0]).shape)}})
      .at(graph.outputs[0])
      .values;
}

// Weights that differ a lot between channels: 2^(i % 7 - 3), signs alternating.
std::vector<float> uneven(int64_t count) {
  std::vector<float> values;
  for (int64_t i = 0; i < count; ++i)
    values.push_back(std::ldexp(i % 2 == 0 ? 1.1f : -0.9f, static_cast<int>(i % 7) - 3));
  return values;
}

// x -> Conv_0 -> between -> Conv_2, 1x1, two channels between them.
GraphBuilder pair(const std::string& between, std::vector<float> up, std::vector<float> down) {
  GraphBuilder builder;
  builder.input("x", {1, 1, 2, 2})
      .constant("up", {2, 1, 1, 1}, std::move(up))
      .constant("bias", {2}, {1, 3})
      .constant("down", {1, 2, 1, 1}, std::move(down))
      .variable("y", {1, 2, 2, 2})
      .variable("r", {1, 2, 2, 2})
      .variable("z", {1, 1, 2, 2})
      .node("Conv", {"x", "up", "bias"}, {"y"})
      .node(between, {"y"}, {"r"})
      .node("Conv", {"r", "down"}, {"z"});
  return builder;
}

TEST(Equalize, BringsBothSidesOfAReluTogether) {
  graph::Graph graph = pair("Relu", {4, 0.25f}, {0.25f, -4}).graph();
  const std::vector<float> before = output_of(graph);

  const std::vector<EqualizedLayers> report = equalize(graph, {});

  ASSERT_THAT(report, SizeIs(1));
  EXPECT_THAT(report[0].layers, ElementsAre("Conv_0", "Conv_2"));
  EXPECT_EQ(report[0].channels, 2);
  EXPECT_EQ(report[0].scaled, 2);
  EXPECT_THAT(graph.tensor("up").values, ElementsAre(1, 1));
  EXPECT_THAT(graph.tensor("bias").values, ElementsAre(0.25f, 12));
  EXPECT_THAT(graph.tensor("down").values, ElementsAre(1, -1));
  EXPECT_EQ(output_of(graph), before);
}

TEST(Equalize, OneRoundScalesByEightAtMost) {
  Settings settings;
  graph::Graph once = pair("Relu", {1024, 1}, {1, 1}).graph(), twice = once;
  settings.equalization_iterations = 1;
  equalize(once, settings);
  settings.equalization_iterations = 2;
  equalize(twice, settings);
  EXPECT_THAT(once.tensor("up").values, ElementsAre(128, 1));
  EXPECT_THAT(twice.tensor("up").values, ElementsAre(32, 1));
}

TEST(Equalize, ChannelsBelowTheThresholdStay) {
  Settings settings;
  settings.equalization_threshold = 0.5;
  graph::Graph graph = pair("Relu", {0.25f, 0.5f}, {0.01f, 0.01f}).graph();
  const std::vector<EqualizedLayers> report = equalize(graph, settings);
  EXPECT_EQ(report.at(0).channels, 2);
  EXPECT_EQ(report.at(0).scaled, 1);
  EXPECT_EQ(graph.tensor("up").values[0], 0.25f);
}

TEST(Equalize, CurvedFunctionsAndOutputsAreBarriers) {
  for (const std::string barrier : {"Swish", "Sigmoid", "HardSwish"}) {
    graph::Graph graph = pair(barrier, {4, 0.25f}, {0.25f, 4}).graph();
    EXPECT_THAT(equalize(graph, {}), IsEmpty()) << barrier;
  }
  graph::Graph graph = pair("Relu", {4, 0.25f}, {0.25f, 4}).outputs({"z", "r"}).graph();
  EXPECT_THAT(equalize(graph, {}), IsEmpty()) << "the tensor is an output";
  graph =
      pair("Relu", {4, 0.25f}, {0.25f, 4}).variable("s", {1, 2, 2, 2}).node("Sigmoid", {"r"}, {"s"}).graph();
  EXPECT_THAT(equalize(graph, {}), IsEmpty()) << "somebody else reads the tensor";
}

// stem -> PRelu -> (MaxPool -> depthwise) + AveragePool -> Concat with the other branch -> head (Gemm)
TEST(Equalize, FollowsPoolingDepthwiseAddConcatAndReshape) {
  GraphBuilder builder;
  builder.input("x", {1, 2, 4, 4})
      .constant("stem", {4, 2, 1, 1}, uneven(8))
      .constant("slope", {4, 1, 1}, {0.1f, 0.2f, 0.3f, 0.4f})
      .constant("depthwise", {4, 1, 1, 1}, {3, -1, 0.5f, 0.1f})
      .constant("depthwise.bias", {4}, {1, 2, 3, 4})
      .constant("other", {2, 2, 4, 4}, uneven(64))
      .integers("flat", {1, 54})
      .constant("head", {3, 54}, uneven(162))
      .variable("a", {1, 4, 4, 4})
      .variable("p", {1, 4, 4, 4})
      .variable("max", {1, 4, 3, 3})
      .variable("d", {1, 4, 3, 3})
      .variable("average", {1, 4, 3, 3})
      .variable("sum", {1, 4, 3, 3})
      .variable("o", {1, 2, 3, 3})
      .variable("joined", {1, 6, 3, 3})
      .variable("row", {1, 54})
      .variable("z", {1, 3});
  const std::map<std::string, graph::Attribute> window = {{"kernel_shape", std::vector<int64_t>{2, 2}},
                                                          {"strides", std::vector<int64_t>{1, 1}},
                                                          {"pads", std::vector<int64_t>{0, 0, 0, 0}}};
  builder.node("Conv", {"x", "stem"}, {"a"})
      .node("PRelu", {"a", "slope"}, {"p"})
      .node("MaxPool", {"p"}, {"max"}, window)
      .node("Conv", {"max", "depthwise", "depthwise.bias"}, {"d"}, {{"group", int64_t{4}}})
      .node("AveragePool", {"p"}, {"average"}, window)
      .node("Add", {"d", "average"}, {"sum"})
      .node("Conv", {"x", "other"}, {"o"}, {{"pads", std::vector<int64_t>{1, 1, 1, 1}}})
      .node("Concat", {"sum", "o"}, {"joined"}, {{"axis", int64_t{1}}})
      .node("Reshape", {"joined", "flat"}, {"row"})
      .node("Gemm", {"row", "head"}, {"z"}, {{"transB", int64_t{1}}});
  graph::Graph graph = builder.graph();
  const std::vector<float> before = output_of(graph);
  const std::vector<float> depthwise = graph.tensor("depthwise").values;

  const std::vector<EqualizedLayers> report = equalize(graph, {});

  int scaled = 0, channels = 0;
  for (const EqualizedLayers& entry : report) {
    scaled += entry.scaled;
    channels += entry.channels;
  }
  // The columns of a channel in the head differ, but must share the channel's factor.
  EXPECT_EQ(channels, 6);
  EXPECT_GT(scaled, 2);
  EXPECT_EQ(graph.tensor("depthwise").values, depthwise) << "the factor comes in and goes out again";
  EXPECT_NE(graph.tensor("depthwise.bias").values, (std::vector<float>{1, 2, 3, 4}));
  EXPECT_EQ(output_of(graph), before);
}

TEST(Equalize, GroupedConvolutionsReadTheirOwnChannels) {
  GraphBuilder builder;
  builder.input("x", {1, 1, 1, 2})
      .constant("up", {4, 1, 1, 1}, {16, 1, 1, 1})
      .constant("down", {2, 2, 1, 1}, {1, 2, 3, 4})
      .variable("y", {1, 4, 1, 2})
      .variable("z", {1, 2, 1, 2})
      .node("Conv", {"x", "up"}, {"y"})
      .node("Conv", {"y", "down"}, {"z"}, {{"group", int64_t{2}}});
  graph::Graph graph = builder.graph();
  const std::vector<float> before = output_of(graph);
  equalize(graph, {});
  EXPECT_THAT(graph.tensor("up").values, ElementsAre(4, 1, 2, 2));
  EXPECT_THAT(graph.tensor("down").values, ElementsAre(4, 2, 1.5f, 2));
  EXPECT_EQ(output_of(graph), before);
}

// In yolo11n only the attention is linear: 2 heads x 32 rows of q against k, 2 x 64 of v against proj, past
// the depthwise positional convolution.
TEST(Equalize, Yolo11nsAttentionKeepsEveryBitOfTheOutputs) {
  SHRIKE_NEEDS_SHARED("models/yolo11n.onnx");
  SHRIKE_NEEDS_SHARED("data/coco_calib320/images");
  const std::string model = tests::shared_root() + "/models/yolo11n.onnx";
  const std::string attention = "/model.10/m/m.0/attn/";
  Settings settings;
  settings.size = {64, 96};
  settings.equalization_threshold = 0;
  const graph::Graph before = load_float_graph(model, settings);
  graph::Graph after = before;

  const std::vector<EqualizedLayers> report = equalize(after, settings);

  ASSERT_THAT(report, SizeIs(2));
  EXPECT_THAT(report[0].layers, ElementsAre(attention + "qkv/conv/Conv"));
  EXPECT_EQ(report[0].channels, 64);
  EXPECT_GT(report[0].scaled, 10);
  EXPECT_THAT(report[1].layers, ElementsAre(attention + "qkv/conv/Conv", attention + "pe/conv/Conv",
                                            attention + "proj/conv/Conv"));
  EXPECT_EQ(report[1].channels, 128);
  EXPECT_GT(report[1].scaled, 10);
  const std::string image = data::list_images(tests::shared_root() + "/data/coco_calib320/images").front();
  const auto input = Feed(before, {image}, 1).inputs(0);
  const auto expected = engine::Engine(before).run(input), got = engine::Engine(after).run(input);
  for (const auto& [name, array] : expected) EXPECT_EQ(got.at(name).values, array.values) << name;
}

}  // namespace
}  // namespace shrike::quantize
