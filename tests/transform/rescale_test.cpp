#include "toolchain/transform/rescale.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "tests/engine/graph_builder.h"
#include "tests/formats/ramp.h"
#include "tests/formats/small_detector.h"
#include "tests/shared_data.h"
#include "toolchain/formats/widths.h"
#include "toolchain/graph/activation.h"
#include "toolchain/measure/noise.h"
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

// A Split takes out of a Concat what has no scale: whatever reads that need not take one up.
TEST(Rescale, PartsWithoutScalesMayBeReadByAnyNode) {
  GraphBuilder builder;
  builder.input("x", {1, 1, 2, 2})
      .constant("up", {2, 1, 1, 1}, {4, -0.25f})
      .constant("down", {1, 2, 1, 1}, {0.25f, -4})
      .integers("parts", {2, 1})
      .variable("y", {1, 2, 2, 2})
      .variable("s", {1, 2, 2, 2})
      .variable("both", {1, 3, 2, 2})
      .variable("a", {1, 2, 2, 2})
      .variable("b", {1, 1, 2, 2})
      .variable("z", {1, 1, 2, 2})
      .variable("mean", {1, 1, 1, 1})
      .node("Conv", {"x", "up"}, {"y"})
      .node("Swish", {"y"}, {"s"})
      .node("Concat", {"s", "x"}, {"both"}, {{"axis", int64_t{1}}})
      .node("Split", {"both", "parts"}, {"a", "b"}, {{"axis", int64_t{1}}})
      .node("Conv", {"a", "down"}, {"z"})
      .node("GlobalAveragePool", {"b"}, {"mean"});
  const graph::Graph before = builder.graph();
  graph::Graph after = before;

  rescale(after, {{swish_of(before), {1.5f, -2, 0.75f, -3}}});

  const auto expected = run(before, {"z", "mean"}), got = run(after, {"z", "mean"});
  for (size_t i = 0; i < 4; ++i) EXPECT_NEAR(got.at("z").values[i], expected.at("z").values[i], 1e-4);
  EXPECT_EQ(got.at("mean").values, expected.at("mean").values);
  EXPECT_THAT(after.tensor("b").scales, ::testing::IsEmpty());
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

// The softmax over the bins of a side does not see a shift; whoever reads other outputs would.
TEST(Rescale, OnlyLogitsOfSidesAreShiftedAtAnOutput) {
  const graph::Graph before = tests::small_detector(4, 2).graph();
  const std::string box = before.nodes[0].name, score = before.nodes[1].name;
  graph::Graph after = before;

  rescale(after, {{box, {1, 0, 1, -12}}});

  const engine::Array x = {{1, 3, 16, 16}, std::vector<float>(768, 0.5f)};
  const auto expected = engine::Engine(before).run({{"x", x}}), got = engine::Engine(after).run({{"x", x}});
  for (size_t i = 0; i < expected.at("box0").values.size(); ++i)
    ASSERT_EQ(got.at("box0").values[i], expected.at("box0").values[i] - 12) << i;
  EXPECT_EQ(got.at("score0").values, expected.at("score0").values);
  EXPECT_THAT(after.tensor("box0").offsets, ::testing::Each(-12));
  for (const Rescaling& wrong : {Rescaling{{box, {1, 0, 2, 0}}}, Rescaling{{score, {1, 0, 1, -12}}}}) {
    graph::Graph refused = before;
    EXPECT_THROW(rescale(refused, wrong), Error);
  }
}

// Logits of sides from -1 to 24: a grid around zero would clip the peaks or double its step.
TEST(ChooseRescaling, KeepsThePeaksOfSides) {
  const std::string folder = ::testing::TempDir() + "shrike_peaks_" + std::to_string(::getpid());
  std::filesystem::create_directories(folder);
  const std::string ramp = tests::write_ramp(folder);
  const auto offset_of = [&](float peak, int bits) {
    const graph::Graph graph = tests::small_detector(peak, 2).graph();
    Settings settings;
    settings.bits = bits;
    const Rescaling rescaling = choose_rescaling(graph, choose_bits(graph, settings), {settings.target, true},
                                                 Feed(graph, {ramp}, 1), [](size_t, size_t) {});
    const auto found = rescaling.find(graph.nodes[0].name);
    return found == rescaling.end() ? 0 : found->second.output_offset;
  };
  EXPECT_EQ(offset_of(24, 8), -15);  // -1 is the lowest code of 2^-3, 30.875 the highest
  EXPECT_EQ(offset_of(40, 8), -31);  // of 2^-2
  EXPECT_EQ(offset_of(24, 16), 0);
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
// allowed, only where the readers don't pad. The outputs stay what they are but for float's rounding
// and what the logits of sides are shifted by.
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
    const graph::Tensor& tensor = after.tensor(name);
    EXPECT_EQ(tensor.offsets.empty(), name.starts_with("score")) << name;
    const std::vector<float> meant = meaning(tensor, got.at(name).values.data(), tensor.elements());
    for (size_t i = 0; i < array.values.size(); ++i)
      ASSERT_NEAR(meant[i], array.values[i], 2e-3) << name << " " << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Pads, RescaledYolo11n, ::testing::Bool(),
                         [](const auto& pads) { return std::string(pads.param ? "Explicit" : "Inside"); });

}  // namespace
}  // namespace shrike::quantize
