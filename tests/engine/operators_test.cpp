// Every operator against values worked out by hand or a definition written out as loops.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "tests/engine/graph_builder.h"
#include "toolchain/support/error.h"

namespace shrike::tests {
namespace {

using engine::Array;
using graph::Shape;
using testing::ElementsAre;
using testing::FloatNear;
using testing::HasSubstr;
using testing::Pointwise;
using Integers = std::vector<int64_t>;
using Floats = std::vector<float>;

std::vector<float> random_values(int64_t count, unsigned seed) {
  std::mt19937 generator(seed);
  std::vector<float> values;
  for (int64_t i = 0; i < count; ++i)
    values.push_back(static_cast<float>(static_cast<int>(generator() % 17) - 8));
  return values;
}

Floats unary(const std::string& op, Floats values, std::map<std::string, graph::Attribute> attributes = {}) {
  const int64_t count = static_cast<int64_t>(values.size());
  GraphBuilder builder;
  builder.input("x", {count}).node(op, {"x"}, {"y"}, std::move(attributes));
  return run(builder, {{"x", {{count}, std::move(values)}}}).values;
}

Floats binary(const std::string& op, Floats a, Floats b) {
  const int64_t count_a = static_cast<int64_t>(a.size()), count_b = static_cast<int64_t>(b.size());
  GraphBuilder builder;
  builder.input("a", {count_a}).input("b", {count_b}).node(op, {"a", "b"}, {"y"});
  return run(builder, {{"a", {{count_a}, std::move(a)}}, {"b", {{count_b}, std::move(b)}}}).values;
}

// The definition of ONNX Conv as loops.
struct ConvCase {
  int64_t batch, channels, height, width, outputs, kernel_h, kernel_w, groups;
  Integers strides, dilations, pads;
};

Array naive_conv(const ConvCase& c, const Floats& x, const Floats& w, const Floats& b) {
  const int64_t out_h =
      (c.height + c.pads[0] + c.pads[2] - c.dilations[0] * (c.kernel_h - 1) - 1) / c.strides[0] + 1;
  const int64_t out_w =
      (c.width + c.pads[1] + c.pads[3] - c.dilations[1] * (c.kernel_w - 1) - 1) / c.strides[1] + 1;
  const int64_t group_inputs = c.channels / c.groups, group_outputs = c.outputs / c.groups;
  Array y{{c.batch, c.outputs, out_h, out_w}, {}};
  for (int64_t n = 0; n < c.batch; ++n)
    for (int64_t o = 0; o < c.outputs; ++o)
      for (int64_t i = 0; i < out_h; ++i)
        for (int64_t j = 0; j < out_w; ++j) {
          double sum = b.empty() ? 0.0 : b[o];
          for (int64_t k = 0; k < group_inputs; ++k)
            for (int64_t u = 0; u < c.kernel_h; ++u)
              for (int64_t v = 0; v < c.kernel_w; ++v) {
                const int64_t row = i * c.strides[0] - c.pads[0] + u * c.dilations[0];
                const int64_t column = j * c.strides[1] - c.pads[1] + v * c.dilations[1];
                if (row < 0 || row >= c.height || column < 0 || column >= c.width) continue;
                const int64_t channel = o / group_outputs * group_inputs + k;
                sum += x[((n * c.channels + channel) * c.height + row) * c.width + column] *
                       w[((o * group_inputs + k) * c.kernel_h + u) * c.kernel_w + v];
              }
          y.values.push_back(static_cast<float>(sum));
        }
  return y;
}

class ConvTest : public testing::TestWithParam<ConvCase> {};

TEST_P(ConvTest, EqualsTheDefinition) {
  const ConvCase c = GetParam();
  const Floats x = random_values(c.batch * c.channels * c.height * c.width, 1);
  const Floats w = random_values(c.outputs * c.channels / c.groups * c.kernel_h * c.kernel_w, 2);
  const Floats b = random_values(c.outputs, 3);
  GraphBuilder builder;
  builder.input("x", {1, c.channels, c.height, c.width})
      .constant("w", {c.outputs, c.channels / c.groups, c.kernel_h, c.kernel_w}, w)
      .constant("b", {c.outputs}, b)
      .node("Conv", {"x", "w", "b"}, {"y"},
            {{"strides", c.strides}, {"dilations", c.dilations}, {"pads", c.pads}, {"group", c.groups}});
  const Array y = run(builder, {{"x", {{c.batch, c.channels, c.height, c.width}, x}}});
  const Array expected = naive_conv(c, x, w, b);
  EXPECT_EQ(y.shape, expected.shape);
  EXPECT_EQ(y.values, expected.values);  // small integers: float sums are exact
}

INSTANTIATE_TEST_SUITE_P(Shapes, ConvTest,
                         testing::Values(ConvCase{1, 3, 8, 8, 16, 3, 3, 1, {2, 2}, {1, 1}, {1, 1, 1, 1}},
                                         ConvCase{1, 16, 5, 7, 9, 1, 1, 1, {1, 1}, {1, 1}, {0, 0, 0, 0}},
                                         ConvCase{3, 8, 6, 6, 8, 3, 3, 8, {1, 1}, {1, 1}, {1, 1, 1, 1}},
                                         ConvCase{2, 6, 9, 5, 4, 3, 2, 2, {1, 2}, {2, 1}, {2, 0, 1, 1}},
                                         ConvCase{1, 1, 4, 4, 1, 4, 4, 1, {1, 1}, {1, 1}, {0, 0, 0, 0}},
                                         ConvCase{1, 4, 10, 3, 5, 5, 1, 1, {3, 1}, {1, 1}, {2, 0, 2, 0}}));

TEST(Conv, OfOneDimension) {
  GraphBuilder builder;
  builder.input("x", {1, 1, 5})
      .constant("w", {1, 1, 3}, {1, 0, -1})
      .node("Conv", {"x", "w"}, {"y"}, {{"pads", Integers{1, 1}}});
  const Array y = run(builder, {{"x", {{1, 1, 5}, {1, 2, 4, 8, 16}}}});
  EXPECT_EQ(y.shape, (Shape{1, 1, 5}));
  EXPECT_THAT(y.values, ElementsAre(-2, -3, -6, -12, 8));
}

TEST(Conv, PadsAutomatically) {
  GraphBuilder builder;
  builder.input("x", {1, 1, 1, 4})
      .constant("w", {1, 1, 1, 2}, {1, 10})
      .node("Conv", {"x", "w"}, {"y"}, {{"auto_pad", std::string("SAME_UPPER")}});
  EXPECT_THAT(run(builder, {{"x", {{1, 1, 1, 4}, {1, 2, 3, 4}}}}).values, ElementsAre(21, 32, 43, 4));
}

TEST(ConvTranspose, ScattersTheFilter) {
  GraphBuilder builder;
  builder.input("x", {1, 1, 2, 2})
      .constant("w", {1, 1, 2, 2}, {1, 2, 3, 4})
      .node("ConvTranspose", {"x", "w"}, {"y"}, {{"strides", Integers{2, 2}}});
  const Array y = run(builder, {{"x", {{1, 1, 2, 2}, {1, 2, 3, 4}}}});
  EXPECT_EQ(y.shape, (Shape{1, 1, 4, 4}));
  EXPECT_THAT(y.values, ElementsAre(1, 2, 2, 4, 3, 4, 6, 8, 3, 6, 4, 8, 9, 12, 12, 16));
}

TEST(ConvTranspose, OverlapsPadsAndGroups) {
  GraphBuilder builder;  // two groups of one channel, 3-wide filters, stride 2, one pad at both ends, one
                         // more at the end
  builder.input("x", {1, 2, 3})
      .constant("w", {2, 1, 3}, {1, 2, 3, 10, 20, 30})
      .constant("b", {2}, {100, 0})
      .node("ConvTranspose", {"x", "w", "b"}, {"y"},
            {{"strides", Integers{2}},
             {"pads", Integers{1, 1}},
             {"output_padding", Integers{1}},
             {"group", int64_t{2}}});
  const Array y = run(builder, {{"x", {{1, 2, 3}, {1, 2, 3, 1, 0, 1}}}});
  EXPECT_EQ(y.shape, (Shape{1, 2, 6}));
  // Full scatter of channel 0: [1, 2, 3+2, 4, 6+3, 6, 9]; without its first element.
  EXPECT_THAT(y.values, ElementsAre(102, 105, 104, 109, 106, 109, 20, 30, 0, 10, 20, 30));
}

TEST(Gemm, WithAndWithoutTransposition) {
  GraphBuilder plain;
  plain.input("x", {2, 3})
      .constant("w", {3, 2}, {1, 2, 3, 4, 5, 6})
      .constant("b", {2}, {10, 20})
      .node("Gemm", {"x", "w", "b"}, {"y"});
  const Array x{{2, 3}, {1, 0, 2, 0, 1, 1}};
  EXPECT_THAT(run(plain, {{"x", x}}).values, ElementsAre(21, 34, 18, 30));
  GraphBuilder transposed;
  transposed.input("x", {2, 3})
      .constant("w", {2, 3}, {1, 3, 5, 2, 4, 6})
      .constant("b", {2}, {10, 20})
      .node("Gemm", {"x", "w", "b"}, {"y"}, {{"transB", int64_t{1}}, {"alpha", 2.0f}, {"beta", 0.5f}});
  EXPECT_THAT(run(transposed, {{"x", x}}).values, ElementsAre(27, 38, 21, 30));
}

TEST(MatMul, BroadcastsBatches) {
  GraphBuilder builder;
  builder.input("a", {1, 2, 2, 3}).input("b", {2, 3, 1}).node("MatMul", {"a", "b"}, {"y"});
  const Array y =
      run(builder, {{"a", {{1, 2, 2, 3}, counting(12)}}, {"b", {{2, 3, 1}, {1, 1, 1, 1, 0, -1}}}});
  EXPECT_EQ(y.shape, (Shape{1, 2, 2, 1}));
  EXPECT_THAT(y.values, ElementsAre(3, 12, -2, -2));
}

TEST(Arithmetic, Binary) {
  EXPECT_THAT(binary("Add", {1, 2}, {10, 20}), ElementsAre(11, 22));
  EXPECT_THAT(binary("Sub", {1, 2}, {10, 20}), ElementsAre(-9, -18));
  EXPECT_THAT(binary("Mul", {1, 2, 3}, {10}), ElementsAre(10, 20, 30));
  EXPECT_THAT(binary("Div", {1, 3}, {2, -2}), ElementsAre(0.5f, -1.5f));
  EXPECT_THAT(binary("Pow", {3, 2}, {2, -1}), ElementsAre(9, 0.5f));
  EXPECT_THAT(binary("Max", {1, 5}, {2, 3}), ElementsAre(2, 5));
  EXPECT_THAT(binary("Min", {1, 5}, {2, 3}), ElementsAre(1, 3));
  EXPECT_THAT(unary("Neg", {1, -2}), ElementsAre(-1, 2));
}

TEST(Activations, AtKnownPoints) {
  const auto near = [](Floats values) { return Pointwise(FloatNear(1e-6f), std::move(values)); };
  EXPECT_THAT(unary("Swish", {-1, 0, 2}), near({-0.26894142f, 0, 1.76159416f}));
  EXPECT_THAT(unary("Sigmoid", {-1, 0, 2}), near({0.26894142f, 0.5f, 0.88079708f}));
  EXPECT_THAT(unary("Relu", {-1, 0, 2}), ElementsAre(0, 0, 2));
  EXPECT_THAT(unary("LeakyRelu", {-10, 5}), near({-0.1f, 5}));
  EXPECT_THAT(unary("LeakyRelu", {-10, 5}, {{"alpha", 0.5f}}), near({-5, 5}));
  EXPECT_THAT(unary("HardSwish", {-4, -1.5f, 0, 1.5f, 4}), near({0, -0.375f, 0, 1.125f, 4}));
  EXPECT_THAT(unary("HardSigmoid", {-4, 1, 4}), near({0, 0.7f, 1}));
  EXPECT_THAT(unary("Tanh", {1}), near({0.76159416f}));
  EXPECT_THAT(unary("Elu", {-1, 2}), near({-0.63212056f, 2}));
  EXPECT_THAT(unary("Exp", {1}), near({2.71828183f}));
  EXPECT_THAT(unary("Log", {2}), near({0.69314718f}));
  EXPECT_THAT(unary("Sqrt", {9}), near({3}));
  EXPECT_THAT(unary("Gelu", {-1, 1}), near({-0.15865525f, 0.84134475f}));
}

TEST(Activations, ClipAndPRelu) {
  GraphBuilder clip;
  clip.input("x", {4})
      .constant("low", {}, {0})
      .constant("high", {}, {6})
      .node("Clip", {"x", "low", "high"}, {"y"});
  EXPECT_THAT(run(clip, {{"x", {{4}, {-1, 3, 6, 9}}}}).values, ElementsAre(0, 3, 6, 6));
  GraphBuilder upper;
  upper.input("x", {2}).constant("high", {}, {6}).node("Clip", {"x", "", "high"}, {"y"});
  EXPECT_THAT(run(upper, {{"x", {{2}, {-1, 9}}}}).values, ElementsAre(-1, 6));
  GraphBuilder prelu;
  prelu.input("x", {1, 2, 1, 2}).constant("slope", {2, 1, 1}, {0.5f, 2}).node("PRelu", {"x", "slope"}, {"y"});
  EXPECT_THAT(run(prelu, {{"x", {{1, 2, 1, 2}, {-4, 4, -4, 4}}}}).values, ElementsAre(-2, 4, -8, 4));
}

TEST(Softmax, OverTheMiddleAxis) {
  GraphBuilder builder;
  builder.input("x", {1, 3, 1}).node("Softmax", {"x"}, {"y"}, {{"axis", int64_t{1}}});
  EXPECT_THAT(run(builder, {{"x", {{1, 3, 1}, {1, 0, -1}}}}).values,
              Pointwise(FloatNear(1e-6f), Floats{0.66524096f, 0.24472847f, 0.09003057f}));
}

TEST(Movement, ConcatSplitSlice) {
  GraphBuilder concat;
  concat.input("a", {1, 1, 2})
      .input("b", {1, 2, 2})
      .node("Concat", {"a", "b"}, {"y"}, {{"axis", int64_t{1}}});
  EXPECT_EQ(run(concat, {{"a", {{1, 1, 2}, {1, 2}}}, {"b", {{1, 2, 2}, {3, 4, 5, 6}}}}).values,
            counting(6, 1));

  GraphBuilder split;
  split.input("x", {1, 5})
      .integers("sizes", {2, 3})
      .node("Split", {"x", "sizes"}, {"y", "z"}, {{"axis", int64_t{1}}});
  engine::Engine engine(split.graph());
  const auto parts = engine.run({{"x", {{1, 5}, counting(5)}}});
  EXPECT_THAT(parts.at("y").values, ElementsAre(0, 1));
  EXPECT_THAT(parts.at("z").values, ElementsAre(2, 3, 4));

  GraphBuilder slice;
  slice.input("x", {2, 6})
      .integers("starts", {-1, 1})
      .integers("ends", {std::numeric_limits<int64_t>::min(), 100})
      .integers("axes", {1, 0})
      .integers("steps", {-2, 1})
      .node("Slice", {"x", "starts", "ends", "axes", "steps"}, {"y"});
  const Array y = run(slice, {{"x", {{2, 6}, counting(12)}}});
  EXPECT_EQ(y.shape, (Shape{1, 3}));
  EXPECT_THAT(y.values, ElementsAre(11, 9, 7));
}

TEST(Movement, SplitsEvenlyWithoutSizes) {
  GraphBuilder builder;
  builder.input("x", {6}).node("Split", {"x"}, {"a", "b", "c"});
  engine::Engine engine(builder.graph());
  EXPECT_THAT(engine.run({{"x", {{6}, counting(6)}}}).at("c").values, ElementsAre(4, 5));
}

TEST(Movement, ReshapeTransposeFlattenSqueezeGather) {
  GraphBuilder builder;
  builder.input("x", {1, 2, 3})
      .integers("shape", {0, -1, 2})
      .node("Reshape", {"x", "shape"}, {"reshaped"})
      .node("Transpose", {"reshaped"}, {"transposed"}, {{"perm", Integers{2, 0, 1}}})
      .node("Flatten", {"transposed"}, {"flat"}, {{"axis", int64_t{1}}})
      .integers("axes", {0, 3})
      .node("Unsqueeze", {"flat", "axes"}, {"wide"})
      .node("Squeeze", {"wide", "axes"}, {"narrow"})
      .integers("indices", {2, -3})
      .node("Gather", {"narrow", "indices"}, {"y"}, {{"axis", int64_t{1}}});
  engine::Engine engine(builder.graph());
  const auto all = engine.run({{"x", {{1, 2, 3}, counting(6)}}},
                              {"reshaped", "transposed", "flat", "wide", "narrow", "y"});
  EXPECT_EQ(all.at("reshaped").shape, (Shape{1, 3, 2}));
  EXPECT_EQ(all.at("transposed").shape, (Shape{2, 1, 3}));
  EXPECT_THAT(all.at("flat").values, ElementsAre(0, 2, 4, 1, 3, 5));
  EXPECT_EQ(all.at("wide").shape, (Shape{1, 2, 3, 1}));
  EXPECT_EQ(all.at("narrow").shape, (Shape{2, 3}));
  EXPECT_THAT(all.at("y").values, ElementsAre(4, 0, 5, 1));
}

TEST(Movement, PadsByEveryMode) {
  const auto padded = [](const std::string& mode) {
    GraphBuilder builder;
    builder.input("x", {1, 3})
        .integers("pads", {0, 2, 0, 1})
        .constant("value", {}, {9})
        .node("Pad", {"x", "pads", "value"}, {"y"}, {{"mode", mode}});
    return run(builder, {{"x", {{1, 3}, {1, 2, 3}}}}).values;
  };
  EXPECT_THAT(padded("constant"), ElementsAre(9, 9, 1, 2, 3, 9));
  EXPECT_THAT(padded("edge"), ElementsAre(1, 1, 1, 2, 3, 3));
  EXPECT_THAT(padded("reflect"), ElementsAre(3, 2, 1, 2, 3, 2));
}

TEST(Pooling, Maximum) {
  GraphBuilder builder;
  builder.input("x", {1, 1, 3, 3})
      .node("MaxPool", {"x"}, {"y"},
            {{"kernel_shape", Integers{2, 2}}, {"strides", Integers{2, 2}}, {"ceil_mode", int64_t{1}}});
  const Array y = run(builder, {{"x", {{1, 1, 3, 3}, counting(9, -9)}}});
  EXPECT_EQ(y.shape, (Shape{1, 1, 2, 2}));
  EXPECT_THAT(y.values, ElementsAre(-5, -4, -2, -1));
}

TEST(Pooling, AverageCountsPaddingWhenAsked) {
  const auto pooled = [](int64_t include) {
    GraphBuilder builder;
    builder.input("x", {1, 1, 1, 3})
        .node("AveragePool", {"x"}, {"y"},
              {{"kernel_shape", Integers{1, 2}},
               {"pads", Integers{0, 1, 0, 0}},
               {"count_include_pad", include}});
    return run(builder, {{"x", {{1, 1, 1, 3}, {2, 4, 8}}}}).values;
  };
  EXPECT_THAT(pooled(0), ElementsAre(2, 3, 6));
  EXPECT_THAT(pooled(1), ElementsAre(1, 3, 6));
}

TEST(Pooling, GlobalAverage) {
  GraphBuilder builder;
  builder.input("x", {1, 2, 1, 2}).node("GlobalAveragePool", {"x"}, {"y"});
  const Array y = run(builder, {{"x", {{1, 2, 1, 2}, {1, 2, 3, 5}}}});
  EXPECT_EQ(y.shape, (Shape{1, 2, 1, 1}));
  EXPECT_THAT(y.values, ElementsAre(1.5f, 4));
}

Floats resized(const std::string& mode, const std::string& transform, const std::string& nearest, Floats row,
               float scale) {
  const int64_t width = static_cast<int64_t>(row.size());
  GraphBuilder builder;
  builder.input("x", {1, 1, 1, width})
      .constant("scales", {4}, {1, 1, 1, scale})
      .node("Resize", {"x", "", "scales"}, {"y"},
            {{"mode", mode}, {"coordinate_transformation_mode", transform}, {"nearest_mode", nearest}});
  return run(builder, {{"x", {{1, 1, 1, width}, std::move(row)}}}).values;
}

TEST(Resize, Nearest) {
  EXPECT_THAT(resized("nearest", "asymmetric", "floor", {1, 2, 3}, 2), ElementsAre(1, 1, 2, 2, 3, 3));
  EXPECT_THAT(resized("nearest", "half_pixel", "round_prefer_floor", {1, 2, 3, 4}, 0.5f), ElementsAre(1, 3));
  EXPECT_THAT(resized("nearest", "asymmetric", "ceil", {1, 2, 3}, 2), ElementsAre(1, 2, 2, 3, 3, 3));
}

TEST(Resize, LinearAsInTheSpecification) {  // the row of spec/numerics.md section 12
  EXPECT_THAT(resized("linear", "half_pixel", "floor", {10, 21, -7, 4}, 2),
              ElementsAre(10, 12.75f, 18.25f, 14, 0, -4.25f, 1.25f, 4));
  EXPECT_THAT(resized("linear", "align_corners", "floor", {0, 3}, 2), ElementsAre(0, 1, 2, 3));
}

TEST(Resize, BothDirectionsBySizes) {
  GraphBuilder builder;
  builder.input("x", {1, 1, 2, 2})
      .integers("sizes", {1, 1, 4, 2})
      .node("Resize", {"x", "", "", "sizes"}, {"y"},
            {{"coordinate_transformation_mode", std::string("asymmetric")},
             {"nearest_mode", std::string("floor")}});
  EXPECT_THAT(run(builder, {{"x", {{1, 1, 2, 2}, {1, 2, 3, 4}}}}).values,
              ElementsAre(1, 2, 1, 2, 3, 4, 3, 4));
}

TEST(Reductions, OverAxesFromInputOrAttribute) {
  const auto reduced = [](const std::string& op) {
    GraphBuilder builder;
    builder.input("x", {2, 3}).node(op, {"x"}, {"y"}, {{"axes", Integers{-1}}, {"keepdims", int64_t{0}}});
    return run(builder, {{"x", {{2, 3}, {1, 2, 6, -1, -2, -6}}}}).values;
  };
  EXPECT_THAT(reduced("ReduceSum"), ElementsAre(9, -9));
  EXPECT_THAT(reduced("ReduceMean"), ElementsAre(3, -3));
  EXPECT_THAT(reduced("ReduceMax"), ElementsAre(6, -1));
  EXPECT_THAT(reduced("ReduceMin"), ElementsAre(1, -6));
  GraphBuilder builder;
  builder.input("x", {2, 3}).integers("axes", {0}).node("ReduceSum", {"x", "axes"}, {"y"});
  const Array y = run(builder, {{"x", {{2, 3}, counting(6)}}});
  EXPECT_EQ(y.shape, (Shape{1, 3}));
  EXPECT_THAT(y.values, ElementsAre(3, 5, 7));
}

TEST(Normalization, LayerAndBatch) {
  GraphBuilder layer;
  layer.input("x", {1, 4})
      .constant("scale", {4}, {1, 1, 2, 2})
      .constant("offset", {4}, {0, 0, 0, 1})
      .node("LayerNormalization", {"x", "scale", "offset"}, {"y"}, {{"epsilon", 0.0f}});
  EXPECT_THAT(run(layer, {{"x", {{1, 4}, {1, 1, 3, 3}}}}).values,
              Pointwise(FloatNear(1e-6f), Floats{-1, -1, 2, 3}));
  GraphBuilder batch;
  batch.input("x", {1, 2, 1, 1})
      .constant("scale", {2}, {2, 1})
      .constant("offset", {2}, {1, 0})
      .constant("mean", {2}, {3, 0})
      .constant("variance", {2}, {4, 1})
      .node("BatchNormalization", {"x", "scale", "offset", "mean", "variance"}, {"y"}, {{"epsilon", 0.0f}});
  EXPECT_THAT(run(batch, {{"x", {{1, 2, 1, 1}, {5, 7}}}}).values, ElementsAre(3, 7));
}

std::string message_of(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(Errors, NameTheNodeAndTheOperator) {
  GraphBuilder builder;
  builder.input("x", {1}).node("Einsum", {"x"}, {"y"});
  EXPECT_THAT(message_of([&] { engine::Engine engine(builder.graph()); }),
              testing::AllOf(HasSubstr("Einsum_0"), HasSubstr("operator Einsum")));
  GraphBuilder mismatch;
  mismatch.input("a", {2}).input("b", {3}).node("Add", {"a", "b"}, {"y"});
  EXPECT_THAT(message_of([&] {
                run(mismatch, {{"a", {{2}, {1, 2}}}, {"b", {{3}, {1, 2, 3}}}});
              }),
              HasSubstr("Add_0"));
  EXPECT_THAT(message_of([&] { run(mismatch, {{"a", {{2}, {1, 2}}}}); }), HasSubstr("'b'"));
  EXPECT_THAT(message_of([&] {
                run(mismatch, {{"a", {{2}, {1}}}, {"b", {{3}, {1, 2, 3}}}});
              }),
              HasSubstr("'a'"));
}

}  // namespace
}  // namespace shrike::tests
