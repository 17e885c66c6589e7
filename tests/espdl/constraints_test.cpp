// What the chip cannot do is refused, with the node's name and a way out.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/espdl/maker.h"
#include "toolchain/espdl/writer.h"
#include "toolchain/support/error.h"

namespace shrike::espdl::tests {
namespace {

using testing::HasSubstr;

std::string refusal(const Maker& maker, Target target = Target::kEsp32p4) {
  try {
    check_constraints(maker.graph, target);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(Constraints, AcceptAPlainConvolution) {
  Maker m(8);
  m.conv(m.input("x", {1, 8, 4, 4}), 16, {});
  for (const Target target : {Target::kEsp32p4, Target::kEsp32s3, Target::kEsp32})
    EXPECT_EQ(refusal(m, target), "");
}

TEST(Constraints, ShiftMustNotBeNegative) {
  Maker m(8);
  m.conv(m.input("x", {1, 8, 4, 4}), 16, {.output_exponent = -13});  // -5 + -7 = -12
  EXPECT_THAT(refusal(m), HasSubstr("node 'Conv0' (Conv): output exponent -13 is below -5 + -7"));
}

TEST(Constraints, ShiftOfOneChannelMustNotBeNegative) {
  Maker m(8, true);
  const auto c = m.conv(m.input("x", {1, 8, 4, 4}), 16, {.bias = false});
  m.graph.tensors["conv0.weight"].format.channel_exponents[5] = 1;
  EXPECT_THAT(refusal(m), HasSubstr("output channel 5"));
}

TEST(Constraints, ShiftCountsEndAt31) {
  Maker m(8, true);
  m.conv(m.input("x", {1, 8, 4, 4}), 16, {.bias = false, .output_exponent = 0});
  m.graph.tensors["conv0.weight"].format.channel_exponents[2] = -27;  // 0 + 5 + 27 = 32
  EXPECT_THAT(refusal(m), HasSubstr("= 32 in output channel 2 exceeds 31"));
}

TEST(Constraints, BiasExponentIsInputPlusFilter) {
  Maker m(8);
  m.conv(m.input("x", {1, 8, 4, 4}), 16, {});
  m.graph.tensors["conv0.bias"].format.exponent = -11;
  EXPECT_THAT(
      refusal(m),
      HasSubstr("bias 'conv0.bias' has exponent -11 in output channel 0; input and filter make it -12"));
}

TEST(Constraints, BiasOfEsp32s3Has20Bits) {
  Maker m(8);
  m.conv(m.input("x", {1, 8, 4, 4}), 16, {});
  m.graph.tensors["conv0.bias"].integers[3] = 524287;
  EXPECT_EQ(refusal(m, Target::kEsp32s3), "");
  m.graph.tensors["conv0.bias"].integers[3] = 524288;
  EXPECT_THAT(refusal(m, Target::kEsp32s3), HasSubstr("is 524288 in output channel 3, beyond the 20 bits"));
  EXPECT_EQ(refusal(m, Target::kEsp32p4), "");
}

TEST(Constraints, BiasOf16BitHas40Bits) {
  Maker m(16);
  m.conv(m.input("x", {1, 8, 4, 4}), 16, {});
  m.graph.tensors["conv0.bias"].integers[3] = int64_t{1} << 39;
  EXPECT_THAT(refusal(m), HasSubstr("40 bits"));
  EXPECT_EQ(refusal(m, Target::kEsp32), "");
}

TEST(Constraints, AccumulatorOf16BitHas40Bits) {
  Maker m(16);
  // Shift 25: an output of 16 bits spans 41 bits of sums, and 18432 taps of full scale reach them.
  m.conv(m.input("x", {1, 2048, 3, 3}), 8, {.bias = false, .output_exponent = -1});
  for (int64_t& q : m.graph.tensors["conv0.weight"].integers) q = 3000;
  EXPECT_THAT(refusal(m), HasSubstr("more than the 40 bits of the accumulator"));
  EXPECT_EQ(refusal(m, Target::kEsp32), "");
}

TEST(Constraints, ExponentsPerChannelNeedAChipThatHasThem) {
  Maker m(8, true);
  m.conv(m.input("x", {1, 8, 4, 4}), 16, {});
  EXPECT_EQ(refusal(m), "");
  EXPECT_THAT(refusal(m, Target::kEsp32s3), HasSubstr("which esp32s3 does not support"));
}

TEST(Constraints, ExponentsPerChannelOnlyOnFilters) {
  Maker m(8);
  const auto x = m.input("x", {4, 6});
  const auto w = m.constant("w", {6, 3}, -7, 8, 50);
  m.graph.tensors["w"].format.channel_exponents = {-7, -7, -8};
  m.node("MatMul", {x, w}, {4, 3}, m.grid());
  EXPECT_THAT(refusal(m), HasSubstr("'w' has one exponent per channel"));
}

TEST(Constraints, AddNeedsOneExponent) {
  Maker m(8);
  const auto x = m.input("x", {1, 4});
  const auto y = m.node("RequantizeLinear", {x}, {1, 4}, m.grid(1));
  m.node("Add", {x, y}, {1, 4}, m.grid());
  EXPECT_THAT(refusal(m), HasSubstr("node 'Add1' (Add): 'RequantizeLinear0:0' has exponent -4"));
}

TEST(Constraints, CopiesNeedOneExponent) {
  Maker m(8);
  const auto x = m.input("x", {1, 4});
  m.node("Reshape", {x, m.int64s("s", {4})}, {4}, m.grid(1));
  EXPECT_THAT(refusal(m), HasSubstr("insert a RequantizeLinear"));
}

TEST(Constraints, WidthsDoNotMix) {
  Maker m(8);
  const auto x = m.input("x", {1, 4});
  const auto y = m.node("RequantizeLinear", {x}, {1, 4}, -12, {}, 16);
  m.node("Mul", {x, y}, {1, 4}, 0);
  EXPECT_THAT(refusal(m), HasSubstr("has 16 bits and the output 8"));
}

TEST(Constraints, ResizeIs8BitOnly) {
  Maker m(16);
  const auto x = m.input("x", {1, 4, 2, 2});
  m.node("Resize", {x, "", m.floats("s", {4}, {1, 1, 2, 2})}, {1, 4, 4, 4}, m.grid());
  EXPECT_THAT(refusal(m), HasSubstr("resizes 8-bit tensors only"));
}

// Other attributes are fine where they pick the same pixels as asymmetric and floor.
TEST(Constraints, NearestMustMeanFloor) {
  const auto resized = [](const std::string& transform) {
    Maker m(8);
    m.node("Resize", {m.input("x", {1, 4, 3, 3})}, {1, 4, 12, 6}, m.grid(),
           {{"mode", std::string("nearest")},
            {"nearest_mode", std::string("round_prefer_floor")},
            {"coordinate_transformation_mode", transform}});
    return refusal(m);
  };
  EXPECT_EQ(resized("half_pixel"), "");
  EXPECT_THAT(resized("asymmetric"), HasSubstr("the chip reads other pixels"));
}

TEST(Constraints, EightBitSoftmaxMustNotOverflow) {
  Maker m(8);
  const auto x = m.input("x", {1, 8});
  m.node("Softmax", {x}, {1, 8}, 0, {}, 0);
  EXPECT_EQ(refusal(m), "");
  m.graph.tensors["x"].format.exponent = 0;
  EXPECT_THAT(refusal(m), HasSubstr("choose -1 or less"));
}

TEST(Constraints, StridesAreAtLeastOne) {
  Maker m(8);
  m.conv(m.input("x", {1, 8, 4, 4}), 16, {});
  m.graph.nodes[0].attributes["strides"] = Shape{0, 1};
  m.graph.outputs = m.graph.nodes[0].outputs;
  EXPECT_THROW(lower(m.graph, Target::kEsp32p4), Error);
}

TEST(Constraints, GroupIsOneOrChannels) {
  Maker m(8);
  m.conv(m.input("x", {1, 8, 4, 4}), 16, {});
  m.graph.nodes[0].attributes["group"] = int64_t{2};
  m.graph.tensors["conv0.weight"].shape = {16, 4, 3, 3};
  EXPECT_THAT(refusal(m), HasSubstr("group 2 with 8 input and 16 output channels"));
}

TEST(Constraints, ExponentsStayWithin30) {
  Maker m(8);
  m.node("Swish", {m.input("x", {1, 8})}, {1, 8}, -31);
  EXPECT_THAT(refusal(m), HasSubstr("exponent -31"));
}

TEST(Constraints, PaddedAverageNeedsTheWholeKernel) {
  Maker m(8);
  m.node("AveragePool", {m.input("x", {1, 8, 4, 4})}, {1, 8, 4, 4}, m.grid(),
         {{"kernel_shape", Shape{3, 3}}, {"pads", Shape{1, 1, 1, 1}}});
  EXPECT_THAT(refusal(m), HasSubstr("count_include_pad must be 1"));
}

TEST(Constraints, UnknownOperatorIsNamed) {
  Maker m(8);
  m.node("TopK", {m.input("x", {1, 8})}, {1, 8}, m.grid());
  try {
    lower(m.graph, Target::kEsp32p4);
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("node 'TopK0': operator TopK does not exist in the chip's library"));
  }
}

TEST(Constraints, LoweringChecksThem) {
  Maker m(8);
  m.conv(m.input("x", {1, 8, 4, 4}), 16, {.output_exponent = -13});
  EXPECT_THROW(lower(m.graph, Target::kEsp32p4), Error);
}

}  // namespace
}  // namespace shrike::espdl::tests
