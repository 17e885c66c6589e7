// Given a quantised graph in logical order, when it is lowered, written, loaded and run by the integer
// runtime, then every output equals the naive computation, on every target.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "tests/espdl/maker.h"
#include "tests/espdl/run_both.h"
#include "toolchain/espdl/writer.h"
#include "toolchain/host/integer_model.h"

namespace shrike::espdl::tests {
namespace {

struct Setting {
  Target target;
  int bits;
};

void PrintTo(const Setting& setting, std::ostream* stream) {
  *stream << host::target_name(setting.target) << " " << setting.bits << " bit";
}

class RoundTrip : public testing::TestWithParam<Setting> {
 protected:
  Target target() const { return GetParam().target; }
  int bits() const { return GetParam().bits; }
  bool per_channel() const { return target() == Target::kEsp32p4; }
  Maker maker() const { return Maker(bits(), per_channel()); }
};

INSTANTIATE_TEST_SUITE_P(Targets, RoundTrip,
                         testing::Values(Setting{Target::kEsp32p4, 8}, Setting{Target::kEsp32s3, 8},
                                         Setting{Target::kEsp32, 8}, Setting{Target::kEsp32p4, 16},
                                         Setting{Target::kEsp32s3, 16}, Setting{Target::kEsp32, 16}),
                         [](const auto& info) {
                           return host::target_name(info.param.target) + "_" +
                                  std::to_string(info.param.bits);
                         });

TEST_P(RoundTrip, ConvWithRemainderChannelsStrideAndAsymmetricShape) {
  Maker m = maker();
  const auto x = m.input("x", {1, 3, 9, 14});
  expect_equal(m, target(), {m.conv(x, 37, {.stride = 2})});
}

TEST_P(RoundTrip, ConvOfWholeBlocksDilatedWithoutBias) {
  Maker m = maker();
  const auto x = m.input("x", {1, 20, 8, 9});
  expect_equal(m, target(), {m.conv(x, 32, {.pad = 2, .dilation = 2, .bias = false})});
}

TEST_P(RoundTrip, DepthwiseConvWithRemainderChannels) {
  Maker m = maker();
  const auto x = m.input("x", {1, 21, 7, 6});
  expect_equal(m, target(), {m.conv(x, 21, {.depthwise = true})});
}

TEST_P(RoundTrip, OneDimensionalConvs) {
  Maker m = maker();
  const auto x = m.input("x", {1, 18, 23});
  const auto a = m.conv(x, 26, {});
  expect_equal(m, target(), {a, m.conv(x, 18, {.depthwise = true})});
}

TEST_P(RoundTrip, ReluBehindConvIsFused) {
  Maker m = maker();
  const auto x = m.input("x", {1, 8, 6, 6});
  const auto c = m.conv(x, 16, {});
  const auto r = m.node("Relu", {c}, m.shape(c), m.grid(1));
  expect_equal(m, target(), {r});
}

TEST_P(RoundTrip, ConvTransposeAsInsertZerosAndConv) {
  Maker m = maker();
  const auto x = m.input("x", {1, 5, 4, 6});
  std::vector<std::string> inputs = {x};
  m.add_weights(inputs, "up", {5, 19, 3, 3}, 19, true);
  const auto y = m.node("ConvTranspose", inputs, {1, 19, 8, 12}, m.grid(),
                        {{"strides", Shape{2, 2}},
                         {"pads", Shape{1, 1, 1, 1}},
                         {"output_padding", Shape{1, 1}},
                         {"dilations", Shape{1, 1}},
                         {"group", int64_t{1}}});
  expect_equal(m, target(), {y});
}

TEST_P(RoundTrip, GemmBehindFlattenOfPooledImage) {
  for (const int64_t trans_b : {0, 1}) {
    Maker m = maker();
    const auto x = m.input("x", {1, 11, 4, 4});
    const auto p =
        m.node("AveragePool", {x}, {1, 11, 1, 1}, m.grid(-1),
               {{"kernel_shape", Shape{4, 4}}, {"strides", Shape{1, 1}}, {"pads", Shape{0, 0, 0, 0}}});
    const auto f = m.node("Flatten", {p}, {1, 11}, m.grid(-1), {{"axis", int64_t{1}}});
    std::vector<std::string> inputs = {f};
    m.add_weights(inputs, "fc", trans_b != 0 ? Shape{21, 11} : Shape{11, 21}, 21, true);
    expect_equal(m, target(), {m.node("Gemm", inputs, {1, 21}, m.grid(), {{"transB", trans_b}})});
  }
}

TEST_P(RoundTrip, FlattenOfAnImageRestoresLogicalOrder) {
  Maker m = maker();
  const auto x = m.input("x", {1, 5, 3, 4});
  const auto c = m.conv(x, 6, {});
  const auto f = m.node("Flatten", {c}, {1, 72}, m.grid(), {{"axis", int64_t{1}}});
  std::vector<std::string> inputs = {f};
  m.add_weights(inputs, "fc", {72, 9}, 9, false);
  expect_equal(m, target(), {m.node("Gemm", inputs, {1, 9}, m.grid(1))});
}

TEST_P(RoundTrip, SplitAddConcatAlongChannels) {
  Maker m = maker();
  const auto x = m.input("x", {1, 8, 6, 5});
  const auto c = m.conv(x, 24, {});
  const auto left =
      m.node("Split", {c, m.int64s("sizes", {10, 14})}, {1, 10, 6, 5}, m.grid(), {{"axis", int64_t{1}}});
  const auto right = m.variable("right", {1, 14, 6, 5}, m.grid(), bits());
  m.graph.nodes.back().outputs.push_back(right);
  const auto d = m.conv(right, 14, {});
  const auto sum = m.node("Add", {right, d}, {1, 14, 6, 5}, m.grid());
  expect_equal(m, target(),
               {m.node("Concat", {left, right, sum}, {1, 38, 6, 5}, m.grid(), {{"axis", int64_t{1}}})});
}

TEST_P(RoundTrip, RequantizeBetweenFormats) {
  Maker m = maker();
  const auto x = m.input("x", {1, 7, 5, 5});
  const auto coarse = m.node("RequantizeLinear", {x}, m.shape(x), m.grid(2));
  const auto fine = m.node("RequantizeLinear", {x}, m.shape(x), m.grid(-2));
  expect_equal(m, target(), {coarse, fine, m.conv(x, 5, {})});
}

constexpr Target kTargets[] = {Target::kEsp32p4, Target::kEsp32s3, Target::kEsp32};

// 8 bit only: the rounding of 16-bit products depends on the row length (numerics.md section 5.2).
TEST(EightBit, ConstantsOfAddAndMulFollowTheStoredOrder) {
  for (const Target target : kTargets) {
    Maker m(8);
    const auto x = m.input("x", {1, 6, 4, 5});
    const auto c = m.conv(x, 6, {});
    const auto a = m.node("Add", {c, m.constant("a", {1, 6, 1, 1}, m.grid(), 8, 60)}, m.shape(c), m.grid());
    const auto b = m.node("Mul", {a, m.constant("b", {6, 4, 1}, -6, 8, 100)}, m.shape(c), m.grid());
    const auto s = m.node("Sub", {m.constant("s", {5}, m.grid(), 8, 60), b}, m.shape(c), m.grid());
    expect_equal(m, target, {m.node("Mul", {s, m.constant("k", {}, -6, 8, 100)}, m.shape(c), m.grid())});
  }
}

// On the other targets and widths PRelu rounds down (numerics.md section 13.1).
TEST(EightBit, PReluWithOneSlopePerChannel) {
  for (const Target target : {Target::kEsp32p4, Target::kEsp32s3}) {
    Maker m(8);
    const auto x = m.input("x", {1, 12, 5, 4});
    const auto slope = m.constant("slope", {12, 1, 1}, -7, 8, 100);
    expect_equal(m, target, {m.node("PRelu", {m.conv(x, 12, {}), slope}, {1, 12, 5, 4}, m.grid())});
  }
}

TEST_P(RoundTrip, Activations) {
  Maker m = maker();
  const auto x = m.input("x", {1, 12, 7, 9});
  const auto c = m.conv(x, 12, {});
  std::vector<std::string> outputs;
  outputs.push_back(m.node("Swish", {c}, m.shape(c), m.grid(1)));
  outputs.push_back(m.node("Sigmoid", {c}, m.shape(c), bits() == 8 ? -7 : -15));
  outputs.push_back(m.node("Relu", {c}, m.shape(c), m.grid(1)));
  outputs.push_back(m.node("LeakyRelu", {c}, m.shape(c), m.grid(), {{"alpha", 0.125f}}));
  outputs.push_back(
      m.node("Clip", {c, m.floats("low", {}, {-0.71f}), m.floats("high", {}, {1.3f})}, m.shape(c), m.grid()));
  expect_equal(m, target(), outputs);
}

TEST_P(RoundTrip, MaxPoolAndNearestResize) {
  Maker m = maker();
  const auto x = m.input("x", {1, 17, 6, 8});
  const auto p =
      m.node("MaxPool", {x}, {1, 17, 3, 4}, m.grid(),
             {{"kernel_shape", Shape{5, 5}}, {"strides", Shape{2, 2}}, {"pads", Shape{2, 2, 2, 2}}});
  if (bits() == 16) return expect_equal(m, target(), {p});  // the chip has no 16-bit Resize
  const auto by_scales =
      m.node("Resize", {p, "", m.floats("scales", {4}, {1, 1, 2, 2})}, {1, 17, 6, 8}, m.grid(),
             {{"mode", std::string("nearest")},
              {"nearest_mode", std::string("floor")},
              {"coordinate_transformation_mode", std::string("asymmetric")}});
  const auto by_sizes =
      m.node("Resize", {p, "", "", m.int64s("sizes", {1, 17, 9, 12})}, {1, 17, 9, 12}, m.grid(),
             {{"mode", std::string("nearest")},
              {"nearest_mode", std::string("floor")},
              {"coordinate_transformation_mode", std::string("asymmetric")}});
  expect_equal(m, target(), {by_scales, by_sizes});
}

TEST_P(RoundTrip, SlicePadAndMeanKeepTheLayout) {
  Maker m = maker();
  const auto x = m.input("x", {1, 10, 6, 7});
  const auto c = m.conv(x, 10, {});
  const auto s = m.node("Slice", {c, m.int64s("st", {2, 1}), m.int64s("en", {9, 6}), m.int64s("ax", {1, 3})},
                        {1, 7, 6, 5}, m.grid());
  const auto p = m.node("Pad", {s, m.int64s("pads", {0, 1, 2, 0, 0, 0, 1, 3}), m.floats("fill", {}, {0.6f})},
                        {1, 8, 9, 8}, m.grid(), {{"mode", std::string("constant")}});
  const auto kept =
      m.node("ReduceMean", {p, m.int64s("a0", {2})}, {1, 8, 1, 8}, m.grid(-1), {{"keepdims", int64_t{1}}});
  const auto dropped =
      m.node("ReduceMean", {p, m.int64s("a1", {2, 3})}, {1, 8}, m.grid(-1), {{"keepdims", int64_t{0}}});
  expect_equal(m, target(), {kept, dropped});
}

// Given a Pad whose innermost stored axes have no padding, when it is lowered, then they are one with the
// last padded axis, except where the padding repeats what is inside.
TEST_P(RoundTrip, PadsHaveLongInnermostRows) {
  struct Case {
    std::vector<int64_t> pads;
    std::string mode;
    std::set<std::vector<int64_t>> dims;  // of what is padded
  };
  const Case cases[] = {{{0, 0, 1, 2, 0, 0, 3, 4}, "constant", {{10, 130}}},      // height and width
                        {{0, 0, 1, 0, 0, 0, 0, 0}, "constant", {{490}}},          // height
                        {{0, 0, 0, 2, 0, 0, 0, 0}, "constant", {{6, 90}}},        // width
                        {{0, 1, 0, 2, 0, 1, 0, 0}, "constant", {{1, 6, 9, 12}}},  // channels are innermost
                        {{0, 0, 1, 2, 0, 0, 3, 4}, "edge", {{1, 10, 13, 10}}}};
  for (const Case& c : cases) {
    Maker m = maker();
    const auto x = m.conv(m.input("x", {1, 10, 6, 7}), 10, {});
    graph::Shape padded = m.shape(x);
    for (size_t i = 0; i < padded.size(); ++i) padded[i] += c.pads[i] + c.pads[4 + i];
    const auto p = m.node("Pad", {x, m.int64s("pads", c.pads), m.floats("fill", {}, {-0.6f})}, padded,
                          m.grid(), {{"mode", c.mode}});
    const auto y = m.conv(p, 10, {});
    if (c.mode == "constant") expect_equal(m, target(), {p, y});  // the naive computation knows no other
    m.graph.outputs = {p, y};
    std::set<std::vector<int64_t>> dims;
    const Program program = lower(m.graph, target());
    for (const StoredNode& node : program.nodes) {
      if (node.op != "Pad") continue;
      for (const StoredValue& value : program.values) {
        if (value.name == node.outputs[0]) dims.insert(value.dims);
      }
    }
    EXPECT_EQ(dims, c.dims) << c.mode;
  }
}

TEST_P(RoundTrip, MatMulWithConstantRightOperand) {
  Maker m = maker();
  const auto x = m.input("x", {2, 6, 10});
  const auto w = m.constant("w", {10, 35}, bits() == 8 ? -7 : -14, bits(), bits() == 8 ? 60 : 3000);
  const auto y = m.node("MatMul", {x, w}, {2, 6, 35}, m.grid(1));
  expect_equal(m, target(), {m.node("Relu", {y}, m.shape(y), m.grid())});
}

// Row lengths: below one block, whole blocks, with a remainder.
TEST_P(RoundTrip, MatMulOfTwoVariables) {
  for (const int64_t n : {5, 32, 41}) {
    Maker m = maker();
    const auto a = m.input("a", {1, 2, 7, 12});
    const auto b = m.input("b", {1, 2, 12, n});
    SCOPED_TRACE(n);
    expect_equal(m, target(), {m.node("MatMul", {a, b}, {1, 2, 7, n}, m.grid(4))});
  }
}

// The attention block of YOLO11: 2 heads, keys of 8, values of 16, on an image of height x width.
void attention(Maker& m, Target target, int64_t height, int64_t width) {
  const int64_t n = height * width, bits = m.bits();
  const auto x = m.input("x", {1, 24, height, width});
  const auto qkv = m.conv(x, 64, {.kernel_height = 1, .kernel_width = 1, .pad = 0});
  const auto r = m.node("Reshape", {qkv, m.int64s("shape", {1, 2, 32, n})}, {1, 2, 32, n}, m.grid());
  const auto q =
      m.node("Split", {r, m.int64s("sizes", {8, 8, 16})}, {1, 2, 8, n}, m.grid(), {{"axis", int64_t{2}}});
  const auto k = m.variable("k", {1, 2, 8, n}, m.grid(), static_cast<int>(bits));
  const auto v = m.variable("v", {1, 2, 16, n}, m.grid(), static_cast<int>(bits));
  m.graph.nodes.back().outputs.insert(m.graph.nodes.back().outputs.end(), {k, v});
  const auto qt = m.node("Transpose", {q}, {1, 2, n, 8}, m.grid(), {{"perm", Shape{0, 1, 3, 2}}});
  const auto scores = m.node("MatMul", {qt, k}, {1, 2, n, n}, m.grid(1));
  const auto soft = m.node("Softmax", {scores}, {1, 2, n, n}, 0, {{"axis", int64_t{-1}}}, 0);
  // A coarse grid, so that the last place of a float decides nothing.
  const auto weights = m.node("QuantizeLinear", {soft}, {1, 2, n, n}, bits == 8 ? -7 : -10);
  const auto wt =
      m.node("Transpose", {weights}, {1, 2, n, n}, m.exponent(weights), {{"perm", Shape{0, 1, 3, 2}}});
  const auto y = m.node("MatMul", {v, wt}, {1, 2, 16, n}, m.grid(-1));
  const auto image =
      m.node("Reshape", {y, m.int64s("s1", {1, 32, height, width})}, {1, 32, height, width}, m.grid(-1));
  const auto v_image =
      m.node("Reshape", {v, m.int64s("s2", {1, 32, height, width})}, {1, 32, height, width}, m.grid());
  const auto pe = m.conv(v_image, 32, {.depthwise = true});
  const auto matched = m.node("RequantizeLinear", {image}, m.shape(image), m.grid());
  const auto sum = m.node("Add", {matched, pe}, m.shape(pe), m.grid());
  const auto proj = m.conv(sum, 24, {.kernel_height = 1, .kernel_width = 1, .pad = 0});
  expect_equal(m, target, {scores, weights, proj});
}

TEST_P(RoundTrip, AttentionWithWholeBlocks) {
  Maker m = maker();
  attention(m, target(), 4, 8);
}
TEST_P(RoundTrip, AttentionWithRemainder) {
  Maker m = maker();
  attention(m, target(), 10, 10);
}
TEST_P(RoundTrip, AttentionOnAnOblongImage) {
  Maker m = maker();
  attention(m, target(), 5, 7);
}
TEST_P(RoundTrip, AttentionSmallerThanOneBlock) {
  Maker m = maker();
  attention(m, target(), 2, 3);
}

int64_t count(const Program& program, const std::string& op) {
  return std::count_if(program.nodes.begin(), program.nodes.end(),
                       [&](const StoredNode& n) { return n.op == op; });
}

// A network that was exported channel-last in between: its Transposes only undo ours.
TEST_P(RoundTrip, TransposesThatUndoTheLayoutDisappear) {
  Maker m = maker();
  const auto x = m.input("x", {1, 4, 5, 6});
  const auto c = m.conv(x, 8, {});
  const auto last = m.node("Transpose", {c}, {1, 5, 6, 8}, m.grid(), {{"perm", Shape{0, 2, 3, 1}}});
  const auto s = m.node("Swish", {last}, {1, 5, 6, 8}, m.grid());
  const auto first = m.node("Transpose", {s}, {1, 8, 5, 6}, m.grid(), {{"perm", Shape{0, 3, 1, 2}}});
  const auto y = m.conv(first, 8, {});
  expect_equal(m, target(), {y});
  EXPECT_EQ(count(lower(m.graph, target()), "Transpose"), 0);
}

TEST_P(RoundTrip, ElementWiseNodeBetweenTransposesMovesInFront) {
  Maker m = maker();
  const auto x = m.input("x", {2, 3, 4, 5});
  const auto t = m.node("Transpose", {x}, {5, 2, 4, 3}, m.grid(), {{"perm", Shape{3, 0, 2, 1}}});
  const auto s = m.node("Swish", {t}, {5, 2, 4, 3}, m.grid());
  const auto r = m.node("RequantizeLinear", {s}, {5, 2, 4, 3}, m.grid(1));
  const auto u = m.node("Transpose", {r}, {4, 5, 3, 2}, m.grid(1), {{"perm", Shape{2, 0, 3, 1}}});
  expect_equal(m, target(), {u});
  expect_equal(m, target(), {r, u});  // now the middle is visible and has to stay
}

// The stem that space is folded to channels by, and arithmetic in front of the first convolution: a camera's
// picture is channel-last.
TEST_P(RoundTrip, PicturesThatAreSlicedOrScaledFirstAreChannelLast) {
  Maker m = maker();
  const auto x = m.input("x", {1, 4, 6, 6});
  const auto slice = [&](const std::string& name, int64_t start) {
    return m.node("Slice",
                  {x, m.int64s(name + "s", {start}), m.int64s(name + "e", {6}), m.int64s(name + "a", {2}),
                   m.int64s(name + "t", {2})},
                  {1, 4, 3, 6}, m.grid());
  };
  const auto both =
      m.node("Concat", {slice("even", 0), slice("odd", 1)}, {1, 8, 3, 6}, m.grid(), {{"axis", int64_t{1}}});
  const auto y = m.conv(both, 8, {});
  expect_equal(m, target(), {y});
  const Program program = lower(m.graph, target());
  EXPECT_EQ(value_named(program, "x").dims, (std::vector<int64_t>{1, 6, 6, 4}));
  EXPECT_EQ(count(program, "Transpose"), 0);
}

TEST_P(RoundTrip, TransposeAsGraphOutputKeepsItsName) {
  Maker m = maker();
  const auto c = m.conv(m.input("x", {1, 4, 5, 6}), 8, {});
  const auto last = m.node("Transpose", {c}, {1, 5, 6, 8}, m.grid(), {{"perm", Shape{0, 2, 3, 1}}});
  expect_equal(m, target(), {last});
  expect_equal(m, target(), {c, last});
}

TEST_P(RoundTrip, SharedConstantsAreStoredOncePerReader) {
  Maker m = maker();
  const auto x = m.input("x", {1, 8, 5, 5});
  const auto a = m.conv(x, 8, {});
  const auto b = m.conv(x, 8, {});
  m.graph.nodes[1].inputs[1] = m.graph.nodes[0].inputs[1];
  m.graph.nodes[1].inputs[2] = m.graph.nodes[0].inputs[2];
  expect_equal(m, target(), {a, b});
  std::set<std::string> names;
  for (const StoredTensor& tensor : lower(m.graph, target()).initializers) {
    EXPECT_TRUE(names.insert(tensor.name).second) << tensor.name;
  }
  EXPECT_EQ(names.size(), 4u);
}

TEST_P(RoundTrip, ConcatWithAConstantAndALogicalTensor) {
  Maker m = maker();
  const auto c = m.conv(m.input("x", {1, 4, 5, 6}), 8, {});
  const auto r =
      m.node("Reshape", {m.input("y", {1, 60}), m.int64s("s", {1, 2, 5, 6})}, {1, 2, 5, 6}, m.grid());
  const auto k = m.constant("k", {1, 3, 5, 6}, m.grid(), bits(), 100);
  expect_equal(m, target(), {m.node("Concat", {r, k, c}, {1, 13, 5, 6}, m.grid(), {{"axis", int64_t{1}}})});
}

TEST_P(RoundTrip, GraphWithoutSpatialOperatorsStaysInLogicalOrder) {
  Maker m = maker();
  const auto x = m.input("x", {1, 3, 4, 5});
  const auto t = m.node("Transpose", {x}, {1, 5, 3, 4}, m.grid(), {{"perm", Shape{0, 3, 1, 2}}});
  expect_equal(m, target(), {m.node("Swish", {t}, m.shape(t), m.grid())});
  EXPECT_EQ(value_named(lower(m.graph, target()), "x").dims, (Shape{1, 3, 4, 5}));
}

TEST(MixedPrecision, SixteenBitBranchBetweenEightBitConvs) {
  for (const Target target : kTargets) {
    Maker m(8);
    const auto x = m.input("x", {1, 6, 5, 5});
    const auto wide = m.node("RequantizeLinear", {x}, m.shape(x), -12, {}, 16);
    const auto swish = m.node("Swish", {wide}, m.shape(x), -11, {}, 16);
    const auto narrow = m.node("RequantizeLinear", {swish}, m.shape(x), m.grid());
    expect_equal(m, target, {m.conv(narrow, 9, {})});
  }
}

}  // namespace
}  // namespace shrike::espdl::tests
