#include "toolchain/transform/channel_groups.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "tests/engine/graph_builder.h"
#include "tests/shared_data.h"
#include "toolchain/measure/feed.h"
#include "toolchain/pipeline/steps.h"
#include "toolchain/support/error.h"
#include "toolchain/support/random.h"

namespace shrike::quantize {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using tests::GraphBuilder;

constexpr int64_t kWide = 32;
// These networks are nothing but the layers in question: time is not to decide.
const GroupingOptions kEsp32s3{Target::kEsp32s3, {}, 1e9};

// Between -1 and 1, the same in every run.
std::vector<float> numbers(size_t count, uint64_t seed) {
  Random random(seed);
  std::vector<float> values(count);
  for (float& value : values) value = static_cast<float>(random.uniform(-1, 1));
  return values;
}

// Filters with weights up to 1, of which every second is `ratio` times as large as the others.
std::vector<float> uneven(int64_t filters, int64_t row, float ratio, uint64_t seed) {
  std::vector<float> values = numbers(static_cast<size_t>(filters * row), seed);
  for (int64_t i = 0; i < filters * row; ++i) {
    if (i % row == 0) values[static_cast<size_t>(i)] = 1;
    if (i / row % 2 == 1) values[static_cast<size_t>(i)] *= ratio;
  }
  return values;
}

// x -> up -> Swish -> down
graph::Graph pair(float ratio) {
  GraphBuilder builder;
  builder.input("x", {1, 2, 3, 3})
      .constant("up", {kWide, 2, 1, 1}, uneven(kWide, 2, ratio, 1))
      .constant("bias", {kWide}, numbers(kWide, 2))
      .constant("down", {2, kWide, 1, 1}, numbers(2 * kWide, 3))
      .variable("y", {1, kWide, 3, 3})
      .variable("s", {1, kWide, 3, 3})
      .variable("z", {1, 2, 3, 3})
      .node("Conv", {"x", "up", "bias"}, {"y"})
      .node("Swish", {"y"}, {"s"})
      .node("Conv", {"s", "down"}, {"z"});
  return builder.graph();
}

// x -> up -> Swish -> Split (a, b); b -> Conv -> Swish -> depthwise -> + b; Concat of a, b and the sum ->
// down.
graph::Graph shortcut() {
  const int64_t half = kWide;
  GraphBuilder builder;
  builder.input("x", {1, 2, 3, 3})
      .constant("up", {2 * half, 2, 1, 1}, uneven(2 * half, 2, 8, 1))
      .constant("inner", {half, half, 1, 1}, uneven(half, half, 5, 2))
      .constant("each", {half, 1, 1, 1}, numbers(half, 3))
      .constant("each_bias", {half}, numbers(half, 4))
      .constant("down", {2, 3 * half, 1, 1}, numbers(static_cast<size_t>(2 * 3 * half), 5))
      .integers("halves", {half, half});
  for (const char* whole : {"y", "s"}) builder.variable(whole, {1, 2 * half, 3, 3});
  for (const char* part : {"a", "b", "t", "u", "v", "sum"}) builder.variable(part, {1, half, 3, 3});
  builder.variable("all", {1, 3 * half, 3, 3})
      .variable("z", {1, 2, 3, 3})
      .node("Conv", {"x", "up"}, {"y"})
      .node("Swish", {"y"}, {"s"})
      .node("Split", {"s", "halves"}, {"a", "b"}, {{"axis", int64_t{1}}})
      .node("Conv", {"b", "inner"}, {"t"})
      .node("Swish", {"t"}, {"u"})
      .node("Conv", {"u", "each", "each_bias"}, {"v"}, {{"group", half}})
      .node("Add", {"b", "v"}, {"sum"})
      .node("Concat", {"a", "b", "sum"}, {"all"}, {{"axis", int64_t{1}}})
      .node("Conv", {"all", "down"}, {"z"});
  return builder.graph();
}

std::vector<float> output_of(const graph::Graph& graph) {
  const engine::Array input{{1, 2, 3, 3}, numbers(18, 9)};
  return engine::Engine(graph).run({{"x", input}}).at(graph.outputs[0]).values;
}

std::vector<std::string> names_of(const graph::Graph& graph) {
  std::vector<std::string> names;
  for (const graph::Node& node : graph.nodes) names.push_back(node.name);
  return names;
}

double largest(const graph::Graph& graph, const std::string& constant) {
  double size = 0;
  for (const float value : graph.tensor(constant).values) size = std::max<double>(size, std::fabs(value));
  return size;
}

void expect_same_function(const graph::Graph& before, const graph::Graph& after) {
  const std::vector<float> expected = output_of(before), got = output_of(after);
  ASSERT_EQ(got.size(), expected.size());
  for (size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], expected[i], 1e-4) << i;
}

std::string refusal(const graph::Graph& graph, const Grouping& grouping) {
  graph::Graph changed = graph;
  try {
    group_channels(changed, grouping);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

std::vector<int64_t> turned_round(int64_t count) {
  std::vector<int64_t> order;
  while (count > 0) order.push_back(--count);
  return order;
}

TEST(ChannelGroups, LargeAndSmallFiltersArePutApart) {
  const graph::Graph before = pair(16);
  graph::Graph after = before;

  group_channels(after, choose_groups(before, kEsp32s3));

  EXPECT_THAT(names_of(after),
              ElementsAre("Conv_0/1", "Swish_1/1", "Conv_0/2", "Swish_1/2", "Conv_0/groups", "Conv_2"));
  EXPECT_THAT(after.tensor("up/1").shape, ElementsAre(16, 2, 1, 1));
  EXPECT_GT(largest(after, "up/1"), 8);
  EXPECT_LE(largest(after, "up/2"), 1);
  EXPECT_FALSE(after.tensors.contains("up"));
  expect_same_function(before, after);
}

TEST(ChannelGroups, TimeDecides) {
  GroupingOptions options = kEsp32s3;
  options.time_share = 0;
  EXPECT_THAT(choose_groups(pair(16), options), IsEmpty());
}

TEST(ChannelGroups, FiltersOfOneSizeStayTogether) {
  EXPECT_THAT(choose_groups(pair(1), kEsp32s3), IsEmpty());
}

// Both halves of a Split keep their places, and what is added has the order of what it is added to.
TEST(ChannelGroups, ChannelsMoveTogetherThroughSplitSumAndConcat) {
  const graph::Graph before = shortcut();
  const Grouping grouping = choose_groups(before, kEsp32s3);
  ASSERT_TRUE(grouping.contains("Conv_0"));
  ASSERT_TRUE(grouping.contains("Conv_3"));
  const std::vector<int64_t>& order = grouping.at("Conv_0").order;
  EXPECT_FALSE(std::is_sorted(order.begin(), order.end()));
  EXPECT_TRUE(
      std::all_of(order.begin(), order.begin() + kWide, [](int64_t channel) { return channel < kWide; }));
  graph::Graph after = before;

  group_channels(after, grouping);

  expect_same_function(before, after);
}

// What is joined with a constant keeps its order, and so does what is added to it.
TEST(ChannelGroups, ChannelsBesideAConstantKeepTheirPlaces) {
  GraphBuilder builder;
  builder.input("x", {1, 2, 3, 3})
      .constant("up", {kWide, 2, 1, 1}, uneven(kWide, 2, 16, 1))
      .constant("fixed", {1, kWide, 3, 3}, numbers(static_cast<size_t>(kWide * 9), 2))
      .constant("down", {2, 2 * kWide, 1, 1}, numbers(static_cast<size_t>(4 * kWide), 3))
      .variable("y", {1, kWide, 3, 3})
      .variable("s", {1, kWide, 3, 3})
      .variable("all", {1, 2 * kWide, 3, 3})
      .variable("z", {1, 2, 3, 3})
      .node("Conv", {"x", "up"}, {"y"})
      .node("Swish", {"y"}, {"s"})
      .node("Concat", {"fixed", "s"}, {"all"}, {{"axis", int64_t{1}}})
      .node("Conv", {"all", "down"}, {"z"});
  const graph::Graph before = builder.graph();
  graph::Graph after = before;

  group_channels(after, choose_groups(before, kEsp32s3));

  expect_same_function(before, after);
  EXPECT_THAT(refusal(before, {{"Conv_0", {turned_round(kWide), {kWide}}}}),
              HasSubstr("'Concat_2' (Concat)"));
}

TEST(ChannelGroups, WhatIsNamedStaysWhole) {
  for (const std::string name : {"Conv_0", "Swish_1", "y"}) {
    GroupingOptions options = kEsp32s3;
    options.kept_whole = {name};
    EXPECT_THAT(choose_groups(pair(16), options), IsEmpty()) << name;
  }
}

TEST(ChannelGroups, OutputsKeepTheirOrder) {
  graph::Graph graph = pair(16);
  graph.outputs = {"s"};
  EXPECT_THAT(choose_groups(graph, kEsp32s3), IsEmpty());
}

TEST(ChannelGroups, TextHoldsAll) {
  const Grouping grouping = {{"a/\"b\"", {{1, 0, 2}, {2, 1}}}, {"c", {{0}, {1}}}};
  EXPECT_EQ(parse_grouping(grouping_text(grouping)), grouping);
  EXPECT_THAT(parse_grouping(""), IsEmpty());
  for (const std::string text : {"[]", "{", R"({"a": 1})", R"({"a": [[0, 1]]})", R"({"a": [[0, 1], [1]]})",
                                 R"({"a": [[0, 1], [2, 0]]})", R"({"a": [[0, -1], [2]]})",
                                 R"({"a": [[0, "1"], [2]]})", R"({"a": [[], []]})"}) {
    EXPECT_THROW(parse_grouping(text), Error) << text;
  }
}

TEST(ChannelGroups, WhatDoesNotFitTheModelIsRefusedByName) {
  EXPECT_THAT(refusal(pair(1), {{"nobody", {{0}, {1}}}}),
              HasSubstr("names convolutions that the model has not"));
  EXPECT_THAT(refusal(pair(1), {{"Conv_0", {{1, 0}, {2}}}}),
              HasSubstr("'Conv_0' is none of its 32 channels"));
  EXPECT_THAT(refusal(pair(1), {{"Conv_2", {{1, 0}, {2}}}}), HasSubstr("output 'z' have to stay in place"));
  EXPECT_THAT(refusal(shortcut(), {{"Conv_0", {turned_round(2 * kWide), {2 * kWide}}}}),
              HasSubstr("'Split_2' (Split) can't take its channels in another order"));
  EXPECT_THAT(refusal(shortcut(), {{"Conv_3", {turned_round(kWide), {kWide}}}}), HasSubstr("'Add_6' (Add)"));
}

// Every filter bank of YOLO11n in its new order and in groups: the outputs stay what they are but for float's
// rounding.
TEST(ChannelGroups, Yolo11nKeepsItsOutputs) {
  SHRIKE_NEEDS_SHARED("models/yolo11n.onnx");
  SHRIKE_NEEDS_SHARED("data/coco_calib320/images");
  const std::string model = tests::shared_root() + "/models/yolo11n.onnx";
  Settings settings;
  settings.size = {64, 96};
  const graph::Graph before = load_float_graph(model, settings);
  settings.target = Target::kEsp32s3;
  std::vector<std::string> notes;
  const graph::Graph after = load_float_graph(model, settings, &notes);

  EXPECT_FALSE(before.metadata.contains(kGroupsKey));
  const Grouping grouping = parse_grouping(after.metadata.at(kGroupsKey));
  EXPECT_GT(std::count_if(grouping.begin(), grouping.end(),
                          [](const auto& entry) { return entry.second.sizes.size() > 1; }),
            30);
  EXPECT_THAT(notes, ::testing::Contains(HasSubstr("into groups of channels")));
  const std::string image = data::list_images(tests::shared_root() + "/data/coco_calib320/images").front();
  const auto input = Feed(before, {image}, 1).inputs(0);
  const auto expected = engine::Engine(before).run(input), got = engine::Engine(after).run(input);
  for (const auto& [name, array] : expected) {
    const std::vector<float>& values = got.at(name).values;
    for (size_t i = 0; i < values.size(); ++i)
      ASSERT_NEAR(values[i], array.values[i], 2e-3) << name << " " << i;
  }
}

// A search puts parts of a divided layer to 16 bits: the settings that it writes make the same network.
TEST(ChannelGroups, GroupsCanBeNamedInSettings) {
  SHRIKE_NEEDS_SHARED("models/yolo11n.onnx");
  const std::string model = tests::shared_root() + "/models/yolo11n.onnx";
  Settings settings;
  settings.size = {64, 96};
  settings.target = Target::kEsp32s3;
  const std::string text = load_float_graph(model, settings).metadata.at(kGroupsKey);
  settings.int16_layers = {"/model.5/conv/Conv/1"};
  EXPECT_EQ(load_float_graph(model, settings).metadata.at(kGroupsKey), text);
  settings.int16_layers = {"/model.5/conv/Conv"};
  EXPECT_FALSE(parse_grouping(load_float_graph(model, settings).metadata.at(kGroupsKey))
                   .contains("/model.5/conv/Conv"));
}

}  // namespace
}  // namespace shrike::quantize
