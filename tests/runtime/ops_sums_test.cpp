// Pooling, reductions, softmax, normalisation and resize on the worked examples of spec/numerics.md and on
// cases that can be computed by hand.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <span>

#include "tests/runtime/one_node.h"
#include "toolchain/support/error.h"

namespace shrike::tests {
namespace {

using testing::ElementsAre;
using testing::FloatEq;
using Dims = std::vector<int64_t>;

std::vector<OutputFormat> int8_at(int exponent) {
  return {{DataType::kInt8, exponent}};
}
std::vector<OutputFormat> int16_at(int exponent) {
  return {{DataType::kInt16, exponent}};
}

std::vector<int8_t> reduce(const std::string& op, const Operand& input, int exponent,
                           const std::string& target, const AttributeMap& attributes = {}) {
  return OneNode(op, {input, int64s({-1})}, attributes, int8_at(exponent), target).run().output<int8_t>();
}

// spec/numerics.md 11.3: n = 3, S = 9, 15, 3 one exponent up.
TEST(ReduceMean, RoundsTiesAsTheTargetDoes) {
  const Operand input = int8s({3, 3}, {3, 3, 3, 5, 5, 5, 1, 1, 1}, -4);
  EXPECT_THAT(reduce("ReduceMean", input, -3, "esp32s3"), ElementsAre(2, 3, 1));
  EXPECT_THAT(reduce("ReduceMean", input, -3, "esp32"), ElementsAre(2, 3, 1));
  EXPECT_THAT(reduce("ReduceMean", input, -3, "esp32p4"), ElementsAre(2, 2, 0));
}

TEST(ReduceSum, ShiftsTheExactSum) {  // S = 1000, shift 4: 62.5
  const Operand input = int8s({1, 10}, std::vector<int8_t>(10, 100), -7);
  EXPECT_THAT(reduce("ReduceSum", input, -3, "esp32s3"), ElementsAre(63));
  EXPECT_THAT(reduce("ReduceSum", input, -3, "esp32p4"), ElementsAre(62));
  EXPECT_THAT(reduce("ReduceSum", input, -8, "esp32p4"), ElementsAre(127)) << "a left shift saturates";
}

TEST(ReduceSum, HandlesAnySetOfAxes) {
  const Operand input = int8s({2, 3, 2}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12});
  const auto sum = [&](const Dims& axes, int64_t keep) {
    return OneNode("ReduceSum", {input, int64s(axes)}, {{"keepdims", keep}}, int8_at(0));
  };
  OneNode outer_and_inner = sum({0, 2}, 1);
  EXPECT_THAT(outer_and_inner.run().output<int8_t>(), ElementsAre(18, 26, 34));
  EXPECT_EQ(outer_and_inner.dims(), (Dims{1, 3, 1}));
  OneNode middle = sum({1}, 0);
  EXPECT_THAT(middle.run().output<int8_t>(), ElementsAre(9, 12, 27, 30));
  EXPECT_EQ(middle.dims(), (Dims{2, 2}));
  OneNode all = sum({0, 1, 2}, 0);
  EXPECT_THAT(all.run().output<int8_t>(), ElementsAre(78));
  EXPECT_EQ(all.dims(), (Dims{1})) << "the chip knows no scalars";
}

TEST(Reductions, FollowTheirFormulas) {
  const Operand input = int8s({1, 4}, {3, -4, 12, -1}, -1);  // 1.5, -2, 6, -0.5
  EXPECT_THAT(reduce("ReduceMax", input, -1, "esp32p4"), ElementsAre(12));
  EXPECT_THAT(reduce("ReduceMin", input, -1, "esp32p4"), ElementsAre(-4));
  EXPECT_THAT(reduce("ReduceL1", input, 0, "esp32p4"), ElementsAre(10));
  EXPECT_THAT(reduce("ReduceSumSquare", input, 0, "esp32p4"), ElementsAre(42));  // 42.5, to even
  EXPECT_THAT(reduce("ReduceSumSquare", input, 0, "esp32s3"), ElementsAre(43));
  EXPECT_THAT(reduce("ReduceL2", input, -4, "esp32p4"), ElementsAre(104));        // sqrt(42.5) = 6.5192
  EXPECT_THAT(reduce("ReduceProd", input, -3, "esp32p4"), ElementsAre(72));       // 9
  EXPECT_THAT(reduce("ReduceLogSum", input, -5, "esp32p4"), ElementsAre(52));     // ln 5 = 1.6094
  EXPECT_THAT(reduce("ReduceLogSumExp", input, -4, "esp32p4"), ElementsAre(96));  // 6.0128
}

TEST(Reductions, RefuseWhatTheyCannotMean) {
  const Operand input = int8s({2, 2}, {1, 2, 3, 4});
  EXPECT_THROW(OneNode("ReduceSum", {input, int64s({2})}, {}, int8_at(0)), Error);
  EXPECT_THROW(OneNode("ReduceSum", {input, int64s({1, -1})}, {}, int8_at(0)), Error);
  EXPECT_THROW(OneNode("ReduceMax", {input, int64s({1})}, {}, int8_at(1)), Error);
  EXPECT_THROW(OneNode("ReduceMean", {input, int64s({1})}, {}, int16_at(0)), Error);
  EXPECT_THROW(OneNode("ReduceMean", {input, int8s({1}, {1})}, {}, int8_at(0)), Error);
}

AttributeMap pool(const Dims& kernel, const Dims& strides, const Dims& pads) {
  return {{"kernel_shape", kernel}, {"strides", strides}, {"pads", pads}};
}

TEST(MaxPool, PaddingNeverWins) {
  const Operand input = int8s({1, 2, 2, 1}, {-5, -6, -7, -128});
  OneNode node("MaxPool", {input}, pool({3, 3}, {1, 1}, {1, 1, 1, 1}), int8_at(0));
  EXPECT_THAT(node.run().output<int8_t>(), ElementsAre(-5, -5, -5, -5));
}

TEST(MaxPool, EqualsTheNaiveMaximumForAnyWindowAndThreadCount) {
  const int height = 9, width = 11, channels = 5;
  std::vector<int8_t> values(static_cast<size_t>(height * width * channels));
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<int8_t>(i * 57 + i * i / 7);
  for (int kernel : {1, 2, 3, 5}) {
    for (int stride : {1, 2, 3}) {
      const int pad = kernel / 2;
      const int64_t k = kernel, s = stride, p = pad;
      std::vector<int8_t> expected;
      for (int y = -pad; y + kernel <= height + pad; y += stride) {
        for (int x = -pad; x + kernel <= width + pad; x += stride) {
          for (int c = 0; c < channels; ++c) {
            int8_t largest = -128;
            for (int v = std::max(y, 0); v < std::min(y + kernel, height); ++v) {
              for (int u = std::max(x, 0); u < std::min(x + kernel, width); ++u) {
                largest = std::max(largest, values[static_cast<size_t>((v * width + u) * channels + c)]);
              }
            }
            expected.push_back(largest);
          }
        }
      }
      for (int threads : {1, 2}) {
        OneNode node("MaxPool", {int8s({1, height, width, channels}, values)},
                     pool({k, k}, {s, s}, {p, p, p, p}), int8_at(0), "esp32p4", threads);
        EXPECT_EQ(node.run().output<int8_t>(), expected)
            << kernel << " by " << kernel << ", stride " << stride;
      }
    }
  }
}

TEST(Pools, RefuseWindowsOutsideTheInput) {
  const Operand input = int8s({1, 2, 2, 1}, {1, 2, 3, 4});
  for (const char* op : {"MaxPool", "AveragePool"}) {
    EXPECT_THROW(OneNode(op, {input}, pool({3, 3}, {1, 1}, {0, 0, 0, 0}), int8_at(0)), Error);
    EXPECT_THROW(OneNode(op, {input}, pool({1, 1}, {1, 1}, {1, 1, 1, 1}), int8_at(0)), Error);
    EXPECT_THROW(OneNode(op, {input}, pool({1, 1}, {0, 1}, {0, 0, 0, 0}), int8_at(0)), Error);
    EXPECT_THROW(OneNode(op, {input}, pool({1}, {1, 1}, {0, 0, 0, 0}), int8_at(0)), Error);
    EXPECT_THROW(OneNode(op, {input}, {}, int8_at(0)), Error);
  }
}

// spec/numerics.md 11.2: area 49, S = 147 and 245, one exponent up.
TEST(GlobalAveragePool, RoundsTiesAsTheTargetDoes) {
  std::vector<int8_t> values;
  for (int i = 0; i < 49; ++i) values.insert(values.end(), {3, 5});
  const Operand input = int8s({1, 7, 7, 2}, values, -4);
  EXPECT_THAT(OneNode("GlobalAveragePool", {input}, {}, int8_at(-3), "esp32s3").run().output<int8_t>(),
              ElementsAre(2, 3));
  EXPECT_THAT(OneNode("GlobalAveragePool", {input}, {}, int8_at(-3), "esp32p4").run().output<int8_t>(),
              ElementsAre(2, 2));
}

TEST(AveragePool, DividesByTheWholeKernelAtBorders) {
  const Operand input = int8s({1, 1, 2, 1}, {30, 60});
  OneNode node("AveragePool", {input}, pool({1, 3}, {1, 1}, {0, 1, 0, 1}), int8_at(0));
  EXPECT_THAT(node.run().output<int8_t>(), ElementsAre(30, 30));
}

// spec/numerics.md section 10: logits 1, 0, -1.
TEST(Softmax, FollowsTheWorkedExample) {
  OneNode node("Softmax", {int8s({1, 3}, {16, 0, -16}, -4)}, {{"axis", int64_t{-1}}},
               {{DataType::kFloat32, 0}});
  const float e = 2.7182817f, f = 0.36787945f;  // exp(1), exp(-1) rounded to float
  const float sum = e + 1.0f + f;
  EXPECT_THAT(node.run().output<float>(), ElementsAre(e / sum, 1.0f / sum, f / sum));
}

// Rows are summed several at a time, each in its own order.
TEST(Softmax, OfManyRowsIsThatOfEveryRow) {
  const int64_t size = 37;
  for (const int64_t rows : {1, 3, 4, 9, 250}) {
    std::vector<int8_t> logits(static_cast<size_t>(rows * size));
    for (size_t i = 0; i < logits.size(); ++i) logits[i] = static_cast<int8_t>(i * 57 + i * i / 7);
    for (const int threads : {1, 2}) {
      OneNode all("Softmax", {int8s({rows, size}, logits, -5)}, {}, {{DataType::kFloat32, 0}}, "esp32p4",
                  threads);
      const std::vector<float> found = all.run().output<float>();
      for (int64_t row = 0; row < rows; ++row) {
        const std::vector<int8_t> own(logits.begin() + row * size, logits.begin() + (row + 1) * size);
        OneNode one("Softmax", {int8s({1, size}, own, -5)}, {}, {{DataType::kFloat32, 0}});
        ASSERT_TRUE(std::ranges::equal(
            one.run().output<float>(),
            std::span(found).subspan(static_cast<size_t>(row * size), static_cast<size_t>(size))));
      }
    }
  }
}

// Two threads take whole products, four have to share each; sums that saturate are counted the same.
TEST(MatMul, IsTheSameForAnyNumberOfThreads) {
  const int64_t products = 3, rows = 40, inner = 96, columns = 48;
  std::vector<int8_t> left(static_cast<size_t>(products * rows * inner));
  std::vector<int8_t> right(static_cast<size_t>(products * inner * columns));
  for (size_t i = 0; i < left.size(); ++i) left[i] = static_cast<int8_t>(100 + i % 27);
  for (size_t i = 0; i < right.size(); ++i) right[i] = static_cast<int8_t>(i % 120);
  const std::vector<Operand> operands = {int8s({products, rows, inner}, left, -7),
                                         int8s({products, inner, columns}, right, -7)};
  for (const char* target : {"esp32p4", "esp32s3"}) {
    OneNode alone("MatMul", operands, {}, int8_at(-2), target);
    const std::vector<int8_t> expected = alone.run().output<int8_t>();
    if (std::string(target) == "esp32s3") {
      EXPECT_GT(alone.saturated(), 0u);
    }
    for (const int threads : {2, 4}) {
      OneNode shared("MatMul", operands, {}, int8_at(-2), target, threads);
      EXPECT_EQ(shared.run().output<int8_t>(), expected) << target << ", " << threads << " threads";
      EXPECT_EQ(shared.saturated(), alone.saturated());
    }
  }
}

TEST(Softmax, SixteenBitSubtractsTheMaximum) {  // logits 200, 200: e^200 has no float
  OneNode node("Softmax", {int16s({2}, {3200, 3200}, -4)}, {{"axis", int64_t{0}}}, {{DataType::kFloat32, 0}});
  EXPECT_THAT(node.run().output<float>(), ElementsAre(0.5f, 0.5f));
}

TEST(Softmax, NormalisesAlongAnyAxis) {
  OneNode node("Softmax", {int8s({2, 2}, {0, 0, 0, 16}, -4)}, {{"axis", int64_t{0}}},
               {{DataType::kFloat32, 0}});
  const std::vector<float> p = node.run().output<float>();
  EXPECT_EQ(p[0], 0.5f);
  EXPECT_EQ(p[2], 0.5f);
  EXPECT_THAT(p[1] + p[3], FloatEq(1.0f));
  EXPECT_LT(p[1], p[3]);
}

TEST(LogSoftmax, IsTheLogitMinusTheLogOfTheSum) {
  OneNode node("LogSoftmax", {int8s({1, 2}, {16, 16}, -4)}, {}, {{DataType::kFloat32, 0}});
  const float sum = 2.7182817f + 2.7182817f;
  const float log_sum = static_cast<float>(std::log(static_cast<double>(sum)));
  EXPECT_THAT(node.run().output<float>(), ElementsAre(1.0f - log_sum, 1.0f - log_sum));
}

TEST(LpNormalization, OfZerosIsZero) {
  const AttributeMap attributes = {{"axis", int64_t{1}}, {"p", int64_t{2}}};
  OneNode node("LpNormalization", {int8s({2, 2}, {0, 0, 3, -4})}, attributes, int8_at(-6));
  EXPECT_THAT(node.run().output<int8_t>(), ElementsAre(0, 0, 38, -51));  // 0.6, -0.8
}

TEST(LayerNormalization, RefusesAScaleOfAnotherLength) {
  const Operand input = int8s({2, 2}, {1, 2, 3, 4});
  EXPECT_THROW(OneNode("LayerNormalization", {input, floats({1, 1, 1})}, {}, int8_at(-5)), Error);
  OneNode node("LayerNormalization", {input, floats({1, 1}), floats({0, 1})}, {}, int8_at(-5));
  EXPECT_THAT(node.run().output<int8_t>(), ElementsAre(-32, 64, -32, 64));
}

AttributeMap resize_mode(const std::string& mode, const std::string& transform) {
  return {{"mode", mode}, {"coordinate_transformation_mode", transform}};
}

// spec/numerics.md section 12.
TEST(Resize, LinearFollowsTheWorkedExample) {
  const Operand input = int8s({1, 1, 4, 1}, {10, 21, -7, 4});
  OneNode node("Resize", {input, absent(), floats({1, 1, 1, 2})}, resize_mode("linear", "half_pixel"),
               int8_at(0));
  EXPECT_THAT(node.run().output<int8_t>(), ElementsAre(10, 13, 18, 14, 0, -4, 1, 4));
}

TEST(Resize, NearestReplicatesPixelsWithAllChannels) {
  const Operand input = int8s({1, 1, 2, 2}, {1, 2, 3, 4});
  OneNode node("Resize", {input, absent(), floats({1, 1, 2, 2})}, resize_mode("nearest", "asymmetric"),
               int8_at(0));
  EXPECT_THAT(node.run().output<int8_t>(), ElementsAre(1, 2, 1, 2, 3, 4, 3, 4, 1, 2, 1, 2, 3, 4, 3, 4));
  EXPECT_EQ(node.dims(), (Dims{1, 2, 4, 2}));
}

TEST(Resize, NearestRescalesAndWrapsOnlyOnThePlainTarget) {
  const Operand input = int8s({1, 1, 2, 1}, {100, 5}, 0);
  const std::vector<Operand> operands = {input, absent(), floats({1, 1, 1, 1})};
  const AttributeMap attributes = resize_mode("nearest", "asymmetric");
  EXPECT_THAT(OneNode("Resize", operands, attributes, int8_at(-1), "esp32p4").run().output<int8_t>(),
              ElementsAre(127, 10));
  EXPECT_THAT(OneNode("Resize", operands, attributes, int8_at(-1), "esp32").run().output<int8_t>(),
              ElementsAre(-56, 10));
  EXPECT_THAT(OneNode("Resize", operands, attributes, int8_at(1), "esp32p4").run().output<int8_t>(),
              ElementsAre(50, 2));
  EXPECT_THAT(OneNode("Resize", operands, attributes, int8_at(1), "esp32s3").run().output<int8_t>(),
              ElementsAre(50, 3));
}

TEST(Resize, TakesSizesInOnnxOrder) {
  const Operand input = int8s({1, 2, 1, 1}, {1, 2});
  OneNode node("Resize", {input, absent(), absent(), int64s({1, 1, 3, 2})},
               resize_mode("nearest", "asymmetric"), int8_at(0));
  EXPECT_EQ(node.dims(), (Dims{1, 3, 2, 1}));
  EXPECT_THAT(node.run().output<int8_t>(), ElementsAre(1, 1, 1, 1, 2, 2));
}

TEST(Resize, RefusesScalesThatAreNotPositiveNumbers) {
  const Operand input = int8s({1, 1, 1, 1}, {1});
  for (float scale : {0.0f, -1.0f, 1e30f, 0.1f, NAN, INFINITY}) {
    EXPECT_THROW(OneNode("Resize", {input, absent(), floats({1, 1, scale, 1})},
                         resize_mode("nearest", "asymmetric"), int8_at(0)),
                 Error)
        << scale;
  }
}

}  // namespace
}  // namespace shrike::tests
