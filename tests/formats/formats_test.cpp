#include "toolchain/formats/choose.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "toolchain/formats/materialize.h"
#include "toolchain/formats/widths.h"
#include "toolchain/operators/operator.h"
#include "toolchain/rounding/round_weights.h"
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
  const Plan plan = choose_formats(graph, statistics, FormatOptions{});
  EXPECT_EQ(plan.formats.at("d").exponent, -4);
  const graph::Graph quantized = materialize(graph, plan, Target::kEsp32p4);
  for (const graph::Node& node : quantized.nodes) EXPECT_NE(node.op, "RequantizeLinear");
}

TEST(ChooseFormats, AnExpensiveJoinGetsARequantizeSharedByItsConsumers) {
  const graph::Graph graph = small_graph();
  Statistics statistics;
  for (const auto& [name, tensor] : graph.tensors) statistics[name] = curve(-4, 1e-2);
  statistics["input"] = curve(-7, 1e-2);
  FormatOptions settings;
  settings.fixed_exponents = {{"input", -7}, {"d", -4}};
  const Plan plan = choose_formats(graph, statistics, settings);
  const graph::Graph quantized = materialize(graph, plan, Target::kEsp32p4);
  int requantize = 0;
  for (const graph::Node& node : quantized.nodes) requantize += node.op == "RequantizeLinear";
  EXPECT_EQ(requantize, 1);
  for (const graph::Node& node : quantized.nodes) {
    if (!operators::is_join(node.op)) continue;
    for (const std::string& input : node.inputs) {
      EXPECT_EQ(quantized.tensor(input).format, quantized.tensor(node.outputs[0]).format) << node.name;
    }
  }
}

// Add(a, b) -> sum, with one addend that is a graph input of its own scale.
graph::Graph sum_graph() {
  graph::Graph graph;
  for (const std::string name : {"a", "b", "sum"}) {
    graph.tensors[name].name = name;
    graph.tensors[name].shape = {1, 4};
  }
  graph.inputs = {"a", "b"};
  graph.outputs = {"sum"};
  graph.nodes.push_back({"add", "Add", {"a", "b"}, {"sum"}, {}});
  return graph;
}

TensorStatistics curve_with_power(int exponent, double power) {
  TensorStatistics statistics = curve(exponent, 1e-5);
  statistics.power = power;
  return statistics;
}

TEST(ChooseFormats, AWeakBranchDoesNotMakeTheSumClip) {
  Statistics statistics = {{"a", curve_with_power(-4, 1.0)},
                           {"b", curve_with_power(-13, 1e-5)},
                           {"sum", curve_with_power(-4, 1.0)}};
  statistics["sum"].noise = {0.9, 0.8, 0.6, 0.4, 0.2, 1e-5, 2e-5, 4e-5, 8e-5, 16e-5};  // clips below -4
  EXPECT_EQ(choose_formats(sum_graph(), statistics, FormatOptions{}).formats.at("sum").exponent, -4);
}

TEST(ChooseFormats, AddendsThatCancelAreNotClippedByTheirSmallSum) {
  const Statistics statistics = {
      {"a", curve_with_power(0, 1e6)}, {"b", curve_with_power(0, 1e6)}, {"sum", curve_with_power(-9, 1.0)}};
  EXPECT_GE(choose_formats(sum_graph(), statistics, FormatOptions{}).formats.at("sum").exponent, 0);
}

// Each of the three alone is right to stay where the others are: a and b clip a tenth of their signal there,
// but beside a difference that is finer, they would lose as much on the way to it.
TEST(ChooseFormats, AJoinAndItsOperandsMoveTogether) {
  Statistics statistics;
  for (const char* name : {"a", "b"}) {
    statistics[name] = curve_with_power(-4, 5.8);
    statistics[name].noise = {0.35, 0.23, 0.11, 0.025, 0.0038, 0.0143, 0.064, 0.25, 1, 4};
  }
  statistics["sum"] = curve_with_power(-6, 0.7);
  statistics["sum"].noise = {0.17, 0.05, 0.0018, 0.0041, 0.016, 0.064, 0.26, 1, 4, 16};
  for (auto& [name, tensor] : statistics) tensor.first_exponent = -8;
  const Plan plan = choose_formats(sum_graph(), statistics, FormatOptions{});
  for (const char* name : {"a", "b", "sum"}) EXPECT_GE(plan.formats.at(name).exponent, -5) << name;
}

TEST(ChooseFormats, AddendsWhoseSumIsAlwaysZeroKeepTheirOwnExponents) {
  Statistics statistics = {{"a", curve_with_power(-5, 1.0)}, {"b", curve_with_power(-5, 1.0)}, {"sum", {}}};
  statistics["sum"].first_exponent = -28;
  statistics["sum"].images = 1;
  const Plan plan = choose_formats(sum_graph(), statistics, FormatOptions{});
  for (const char* name : {"a", "b", "sum"}) EXPECT_EQ(plan.formats.at(name).exponent, -5) << name;
}

TEST(ChooseFormats, NoSumIsFinerThanItsAddendsCanBeShifted) {
  Statistics statistics = {{"a", curve_with_power(-5, 1.0)}, {"b", curve_with_power(-5, 1.0)}, {"sum", {}}};
  statistics["sum"].images = 1;
  statistics["sum"].first_exponent = -28;
  for (const Calibration calibration : {Calibration::kMinMax, Calibration::kMse}) {
    FormatOptions options;
    options.calibration = calibration;
    options.fixed_exponents = {{"a", -5}, {"b", -7}};
    EXPECT_EQ(choose_formats(sum_graph(), statistics, options).formats.at("sum").exponent, -11);
  }
}

TEST(ChooseFormats, AConstantAddendHasAVote) {
  graph::Graph graph = sum_graph();
  graph.inputs = {"a"};
  graph.tensor("b").constant = true;
  graph.tensor("b").values = {100, 100, 100, 100};
  const Statistics statistics = {{"a", curve_with_power(0, 1e4)}, {"sum", curve_with_power(-7, 0.01)}};
  EXPECT_EQ(choose_formats(graph, statistics, FormatOptions{}).formats.at("sum").exponent, 0)
      << "100 fits 127.5 * 2^0, not 2^-1";
}

TEST(ChooseFormats, LogitsOfASoftmaxStayWhereTheChipsExponentialIsFinite) {
  graph::Graph graph = sum_graph();
  graph.tensors["p"] = graph.tensor("sum");
  graph.tensors["p"].name = "p";
  graph.nodes.push_back({"softmax", "Softmax", {"sum"}, {"p"}, {}});
  graph.outputs = {"p"};
  Statistics statistics;
  for (const char* name : {"a", "b", "sum", "p"}) statistics[name] = curve_with_power(2, 1e4);
  EXPECT_EQ(choose_formats(graph, statistics, FormatOptions{}).formats.at("sum").exponent, -1);
}

// What is negative is made smaller: the chip reads it in the format of the result.
TEST(ChooseFormats, APReluAtSixteenBitsCoversWhatItReads) {
  graph::Graph graph = sum_graph();
  graph.nodes = {{"prelu", "PRelu", {"a", "b"}, {"sum"}, {}}};
  graph.inputs = {"a"};
  graph.tensor("b").constant = true;
  graph.tensor("b").shape = {1};
  graph.tensor("b").values = {0.1f};
  Statistics statistics = {{"a", curve_with_power(0, 1)}, {"sum", curve_with_power(-3, 1)}};
  statistics["a"].minimum = -26;
  statistics["sum"].maximum = 4;
  FormatOptions options;
  options.bits = 16;
  const Plan plan = choose_formats(graph, statistics, options);
  EXPECT_EQ(plan.formats.at("a").exponent, -10) << "26 fits 32767 * 2^-10";
  EXPECT_EQ(plan.formats.at("sum").exponent, -10);
}

TEST(ChooseFormats, NothingIsFinerThanTheChipCanTell) {
  Statistics statistics;
  for (const char* name : {"a", "b", "sum"}) statistics[name] = curve_with_power(-34, 1e-20);
  for (const auto& [name, format] : choose_formats(sum_graph(), statistics, FormatOptions{}).formats)
    EXPECT_EQ(format.exponent, -30) << name;
}

// Sigmoid's output times 0.01: the constant's exponent makes room for an output as small as the product.
TEST(RoundWeights, AProductWithASmallConstantKeepsItsBits) {
  graph::Graph graph = sum_graph();
  graph.nodes[0].op = "Mul";
  graph.inputs = {"a"};
  graph.tensor("b").constant = true;
  graph.tensor("b").values = {0.01f};
  Plan plan;
  plan.formats = {{"a", {8, -7, {}}}, {"sum", {8, -13, {}}}};
  round_weights(graph, Target::kEsp32p4, {}, plan);
  EXPECT_EQ(plan.formats.at("sum").exponent, -13) << "not -7: 0.01 fits 127.5 * 2^-13";
  const graph::Graph quantized = materialize(graph, plan, Target::kEsp32p4);
  EXPECT_EQ(quantized.tensor("b").format.exponent, -13);
  EXPECT_THAT(quantized.tensor("b").integers, ::testing::ElementsAre(82));
}

// x -> Conv -> y -> Relu -> r -> Resize -> up, and r -> Conv -> z.
graph::Graph resize_graph() {
  graph::Graph graph;
  for (const std::string name : {"x", "y", "r", "up", "z", "w"}) {
    graph.tensors[name].name = name;
    graph.tensors[name].shape = {1, 1, 4, 4};
  }
  graph.tensor("w").constant = true;
  graph.tensor("w").values.assign(16, 1.0f);
  graph.inputs = {"x"};
  graph.nodes = {{"first", "Conv", {"x", "w"}, {"y"}, {}},
                 {"relu", "Relu", {"y"}, {"r"}, {}},
                 {"resize", "Resize", {"r"}, {"up"}, {}},
                 {"second", "Conv", {"r", "w"}, {"z"}, {}}};
  graph.outputs = {"z"};
  return graph;
}

// A Relu that nothing on the calibration pictures passes has the finest format there is, to which the
// convolution that takes it over could only round by shifting left.
TEST(RoundWeights, AReluIsNoFinerThanItsConvolutionsSums) {
  const graph::Graph graph = resize_graph();
  for (const Target target : {Target::kEsp32p4, Target::kEsp32s3}) {
    Plan plan;
    for (const char* name : {"x", "y", "z"}) plan.formats[name] = {8, -6, {}};
    for (const char* name : {"r", "up"}) plan.formats[name] = {8, -28, {}};
    round_weights(graph, target, {}, plan);
    const int lowest = -6 + plan.weights.at("first").format.exponent;
    EXPECT_EQ(lowest, -12) << "1 fits 127 * 2^-6";
    EXPECT_EQ(plan.formats.at("r").exponent, lowest);
    EXPECT_EQ(plan.formats.at("up").exponent, lowest) << "of the same integers";
  }
}

// The sum of the operands' exponents is the finest that a product can be written in, and too coarse for the
// chip's exponentials.
TEST(Materialize, LogitsThatAreAProductAreBroughtToWhatTheChipsExponentialTakes) {
  graph::Graph graph = sum_graph();
  graph.nodes[0].op = "Mul";
  graph.tensors["p"] = graph.tensor("sum");
  graph.tensors["p"].name = "p";
  graph.nodes.push_back({"softmax", "Softmax", {"sum"}, {"p"}, {}});
  graph.outputs = {"p"};
  Plan plan;
  plan.formats = {{"a", {8, 2, {}}}, {"b", {8, 0, {}}}, {"sum", {8, -1, {}}}, {"p", {}}};
  round_weights(graph, Target::kEsp32p4, {}, plan);
  const graph::Graph quantized = materialize(graph, plan, Target::kEsp32p4);
  EXPECT_EQ(quantized.tensor("sum").format.exponent, 2);
  const graph::Node& softmax = quantized.nodes.back();
  EXPECT_EQ(softmax.op, "Softmax");
  EXPECT_EQ(quantized.tensor(softmax.inputs[0]).format.exponent, -1);
  EXPECT_EQ(quantized.nodes[quantized.nodes.size() - 2].op, "RequantizeLinear");
}

TEST(ChooseBits, WhatTheChipResizesStaysAtEightBits) {
  FormatOptions settings;
  settings.bits = 16;
  std::vector<std::string> notes;
  const auto bits = choose_bits(resize_graph(), settings, &notes);
  EXPECT_EQ(bits.at("x"), 16);
  EXPECT_EQ(bits.at("y"), 8) << "the convolution does its Relu itself";
  EXPECT_EQ(bits.at("r"), 8);
  EXPECT_EQ(bits.at("up"), 8);
  EXPECT_EQ(bits.at("z"), 16);
  ASSERT_EQ(notes.size(), 1u);
  EXPECT_THAT(notes[0], ::testing::HasSubstr("resizes 8-bit tensors only: r"));
}

TEST(ChooseBits, ALayerThatFeedsAResizeIsRefused) {
  FormatOptions settings;
  settings.int16_layers = {"relu"};
  try {
    choose_bits(resize_graph(), settings);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), ::testing::HasSubstr("'relu' can't be computed at 16 bit"));
  }
}

TEST(ChooseBits, OutputsHaveOneWidth) {
  graph::Graph graph = resize_graph();
  graph.nodes[2].op = "Sigmoid";
  graph.outputs = {"up", "z"};
  FormatOptions settings;
  settings.int16_layers = {"second"};
  std::vector<std::string> notes;
  const auto bits = choose_bits(graph, settings, &notes);
  EXPECT_EQ(bits.at("up"), 16);
  EXPECT_EQ(bits.at("z"), 16);
  EXPECT_EQ(bits.at("r"), 8);
  ASSERT_EQ(notes.size(), 1u);
  EXPECT_THAT(notes[0], ::testing::HasSubstr("up moved to 16 bit"));
}

TEST(ChooseBits, UnknownLayersSuggestTheNearest) {
  FormatOptions settings;
  settings.int16_layers = {"swich"};
  try {
    choose_bits(small_graph(), settings);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), ::testing::HasSubstr("did you mean 'swish'"));
  }
}

TEST(ChooseBits, CopiesFollowTheirInput) {
  FormatOptions settings;
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
  const ExponentRange p4 = exponent_range({Target::kEsp32p4, -5, {8, -3, {}}}, 0.0f);
  EXPECT_EQ(p4.highest, 2);
  EXPECT_EQ(p4.lowest, -28);
  // 20 bits on esp32s3: |bias| 8 = 2^3 needs e_in + e_w >= 3 - 18.
  EXPECT_EQ(exponent_range({Target::kEsp32s3, -5, {8, -3, {}}}, 8.0f).lowest, -10);
}

// A channel whose weights are all below the finest grid becomes zeros; nothing has to be refused.
// Sums of 20 bits end at 524287: of 3.2 that is 2^-17 with nothing to spare.
TEST(ExponentRange, HoldsTheLargestSum) {
  const graph::Format output = {8, -5, {}};
  EXPECT_EQ(shared_exponent_range({Target::kEsp32s3, -5, output, 3.2f}, {}).lowest, -12);
  EXPECT_EQ(shared_exponent_range({Target::kEsp32s3, -5, output, 1.9f}, {}).lowest, -13);
  EXPECT_EQ(shared_exponent_range({Target::kEsp32s3, -5, output, 900.0f}, {}).lowest, -12)
      << "beyond 127 * 2^-5 the output ends";
  EXPECT_LT(shared_exponent_range({Target::kEsp32p4, -5, output, 3.2f}, {}).lowest, -13);
  EXPECT_EQ(shared_exponent_range({Target::kEsp32s3, -5, output}, {}).lowest, -30) << "nothing is known";
}

TEST(ExponentRange, EndsWhereTheChipsPowersOfTwoEnd) {
  const ExponentRange range = exponent_range({Target::kEsp32p4, -2, {8, -20, {}}}, 0.0f);
  EXPECT_EQ(range.lowest, -30);
  EXPECT_EQ(range.highest, -18);
  for (const float dead : {1e-20f, 1e-40f}) {
    const float weights[] = {dead, -dead};
    EXPECT_EQ(best_weight_exponent(weights, nullptr, 2, 8, range), -30);
  }
}

}  // namespace
}  // namespace shrike::quantize
