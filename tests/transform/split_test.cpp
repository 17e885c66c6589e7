#include "toolchain/transform/split.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "tests/engine/graph_builder.h"
#include "tests/shared_data.h"
#include "toolchain/pipeline/quantize.h"
#include "toolchain/support/error.h"

namespace shrike::quantize {
namespace {

using ::testing::Contains;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Lt;
using tests::GraphBuilder;

// x -> Conv_0 (1x1, 2 channels to 2, bias) -> Relu_1 -> Conv_2 (small weights) -> z
GraphBuilder two_layers() {
  GraphBuilder builder;
  builder.input("x", {1, 2, 1, 2})
      .constant("w", {2, 2, 1, 1}, {3, -0.5f, 2, -4})
      .constant("b", {2}, {10, 20})
      .variable("y", {1, 2, 1, 2})
      .variable("r", {1, 2, 1, 2})
      .constant("small", {1, 2, 1, 1}, {1, 0.25f})
      .variable("z", {1, 1, 1, 2})
      .node("Conv", {"x", "w", "b"}, {"y"})
      .node("Relu", {"y"}, {"r"})
      .node("Conv", {"r", "small"}, {"z"});
  return builder;
}

Settings splitting(std::vector<std::string> layers, SplitMethod method = SplitMethod::kBalance) {
  Settings settings;
  settings.split_layers = std::move(layers);
  settings.split_method = method;
  settings.split_threshold = 2.0;
  return settings;
}

std::vector<float> outputs_of(const graph::Graph& graph, const engine::Array& input) {
  return engine::Engine(graph).run({{graph.inputs[0], input}}).at(graph.outputs[0]).values;
}

TEST(Split, BalanceHalvesWhatIsAboveTheThreshold) {
  graph::Graph graph = two_layers().graph();

  const SplitReport report = split_layers(graph, splitting({"Conv_0"}));

  graph::check(graph);
  EXPECT_THAT(report.split, ElementsAre("Conv_0"));
  EXPECT_THAT(report.unchanged, IsEmpty());
  ASSERT_EQ(graph.nodes.size(), 5u);
  const graph::Node &layer = graph.nodes[0], &clone = graph.nodes[1], &join = graph.nodes[2];
  EXPECT_EQ(layer.name, "Conv_0");
  EXPECT_EQ(clone.name, "Conv_0/split");
  EXPECT_EQ(clone.op, "Conv");
  EXPECT_EQ(join.name, "Conv_0/join");
  EXPECT_EQ(join.op, "Add");
  EXPECT_THAT(graph.tensor(layer.inputs[1]).values, ElementsAre(1.5f, -0.5f, 2, -2));
  EXPECT_THAT(graph.tensor(clone.inputs[1]).values, ElementsAre(1.5f, 0, 0, -2));
  EXPECT_EQ(layer.inputs.size(), 3u) << "the layer keeps its bias";
  EXPECT_EQ(clone.inputs.size(), 2u) << "the clone has none";
  EXPECT_THAT(join.outputs, ElementsAre("y")) << "what lies behind keeps its names";
}

TEST(Split, KeepsTheFunction) {
  const engine::Array input{{1, 2, 1, 2}, {0.3f, -7, 11, 0.9f}};
  for (const SplitMethod method : {SplitMethod::kBalance, SplitMethod::kRandom}) {
    graph::Graph graph = two_layers().graph();
    const std::vector<float> before = outputs_of(graph, input);
    split_layers(graph, splitting({"Conv_0"}, method));
    const std::vector<float> after = outputs_of(graph, input);
    for (size_t i = 0; i < before.size(); ++i) EXPECT_NEAR(after[i], before[i], 1e-5f * std::fabs(before[i]));
  }
}

TEST(Split, RandomSharesRepeatAndDependOnTheLayerAlone) {
  const auto parts = [](std::vector<std::string> layers) {
    graph::Graph graph = two_layers().graph();
    Settings settings = splitting(std::move(layers), SplitMethod::kRandom);
    settings.split_threshold = 0.9;
    split_layers(graph, settings);
    return graph.tensor("w/split").values;
  };

  const std::vector<float> share = parts({"Conv_0"});

  const std::vector<float> weights = {3, -0.5f, 2, -4};
  EXPECT_EQ(share[1], 0.0f);
  for (const size_t i : {0, 2, 3}) {
    EXPECT_GT(share[i] / weights[i], 0.0f);
    EXPECT_LT(share[i] / weights[i], 1.0f);
  }
  EXPECT_NE(share[0] / 3, share[2] / 2);
  EXPECT_EQ(parts({"Conv_0"}), share);
  EXPECT_EQ(parts({"Conv_2", "Conv_0"}), share);
}

TEST(Split, WithoutALargeWeightTheLayerStays) {
  graph::Graph graph = two_layers().graph();
  const SplitReport report = split_layers(graph, splitting({"Conv_2"}));
  EXPECT_THAT(report.split, IsEmpty());
  EXPECT_THAT(report.unchanged, ElementsAre("Conv_2"));
  EXPECT_EQ(graph.nodes.size(), 3u);
}

TEST(Split, AWeightAtTheThresholdIsNotLarge) {
  graph::Graph graph = two_layers().graph();
  Settings settings = splitting({"Conv_0"});
  settings.split_threshold = 4.0;
  EXPECT_THAT(split_layers(graph, settings).unchanged, ElementsAre("Conv_0"));
}

TEST(Split, MatricesAreLayersToo) {
  GraphBuilder builder;
  builder.input("x", {1, 2})
      .constant("w", {2, 2}, {1, 8, 2, 1})
      .constant("b", {2}, {1, 1})
      .constant("m", {2, 1}, {6, 1})
      .variable("y", {1, 2})
      .variable("z", {1, 1})
      .node("Gemm", {"x", "w", "b"}, {"y"})
      .node("MatMul", {"y", "m"}, {"z"});
  graph::Graph graph = builder.graph();
  const engine::Array input{{1, 2}, {0.5f, 2}};
  const std::vector<float> before = outputs_of(graph, input);
  EXPECT_THAT(split_layers(graph, splitting({"MatMul_1", "Gemm_0"})).split,
              ElementsAre("Gemm_0", "MatMul_1"));
  EXPECT_EQ(graph.nodes.size(), 6u);
  EXPECT_EQ(outputs_of(graph, input), before);
}

TEST(Split, UnknownLayersSuggestTheNearest) {
  graph::Graph graph = two_layers().graph();
  for (const std::string wrong : {"Conv_3", "Relu_1"}) {
    try {
      split_layers(graph, splitting({wrong}));
      FAIL() << wrong;
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr("split-layers"));
      EXPECT_THAT(error.what(), HasSubstr("'" + wrong + "'"));
      EXPECT_THAT(error.what(), HasSubstr("did you mean 'Conv_"));
    }
  }
}

// Everything downstream takes the new nodes: calibration, refit, bias correction, writer and integer runtime.
TEST(Split, Yolo11nIsQuantisedWithSplitAnd16BitLayers) {
  SHRIKE_NEEDS_SHARED("models/yolo11n.onnx");
  SHRIKE_NEEDS_SHARED("data/coco_calib320/images");
  Settings settings = splitting({"/model.0/conv/Conv", "/model.1/conv/Conv", "/model.7/conv/Conv"});
  settings.split_threshold = 1.5;
  settings.int16_layers = {"/model.1/conv/Conv/split", "/model.3/conv/Conv"};
  settings.size = {64, 96};
  settings.calibration_images = settings.refit_images = settings.bias_images = 2;
  settings.threads = 2;

  const Result result =
      quantize(tests::shared_root() + "/models/yolo11n.onnx",
               tests::shared_root() + "/data/coco_calib320/images", settings, [](auto&&...) {});

  EXPECT_THAT(result.notes, ElementsAre(HasSubstr("split /model.0/conv/Conv, /model.1/conv/Conv"),
                                        HasSubstr("'/model.7/conv/Conv' was not split")));
  std::vector<std::string> names;
  for (const graph::Node& node : result.quantized_graph.nodes) names.push_back(node.name);
  EXPECT_THAT(names, Contains("/model.0/conv/Conv/split"));
  EXPECT_THAT(names, Contains("/model.1/conv/Conv/join"));
  EXPECT_THAT(result.output_noise, Each(Lt(0.5)));
}

}  // namespace
}  // namespace shrike::quantize
