// The runtime's own exp, log and pow give the correctly rounded float, taken here from the C library's double
// functions, over a sweep of all magnitudes. Doubles' own error makes a tie look different once in 10^8
// cases; none is in the sweep.
#include "ops/float_math.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#include "ops/functions.h"

namespace shrike {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

// Equal bits, or both NaN.
bool same(float a, float b) {
  return std::bit_cast<uint32_t>(a) == std::bit_cast<uint32_t>(b) || (std::isnan(a) && std::isnan(b));
}

template <typename Body>
void for_many_floats(const Body& body) {
  for (uint64_t bits = 0; bits < uint64_t{1} << 32; bits += 4001) {
    body(std::bit_cast<float>(static_cast<uint32_t>(bits)));
  }
}

TEST(FloatMath, ExponentialIsCorrectlyRounded) {
  int64_t wrong = 0;
  for_many_floats(
      [&](float x) { wrong += !same(exp_f32(x), static_cast<float>(std::exp(static_cast<double>(x)))); });
  EXPECT_EQ(wrong, 0);
}

TEST(FloatMath, ExponentialOfEveryEightBitSoftmaxEntryIsCorrectlyRounded) {
  for (int exponent = -12; exponent <= 2; ++exponent) {
    for (int q = -128; q < 128; ++q) {
      const double x = std::ldexp(q, exponent);
      EXPECT_TRUE(same(exp_f32(static_cast<float>(x)), static_cast<float>(std::exp(x)))) << x;
    }
  }
}

TEST(FloatMath, LogarithmIsCorrectlyRounded) {
  int64_t wrong = 0;
  for_many_floats(
      [&](float x) { wrong += !same(log_f32(x), static_cast<float>(std::log(static_cast<double>(x)))); });
  EXPECT_EQ(wrong, 0);
}

TEST(FloatMath, PowerIsCorrectlyRounded) {
  int64_t wrong = 0;
  for (float x = 0.01f; x < 300.0f; x *= 1.0137f) {
    for (float y : {-7.0f, -2.5f, -1.0f, -0.3f, 0.5f, 1.7f, 2.0f, 3.0f, 11.0f}) {
      wrong +=
          !same(pow_f32(x, y), static_cast<float>(std::pow(static_cast<double>(x), static_cast<double>(y))));
    }
  }
  EXPECT_EQ(wrong, 0);
}

TEST(FloatMath, PowersThatFitAreExact) {
  EXPECT_EQ(pow_f32(3.0f, 15.0f), 14348907.0f);
  EXPECT_EQ(pow_f32(-3.0f, 3.0f), -27.0f);
  EXPECT_EQ(pow_f32(-2.0f, -2.0f), 0.25f);
  EXPECT_EQ(pow_f32(2.0f, -149.0f), std::numeric_limits<float>::denorm_min());
  EXPECT_EQ(pow_f32(4097.0f, 2.0f), 16785408.0f);  // 16785409 is a tie: to even
}

TEST(FloatMath, SpecialValuesAreThoseOfTheCStandard) {
  const float values[] = {0.0f, -0.0f, 1.0f, -1.0f, kInfinity, -kInfinity, NAN,
                          2.0f, -2.0f, 3.0f, -3.0f, 0.5f,      -0.5f};
  for (float x : values) {
    EXPECT_TRUE(same(exp_f32(x), std::exp(x))) << x;
    EXPECT_TRUE(same(log_f32(x), std::log(x))) << x;
    for (float y : values) EXPECT_TRUE(same(pow_f32(x, y), std::pow(x, y))) << x << " to the " << y;
  }
  EXPECT_EQ(exp_f32(1e30f), kInfinity);
  EXPECT_EQ(exp_f32(-1e30f), 0.0f);
}

// An x86 gives 0xffc00000, the others 0x7fc00000; hashes of outputs are compared between machines.
TEST(FloatMath, TheRootOfANegativeNumberHasTheSameBitsOnEveryMachine) {
  FunctionParameters parameters{};
  parameters.function = Function::kSqrt;
  EXPECT_EQ(std::bit_cast<uint32_t>(evaluate(parameters, -4.0f)), 0x7fc00000u);
  EXPECT_EQ(evaluate(parameters, 4.0f), 2.0f);
  EXPECT_EQ(std::bit_cast<uint32_t>(evaluate(parameters, -0.0f)), 0x80000000u);
}

TEST(FloatMath, SigmoidAndTangentSaturateAndAreSymmetric) {
  EXPECT_EQ(sigmoid_f32(0.0f), 0.5f);
  EXPECT_EQ(sigmoid_f32(200.0f), 1.0f);
  EXPECT_EQ(sigmoid_f32(-200.0f), 0.0f);
  EXPECT_EQ(tanh_f32(0.0f), 0.0f);
  EXPECT_EQ(tanh_f32(100.0f), 1.0f);
  EXPECT_EQ(tanh_f32(-100.0f), -1.0f);
}

}  // namespace
}  // namespace shrike
