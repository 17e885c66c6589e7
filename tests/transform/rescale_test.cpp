#include "toolchain/transform/rescale.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/engine/graph_builder.h"
#include "tests/shared_data.h"
#include "toolchain/formats/widths.h"
#include "toolchain/graph/activation.h"
#include "toolchain/pipeline/steps.h"
#include "toolchain/support/error.h"
#include "toolchain/transform/choose_rescaling.h"

namespace shrike::quantize {
namespace {

using ::testing::HasSubstr;
using tests::GraphBuilder;

// x -> up -> Swish -> down: a 1x1 pair, so that an offset can pass.
graph::Graph pair() {
  GraphBuilder builder;
  builder.input("x", {1, 1, 2, 2})
      .constant("up", {2, 1, 1, 1}, {4, -0.25f})
      .constant("bias", {2}, {1, 3})
      .constant("down", {1, 2, 1, 1}, {0.25f, -4})
      .variable("y", {1, 2, 2, 2})
      .variable("s", {1, 2, 2, 2})
      .variable("z", {1, 1, 2, 2})
      .node("Conv", {"x", "up", "bias"}, {"y"})
      .node("Swish", {"y"}, {"s"})
      .node("Conv", {"s", "down"}, {"z"});
  return builder.graph();
}

std::map<std::string, engine::Array> run(const graph::Graph& graph, const std::vector<std::string>& wanted) {
  return engine::Engine(graph).run({{"x", {{1, 1, 2, 2}, {-1, 0.5f, 1.5f, 2}}}}, wanted);
}

std::string swish_of(const graph::Graph& graph) {
  for (const graph::Node& node : graph.nodes) {
    if (node.op == "Swish") return node.name;
  }
  return "";
}

TEST(Rescale, KeepsTheFunctionAndMovesTheTensors) {
  const graph::Graph before = pair();
  graph::Graph after = before;

  rescale(after, {{swish_of(before), {1.5f, -2, 0.75f, -3}}});

  const auto expected = run(before, {"y", "s", "z"}), got = run(after, {"y", "s", "z"});
  for (size_t i = 0; i < 8; ++i) {
    EXPECT_NEAR(got.at("y").values[i], 1.5f * expected.at("y").values[i] - 2, 1e-5);
    EXPECT_NEAR(got.at("s").values[i], 0.75f * expected.at("s").values[i] - 3, 1e-5);
  }
  for (size_t i = 0; i < 4; ++i) EXPECT_NEAR(got.at("z").values[i], expected.at("z").values[i], 1e-4);
  EXPECT_THAT(after.tensor("s").offsets, ::testing::ElementsAre(-3, -3));
  EXPECT_THAT(after.tensor("y").scales, ::testing::ElementsAre(1.5f, 1.5f));
}

// A padded zero stands for zero: behind a shift that is another value, which a Pad writes.
TEST(Rescale, AnOffsetBeforePaddingBecomesAPad) {
  graph::Graph before = pair();
  before.tensors.at("down").shape = {1, 2, 2, 2};
  before.tensors.at("down").values = {0.25f, -4, 1, 2, 0.5f, -1, 3, 0.125f};
  before.tensors.at("z").shape = {1, 1, 4, 3};
  before.nodes.back().attributes["pads"] = std::vector<int64_t>{1, 0, 2, 2};
  graph::Graph after = before;

  rescale(after, {{swish_of(before), {1, 0, 0.75f, -3}}});

  ASSERT_EQ(after.nodes.size(), before.nodes.size() + 1);
  const graph::Node& pad = after.nodes[2];
  EXPECT_EQ(pad.op, "Pad");
  EXPECT_THAT(after.tensor(pad.inputs[1]).integers, ::testing::ElementsAre(0, 0, 1, 0, 0, 0, 2, 2));
  EXPECT_THAT(after.tensor(pad.inputs[2]).values, ::testing::ElementsAre(-3));
  EXPECT_THAT(after.tensor(pad.outputs[0]).shape, ::testing::ElementsAre(1, 2, 5, 4));
  EXPECT_THAT(after.nodes.back().integers("pads"), ::testing::Each(0));
  const auto expected = run(before, {"z"}), got = run(after, {"z"});
  for (size_t i = 0; i < 12; ++i) EXPECT_NEAR(got.at("z").values[i], expected.at("z").values[i], 1e-5) << i;
}

TEST(Rescale, ConvolutionsThatPadAlikeShareAPad) {
  graph::Graph graph = pair();
  graph.nodes.back().attributes["pads"] = std::vector<int64_t>{1, 1, 1, 1};
  graph.tensors.at("z").shape = {1, 1, 4, 4};
  graph::Node other = graph.nodes.back();
  other.name = "other";
  other.outputs = {"w"};
  graph.tensors["w"] = graph.tensors.at("z");
  graph.tensors["w"].name = "w";
  graph.nodes.push_back(other);
  graph.outputs.push_back("w");

  rescale(graph, {{swish_of(graph), {1, 0, 1, -3}}});

  EXPECT_EQ(std::count_if(graph.nodes.begin(), graph.nodes.end(),
                          [](const graph::Node& node) { return node.op == "Pad"; }),
            1);
  EXPECT_EQ(graph.nodes.back().inputs[0], graph.nodes[graph.nodes.size() - 2].inputs[0]);
}

TEST(Rescale, RefusesNodesThatTheModelHasNot) {
  graph::Graph graph = pair();
  EXPECT_THROW(rescale(graph, {{"other", {2, 0, 1, 0}}}), Error);
}

TEST(Rescale, TextKeepsEveryBit) {
  const Rescaling rescaling = {{"a/\"b\"", {0.1f, -25.966333f, 0.19404428f, 0}},
                               {"c", {1, 0, 1.1245592f, 0}}};
  EXPECT_EQ(parse_rescaling(rescaling_text(rescaling)), rescaling);
  EXPECT_TRUE(parse_rescaling("").empty());
}

TEST(Rescale, RefusesDamagedText) {
  for (const char* text :
       {"x", "[]", R"({"a":1})", R"({"a":[1,2,3]})", R"({"a":[0,0,1,0]})", R"({"a":[1,0,"1",0]})"})
    EXPECT_THROW(parse_rescaling(text), Error) << text;
}

// Every activation and every convolution into a residual sum gets a scale; offsets, unless explicit pads are
// allowed, only where the readers don't pad. The outputs stay what they are but for float's rounding.
class RescaledYolo11n : public ::testing::TestWithParam<bool> {};

TEST_P(RescaledYolo11n, KeepsItsOutputs) {
  SHRIKE_NEEDS_SHARED("models/yolo11n.onnx");
  SHRIKE_NEEDS_SHARED("data/coco_calib320/images");
  Settings settings;
  settings.size = {64, 96};
  const graph::Graph before = load_float_graph(tests::shared_root() + "/models/yolo11n.onnx", settings);
  const std::vector<std::string> images =
      choose_samples(data::list_images(tests::shared_root() + "/data/coco_calib320/images"), 3);
  const auto choose = [&](int threads) {
    return choose_rescaling(before, choose_bits(before, settings), {settings.target, GetParam()},
                            Feed(before, images, threads), [](size_t, size_t) {});
  };
  const Rescaling rescaling = choose(2);
  EXPECT_EQ(choose(1), rescaling);
  graph::Graph after = before;

  rescale(after, rescaling);

  EXPECT_EQ(std::any_of(after.nodes.begin(), after.nodes.end(),
                        [](const graph::Node& node) { return node.op == "Pad"; }),
            GetParam());
  for (const graph::Node& node : before.nodes) {
    if (node.op != "Swish") continue;
    EXPECT_TRUE(rescaling.contains(node.name)) << node.name;
  }
  const auto input = Feed(before, images, 1).inputs(0);
  const auto expected = engine::Engine(before).run(input), got = engine::Engine(after).run(input);
  for (const auto& [name, array] : expected) {
    for (size_t i = 0; i < array.values.size(); ++i)
      ASSERT_NEAR(got.at(name).values[i], array.values[i], 2e-3) << name << " " << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Pads, RescaledYolo11n, ::testing::Bool(),
                         [](const auto& pads) { return std::string(pads.param ? "Explicit" : "Inside"); });

}  // namespace
}  // namespace shrike::quantize
