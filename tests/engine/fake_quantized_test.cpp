// Fake-quantised execution: every value on its grid, rounded as the target rounds (spec/numerics.md sections
// 1 to 12).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tests/engine/graph_builder.h"
#include "toolchain/engine/rounding.h"

namespace shrike::tests {
namespace {

using graph::Format;
using testing::Each;
using testing::ElementsAre;
using Integers = std::vector<int64_t>;

TEST(Rounding, TiesGoToEvenOrUp) {
  const std::vector<float> values = {2.5f, -2.5f, -1.5f, 0.5f,     -0.5f,    3.4f,
                                     1000, -1000, NAN,   INFINITY, -INFINITY};
  std::vector<float> even = values, up = values;
  engine::round_to_grid(even.data(), 11, 8, 0, {true});
  engine::round_to_grid(up.data(), 11, 8, 0, {false});
  EXPECT_THAT(even, ElementsAre(2, -2, -2, 0, 0, 3, 127, -128, 127, 127, -128));
  EXPECT_THAT(up, ElementsAre(3, -2, -1, 1, 0, 3, 127, -128, 127, 127, -128));
}

TEST(Rounding, AgreesWithTheFormulaOnEverySixteenBitStep) {
  for (const bool half_even : {true, false}) {
    for (int quarter = -4 * 33000; quarter <= 4 * 33000; ++quarter) {
      const double value = quarter / 4.0;
      const double rounded = half_even ? std::nearbyint(value) : std::floor(value + 0.5);
      const float expected = static_cast<float>(std::fmin(std::fmax(rounded, -32768), 32767) * 8);
      float narrow = static_cast<float>(value * 8), from_wide = 0;
      const double wide = value * 8;
      engine::round_to_grid(&narrow, 1, 16, 3, {half_even});
      engine::round_to_grid(&wide, &from_wide, 1, 16, 3, {half_even});
      ASSERT_EQ(narrow, expected) << value;
      ASSERT_EQ(from_wide, expected) << value;
    }
  }
}

// y = RS(b + sum x w) with the numbers of the worked examples in spec/numerics.md section 3.
float conv_example(std::vector<float> x, std::vector<float> w, float bias, int shift, bool half_even) {
  const int64_t count = static_cast<int64_t>(x.size());
  GraphBuilder builder;
  builder.input("x", {1, count, 1, 1}, {8, 0, {}})
      .constant("w", {1, count, 1, 1}, std::move(w), {8, 0, {}})
      .constant("b", {1}, {bias}, {32, 0, {}})
      .variable("y", {1, 1, 1, 1}, {8, shift, {}})
      .node("Conv", {"x", "w", "b"}, {"y"});
  return std::ldexp(
      run(builder, {{"x", {{1, count, 1, 1}, std::move(x)}}}, fake_quantized(half_even)).values[0], -shift);
}

TEST(FakeQuantized, ConvolutionRoundsItsSumOnce) {
  const std::vector<float> x = {50, -3, 127, -128}, w = {3, -7, 2, 1};
  EXPECT_EQ(conv_example(x, w, 37, 3, true), 42);
  EXPECT_EQ(conv_example(x, w, 37, 4, true), 21);
  EXPECT_EQ(conv_example({40, 0}, {1, 0}, 0, 4, true), 2);
  EXPECT_EQ(conv_example({40, 0}, {1, 0}, 0, 4, false), 3);
}

TEST(FakeQuantized, SumsBeyondFloatStayExact) {
  // 1633 products of 127 * 127 and three more: exactly 100.5 * 2^18 + 1, an odd number above 2^24 that
  // float32 rounds to the tie.
  std::vector<float> x(1633, 127), w(1633, 127);
  x.insert(x.end(), {127, 84, 1});
  w.insert(w.end(), {53, 1, 1});
  EXPECT_EQ(conv_example(x, w, 0, 18, true), 101);
  w.back() = 0;
  EXPECT_EQ(conv_example(x, w, 0, 18, true), 100);
  // The bias alone is the tie 64.5 * 2^24; one unit decides.
  EXPECT_EQ(conv_example({1, 0}, {-1, 0}, 1073741824.0f + 8388608.0f, 24, true), 64);
  EXPECT_EQ(conv_example({1, 0}, {1, 0}, 1073741824.0f + 8388608.0f, 24, true), 65);
}

TEST(FakeQuantized, FiltersHaveAnExponentPerChannel) {  // the per-channel example of section 3.1
  GraphBuilder builder;
  builder.input("x", {1, 1, 1, 1}, {8, -5, {}})
      .constant("w", {2, 1, 1, 1}, {100 * 0.0078125f, 100 * 0.001953125f}, {8, -7, {-7, -9}})
      .variable("y", {1, 2, 1, 1}, {8, -4, {}})
      .node("Conv", {"x", "w"}, {"y"});
  const auto y = run(builder, {{"x", {{1, 1, 1, 1}, {10.0f / 32}}}}, fake_quantized());
  EXPECT_THAT(y.values, ElementsAre(4.0f / 16, 1.0f / 16));
}

TEST(FakeQuantized, GemmChannelsAreColumnsWithoutTransB) {
  GraphBuilder builder;
  builder.input("x", {1, 1}, {8, 0, {}})
      .constant("w", {1, 2}, {1.3f, 1.3f}, {8, 0, {0, -1}})
      .variable("y", {1, 2}, {16, -4, {}})
      .node("Gemm", {"x", "w"}, {"y"});
  EXPECT_THAT(run(builder, {{"x", {{1, 1}, {1}}}}, fake_quantized()).values, ElementsAre(1, 1.5f));
}

TEST(FakeQuantized, MaterializedIntegersWinOverValues) {
  GraphBuilder builder;
  builder.input("x", {1, 1, 1, 1}, {8, 0, {}})
      .constant("w", {1, 1, 1, 1}, {9}, {8, -1, {}})
      .variable("y", {1, 1, 1, 1}, {8, -1, {}})
      .node("Conv", {"x", "w"}, {"y"});
  builder.tensor("w").integers = {5};
  EXPECT_THAT(run(builder, {{"x", {{1, 1, 1, 1}, {1}}}}, fake_quantized()).values, ElementsAre(2.5f));
}

TEST(FakeQuantized, InputsAndConversionsAreRounded) {
  GraphBuilder builder;
  builder.input("x", {2}, {8, -5, {}}).variable("wide", {2}, {16, -7, {}}).variable("y", {2}, {8, -4, {}});
  builder.node("RequantizeLinear", {"x"}, {"wide"})
      .node("RequantizeLinear", {"wide"}, {"y"})
      .outputs({"wide", "y", "x"});
  engine::Engine engine(builder.graph(), fake_quantized(false));
  const auto all = engine.run({{"x", {{2}, {0.453125f, 100}}}});  // 14.5 -> 15 at 2^-5
  EXPECT_THAT(all.at("x").values, ElementsAre(15.0f / 32, 127.0f / 32));
  EXPECT_THAT(all.at("wide").values, ElementsAre(15.0f / 32, 127.0f / 32));
  EXPECT_THAT(all.at("y").values, ElementsAre(8.0f / 16, 64.0f / 16));
}

TEST(FakeQuantized, ActivationsFollowTheTable) {  // the examples of section 8
  GraphBuilder builder;
  builder.input("x", {9}, {8, -4, {}}).variable("y", {9}, {8, -4, {}}).node("Swish", {"x"}, {"y"});
  std::vector<float> x = {-128, -64, -20, -16, -1, 0, 1, 16, 127};
  for (float& value : x) value /= 16;
  std::vector<float> y = run(builder, {{"x", {{9}, x}}}, fake_quantized()).values;
  for (float& value : y) value *= 16;
  EXPECT_THAT(y, ElementsAre(0, -1, -4, -4, 0, 0, 1, 12, 127));
}

TEST(FakeQuantized, AveragesDivideByTheFullArea) {
  GraphBuilder builder;
  builder.input("x", {1, 1, 1, 2}, {8, 0, {}})
      .variable("y", {1, 1, 1, 2}, {8, -1, {}})
      .node("AveragePool", {"x"}, {"y"}, {{"kernel_shape", Integers{1, 2}}, {"pads", Integers{0, 1, 0, 0}}});
  EXPECT_THAT(run(builder, {{"x", {{1, 1, 1, 2}, {3, 5}}}}, fake_quantized()).values, ElementsAre(1.5f, 4));
}

TEST(FakeQuantized, WideProductsAreExact) {  // section 5.2: 15853 * -18405 at s = 14 is -17809, not -17808
  GraphBuilder builder;
  builder.input("a", {1}, {16, 0, {}})
      .input("b", {1}, {16, 0, {}})
      .variable("y", {1}, {16, 14, {}})
      .node("Mul", {"a", "b"}, {"y"});
  EXPECT_THAT(run(builder, {{"a", {{1}, {15853}}}, {"b", {{1}, {-18405}}}}, fake_quantized()).values,
              ElementsAre(-17809.0f * 16384));
}

TEST(FakeQuantized, GivenDataIsNotTouched) {
  GraphBuilder builder;
  builder.input("x", {2}, {8, 0, {}}).variable("y", {2}, {8, 1, {}}).node("RequantizeLinear", {"x"}, {"y"});
  const std::map<std::string, engine::Array> inputs = {{"x", {{2}, {0.3f, 0.7f}}}};
  run(builder, inputs, fake_quantized());
  EXPECT_THAT(inputs.at("x").values, ElementsAre(0.3f, 0.7f));
}

}  // namespace
}  // namespace shrike::tests
