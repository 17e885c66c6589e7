// Gram matrices against the definition, and the factor that second-order rounding uses.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "toolchain/engine/linalg.h"
#include "toolchain/graph/graph.h"
#include "toolchain/support/error.h"

namespace shrike::tests {
namespace {

std::vector<float> small_integers(int64_t count, unsigned seed) {
  std::mt19937 generator(seed);
  std::vector<float> values;
  for (int64_t i = 0; i < count; ++i)
    values.push_back(static_cast<float>(static_cast<int>(generator() % 9) - 4));
  return values;
}

// Rows of the im2col matrix of one group, in the order of the filter's weights.
std::vector<std::vector<double>> rows_of(const std::vector<float>& x, const graph::Shape& shape,
                                         const engine::ConvSpec& spec, int64_t group) {
  const int64_t channels = shape[1] / spec.groups;
  const int64_t out_h =
      (shape[2] + spec.pads[0] + spec.pads[2] - spec.dilation_h * (spec.kernel_h - 1) - 1) / spec.stride_h +
      1;
  const int64_t out_w =
      (shape[3] + spec.pads[1] + spec.pads[3] - spec.dilation_w * (spec.kernel_w - 1) - 1) / spec.stride_w +
      1;
  std::vector<std::vector<double>> rows;
  for (int64_t n = 0; n < shape[0]; ++n)
    for (int64_t i = 0; i < out_h; ++i)
      for (int64_t j = 0; j < out_w; ++j) {
        std::vector<double> row;
        for (int64_t c = 0; c < channels; ++c)
          for (int64_t u = 0; u < spec.kernel_h; ++u)
            for (int64_t v = 0; v < spec.kernel_w; ++v) {
              const int64_t y = i * spec.stride_h - spec.pads[0] + u * spec.dilation_h;
              const int64_t z = j * spec.stride_w - spec.pads[1] + v * spec.dilation_w;
              const bool inside = y >= 0 && y < shape[2] && z >= 0 && z < shape[3];
              row.push_back(inside ? x[((n * shape[1] + group * channels + c) * shape[2] + y) * shape[3] + z]
                                   : 0.0);
            }
        rows.push_back(row);
      }
  return rows;
}

StridedValues row_major(const std::vector<float>& values, const graph::Shape& shape) {
  return {values.data(),
          ElementKind::kFloat,
          1,
          shape,
          {shape[1] * shape[2] * shape[3], shape[2] * shape[3], shape[3], 1}};
}

StridedValues channels_last(const std::vector<int8_t>& stored, const graph::Shape& shape) {
  return {stored.data(),
          ElementKind::kInt8,
          0.5f,
          shape,
          {shape[1] * shape[2] * shape[3], 1, shape[3] * shape[1], shape[1]}};
}

void expect_products(const engine::ConvSpec& spec, const graph::Shape& shape) {
  const int64_t count = shape[0] * shape[1] * shape[2] * shape[3];
  const std::vector<float> inputs = small_integers(count, 1);
  engine::GramAccumulator sums(spec, shape[1]);
  sums.add(row_major(inputs, shape));
  // Once more, as the runtime stores them: integers, channels last.
  std::vector<int8_t> stored(inputs.size());
  const StridedValues last = channels_last(stored, shape);
  size_t at = 0;
  for_every(last.shape, last.strides, 1, [&](int64_t offset) {
    stored[static_cast<size_t>(offset)] = static_cast<int8_t>(2 * inputs[at++]);
  });
  sums.add(last);
  const std::vector<double>& triangles = sums.triangles();
  const int64_t k = sums.size(), triangle = k * (k + 1) / 2;
  ASSERT_EQ(k, shape[1] / spec.groups * spec.kernel_h * spec.kernel_w);
  for (int64_t group = 0; group < spec.groups; ++group) {
    const auto a = rows_of(inputs, shape, spec, group);
    ASSERT_EQ(sums.rows(), 2 * static_cast<int64_t>(a.size()));
    for (int64_t i = 0; i < k; ++i) {
      double total = 0;
      for (const auto& row : a) total += row[static_cast<size_t>(i)];
      ASSERT_DOUBLE_EQ(sums.mean()[static_cast<size_t>(group * k + i)],
                       total / static_cast<double>(a.size()));
      for (int64_t j = 0; j <= i; ++j) {
        double square = 0;
        for (const auto& row : a) square += row[static_cast<size_t>(i)] * row[static_cast<size_t>(j)];
        const size_t at = static_cast<size_t>(group * triangle + i * (i + 1) / 2 + j);
        ASSERT_EQ(triangles[at], 2 * square) << group << " " << i << " " << j;
      }
    }
  }
}

TEST(Gram, OfAConvolution) {
  engine::ConvSpec spec{3, 3, 2, 2, 1, 1, {1, 1, 1, 1}, 1};
  expect_products(spec, {2, 5, 9, 8});  // k = 45: the library's product
}
TEST(Gram, OfAPointwiseConvolution) {
  expect_products({1, 1, 2, 1, 1, 1, {0, 0, 0, 0}, 1}, {1, 40, 5, 4});
}
TEST(Gram, OfADepthwiseConvolution) {
  expect_products({3, 3, 1, 1, 1, 2, {0, 2, 2, 1}, 6}, {2, 6, 6, 7});
}
TEST(Gram, OfAGroupedConvolution) {
  expect_products({3, 3, 1, 1, 1, 1, {1, 1, 1, 1}, 2}, {1, 8, 4, 4});
}

// Sixteen bits that differ in the last two: float32 sums of their squares are good to 2^-24 of 30000^2 alone.
TEST(Gram, OfNumbersFarLargerThanTheirDifferences) {
  const graph::Shape shape = {1, 40, 8, 8};
  const std::vector<float> differences = small_integers(40 * 64, 3);
  std::vector<int16_t> stored;
  for (const float difference : differences)
    stored.push_back(static_cast<int16_t>(30000 + std::lround(difference)));
  engine::GramAccumulator sums({}, 40);
  sums.add({stored.data(), ElementKind::kInt16, 1, shape, {40 * 64, 64, 8, 1}});
  const std::vector<double> mean = sums.mean();
  for (size_t i = 0; i < 40; ++i) {
    for (size_t j = 0; j <= i; ++j) {
      double covariance = 0, means[2] = {};
      for (size_t p = 0; p < 64; ++p) {
        const double a = differences[i * 64 + p], b = differences[j * 64 + p];
        covariance += a * b / 64;
        means[0] += a / 64;
        means[1] += b / 64;
      }
      covariance -= means[0] * means[1];
      EXPECT_NEAR(sums.triangles()[i * (i + 1) / 2 + j] / 64 - mean[i] * mean[j], covariance, 1e-4)
          << i << " " << j;
    }
  }
}

TEST(Gram, TakesEvenlySpreadPositions) {
  engine::GramAccumulator sums({}, 1, 2);
  const std::vector<float> x = {1, 2, 4, 8};
  sums.add(row_major(x, {1, 1, 2, 2}));
  EXPECT_EQ(sums.rows(), 2);
  EXPECT_THAT(sums.triangles(), testing::ElementsAre(2 * 2 + 8 * 8));
  EXPECT_THAT(sums.mean(), testing::ElementsAre(5));
}

class CholeskyTest : public testing::TestWithParam<int64_t> {};

TEST_P(CholeskyTest, FactorTimesMatrixIsTheIdentity) {
  const int64_t n = GetParam();
  std::mt19937 generator(7);
  std::normal_distribution<double> normal;
  std::vector<double> root(static_cast<size_t>(n * n)), h(static_cast<size_t>(n * n), 0.0);
  for (double& value : root) value = normal(generator);
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j < n; ++j)
      for (int64_t t = 0; t < n; ++t)
        h[static_cast<size_t>(i * n + j)] +=
            root[static_cast<size_t>(i * n + t)] * root[static_cast<size_t>(j * n + t)];
  double mean = 0;
  for (int64_t i = 0; i < n; ++i) mean += h[static_cast<size_t>(i * n + i)] / static_cast<double>(n);
  const std::vector<double> u = engine::cholesky_inverse_upper(h, n, 0.1);
  for (int64_t i = 0; i < n; ++i) h[static_cast<size_t>(i * n + i)] += 0.1 * mean;
  // U^T U H = I, so U H = U^-T: lower triangular with the inverse of U's diagonal.
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = 0; j < n; ++j) {
      if (j < i) {
        ASSERT_EQ(u[static_cast<size_t>(i * n + j)], 0.0);
      }
      double product = 0;
      for (int64_t t = 0; t < n; ++t)
        product += u[static_cast<size_t>(i * n + t)] * h[static_cast<size_t>(t * n + j)];
      if (j > i) {
        ASSERT_NEAR(product, 0, 1e-8 * mean);
      }
      if (j == i) {
        ASSERT_NEAR(product * u[static_cast<size_t>(i * n + i)], 1, 1e-10);
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Sizes, CholeskyTest, testing::Values(1, 2, 47, 48, 49, 130));

TEST(Cholesky, SilentInputsAndBadMatrices) {
  const std::vector<double> u = engine::cholesky_inverse_upper({4, 0, 0, 0}, 2, 0);
  EXPECT_THAT(u, testing::ElementsAre(0.5, 0, 0, 1));
  EXPECT_THROW(engine::cholesky_inverse_upper({1, 2, 2, 1}, 2, 0), Error);
  EXPECT_THROW(engine::cholesky_inverse_upper({1, 2, 2}, 2, 0), Error);
}

}  // namespace
}  // namespace shrike::tests
