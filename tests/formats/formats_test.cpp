#include "toolchain/formats/formats.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "toolchain/rounding/weights.h"
#include "toolchain/support/error.h"

namespace shrike::quantize {
namespace {

// input -> a (Swish) -> Split(b, c); Add(b, input) -> d; Concat(c, d) -> e
graph::Graph small_graph() {
  graph::Graph graph;
  const auto tensor = [&](const std::string& name, graph::Shape shape) {
    graph.tensors[name].name = name;
    graph.tensors[name].shape = std::move(shape);
  };
  tensor("input", {1, 2, 4, 4});
  tensor("a", {1, 4, 4, 4});
  tensor("b", {1, 2, 4, 4});
  tensor("c", {1, 2, 4, 4});
  tensor("d", {1, 2, 4, 4});
  tensor("e", {1, 4, 4, 4});
  graph.inputs = {"input"};
  graph.outputs = {"e"};
  const auto node = [&](const std::string& name, const std::string& op, std::vector<std::string> inputs,
                        std::vector<std::string> outputs) {
    graph::Node entry;
    entry.name = name;
    entry.op = op;
    entry.inputs = std::move(inputs);
    entry.outputs = std::move(outputs);
    graph.nodes.push_back(entry);
  };
  node("swish", "Swish", {"input"}, {"a"});
  node("split", "Split", {"a"}, {"b", "c"});
  node("add", "Add", {"b", "input"}, {"d"});
  node("concat", "Concat", {"c", "d"}, {"e"});
  return graph;
}

// An error curve whose least value lies at `exponent`.
TensorStatistics curve(int exponent, double least) {
  TensorStatistics statistics;
  statistics.images = 1;
  statistics.maximum = 1;
  statistics.first_exponent = exponent - 5;
  for (int i = 0; i < TensorStatistics::kCandidates; ++i)
    statistics.noise[i] = least * (1 + 10 * std::abs(i - 5));
  return statistics;
}

TEST(FormatGroups, CopiesShareTheGroupOfTheirInput) {
  const FormatGroups groups = find_groups(small_graph());
  EXPECT_EQ(groups.group_of.at("a"), groups.group_of.at("b"));
  EXPECT_EQ(groups.group_of.at("a"), groups.group_of.at("c"));
  EXPECT_NE(groups.group_of.at("a"), groups.group_of.at("d"));
  EXPECT_EQ(groups.members[groups.group_of.at("a")].front(), "a");
}

TEST(ChooseFormats, JoinsTakeOneExponentWhenThatIsCheap) {
  const graph::Graph graph = small_graph();
  Statistics statistics;
  for (const auto& [name, tensor] : graph.tensors) statistics[name] = curve(-4, 1e-6);
  statistics["d"] = curve(-5, 1e-7);  // would like to be finer, but hardly gains
  const Plan plan = choose_formats(graph, statistics, Settings{});
  EXPECT_EQ(plan.formats.at("d").exponent, -4);
  const graph::Graph quantized = materialize(graph, plan, Target::kEsp32p4);
  for (const graph::Node& node : quantized.nodes) EXPECT_NE(node.op, "RequantizeLinear");
}

TEST(ChooseFormats, AnExpensiveJoinGetsARequantizeSharedByItsConsumers) {
  const graph::Graph graph = small_graph();
  Statistics statistics;
  for (const auto& [name, tensor] : graph.tensors) statistics[name] = curve(-4, 1e-2);
  statistics["input"] = curve(-7, 1e-2);
  Settings settings;
  settings.fixed_exponents = {{"input", -7}, {"d", -4}};
  const Plan plan = choose_formats(graph, statistics, settings);
  const graph::Graph quantized = materialize(graph, plan, Target::kEsp32p4);
  int requantize = 0;
  for (const graph::Node& node : quantized.nodes) requantize += node.op == "RequantizeLinear";
  EXPECT_EQ(requantize, 1);
  for (const graph::Node& node : quantized.nodes) {
    if (!is_join(node.op)) continue;
    for (const std::string& input : node.inputs) {
      EXPECT_EQ(quantized.tensor(input).format, quantized.tensor(node.outputs[0]).format) << node.name;
    }
  }
}

TEST(ChooseBits, UnknownLayersSuggestTheNearest) {
  Settings settings;
  settings.int16_layers = {"swich"};
  try {
    choose_bits(small_graph(), settings);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), ::testing::HasSubstr("did you mean 'swish'"));
  }
}

TEST(ChooseBits, CopiesFollowTheirInput) {
  Settings settings;
  settings.int16_layers = {"swish"};
  const auto bits = choose_bits(small_graph(), settings);
  EXPECT_EQ(bits.at("b"), 16);
  EXPECT_EQ(bits.at("d"), 8);
  settings.int16_layers = {"split"};
  EXPECT_THROW(choose_bits(small_graph(), settings), Error);
}

TEST(WeightExponent, CoversTheLargestWeightUnlessClippingIsCheaper) {
  const ExponentRange open{-30, 30};
  const float one[] = {1.0f};
  EXPECT_EQ(best_weight_exponent(one, nullptr, 1, 8, open), -6);  // 64 * 2^-6; 2^-7 would clip at 127/128
  std::vector<float> many(1000, 0.3f / 127);
  many[0] = 0.51f;  // covers at 2^-7, but the others then round to one or two steps
  EXPECT_LE(best_weight_exponent(many.data(), nullptr, 1000, 8, open), -8);
  EXPECT_EQ(best_weight_exponent(one, nullptr, 1, 8, {-3, 0}), -3);
}

TEST(ExponentRange, KeepsTheShiftRightAndTheBiasInItsBits) {
  const ExponentRange p4 = exponent_range(Target::kEsp32p4, 8, -5, -3, 0.0f);
  EXPECT_EQ(p4.highest, 2);
  EXPECT_EQ(p4.lowest, -28);
  // 20 bits on esp32s3: |bias| 8 = 2^3 needs e_in + e_w >= 3 - 18.
  EXPECT_EQ(exponent_range(Target::kEsp32s3, 8, -5, -3, 8.0f).lowest, -10);
}

}  // namespace
}  // namespace shrike::quantize
