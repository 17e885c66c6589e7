// See float_math.h. Everything is evaluated in double with a relative error below 1e-14 and rounded to float
// once, so a result differs from the correctly rounded one only within 1e-7 ulp of a tie.
#include "ops/float_math.h"

#include <math.h>
#include <stdint.h>

namespace shrike {
namespace {

constexpr double kLn2 = 0x1.62e42fefa39efp-1;
// ln(2)/32 in two parts; the first has 20 trailing zero bits, so that its product with |k| < 2^20 is exact.
constexpr double kStepHigh = 0x1.62e42fef00000p-6;
constexpr double kStepLow = 0x1.473de6af278edp-39;
constexpr double kStepsPerUnit = 0x1.71547652b82fep+5;  // 32/ln(2)
constexpr float kInfinity = __builtin_inff();

// 2^(i/32)
constexpr double kRoots[32] = {
    0x1.0000000000000p+0, 0x1.059b0d3158574p+0, 0x1.0b5586cf9890fp+0, 0x1.11301d0125b51p+0,
    0x1.172b83c7d517bp+0, 0x1.1d4873168b9aap+0, 0x1.2387a6e756238p+0, 0x1.29e9df51fdee1p+0,
    0x1.306fe0a31b715p+0, 0x1.371a7373aa9cbp+0, 0x1.3dea64c123422p+0, 0x1.44e086061892dp+0,
    0x1.4bfdad5362a27p+0, 0x1.5342b569d4f82p+0, 0x1.5ab07dd485429p+0, 0x1.6247eb03a5585p+0,
    0x1.6a09e667f3bcdp+0, 0x1.71f75e8ec5f74p+0, 0x1.7a11473eb0187p+0, 0x1.82589994cce13p+0,
    0x1.8ace5422aa0dbp+0, 0x1.93737b0cdc5e5p+0, 0x1.9c49182a3f090p+0, 0x1.a5503b23e255dp+0,
    0x1.ae89f995ad3adp+0, 0x1.b7f76f2fb5e47p+0, 0x1.c199bdd85529cp+0, 0x1.cb720dcef9069p+0,
    0x1.d5818dcfba487p+0, 0x1.dfc97337b9b5fp+0, 0x1.ea4afa2a490dap+0, 0x1.f50765b6e4540p+0,
};

// e^x for |x| < 700: x = k ln(2)/32 + r, e^x = 2^(k div 32) 2^(k mod 32 / 32) e^r, |r| <= ln(2)/64.
double exp_bounded(double x) {
  const int32_t k = static_cast<int32_t>(x * kStepsPerUnit + (x < 0 ? -0.5 : 0.5));
  const double r = (x - k * kStepHigh) - k * kStepLow;
  const double tail = r * (1.0 + r * (1.0 / 2 + r * (1.0 / 6 + r * (1.0 / 24 + r * (1.0 / 120)))));
  const uint64_t biased = static_cast<uint64_t>((k >> 5) + 1023);
  const double scale = __builtin_bit_cast(double, biased << 52);
  const double root = kRoots[k & 31];
  return (root + root * tail) * scale;
}

// ln(x) for a positive, normal x: x = m 2^e with m in [0.7, 1.42), ln(m) = 2 atanh((m - 1) / (m + 1)).
double log_normal(double x) {
  const uint64_t bits = __builtin_bit_cast(uint64_t, x);
  int32_t e = static_cast<int32_t>(bits >> 52) - 1023;
  double m = __builtin_bit_cast(double, (bits & 0xfffffffffffffull) | (uint64_t{1023} << 52));
  if (m > 1.4142135623730951) {
    m *= 0.5;
    ++e;
  }
  const double s = (m - 1.0) / (m + 1.0);
  const double z = s * s;
  double series = 1.0 / 19;
  for (int32_t n = 17; n >= 3; n -= 2) series = series * z + 1.0 / n;
  return e * kLn2 + 2.0 * (s + s * z * series);
}

// x^n by squaring: exact whenever the power has at most 53 bits, so that exact ties round as they should.
double integer_power(double x, int32_t n) {
  double result = 1.0;
  for (uint32_t left = static_cast<uint32_t>(n < 0 ? -n : n); left != 0; left >>= 1) {
    if (left & 1) result *= x;
    x *= x;
  }
  return n < 0 ? 1.0 / result : result;
}

bool is_integer(float x) {
  return fabsf(x) >= 8388608.0f || x == truncf(x);
}
bool is_odd(float x) {
  return is_integer(x) && fabsf(x) < 16777216.0f && (static_cast<int32_t>(x) & 1) != 0;
}

}  // namespace

float exp_f32(float x) {
  if (x != x) return x;
  if (x > 89.0f) return kInfinity;
  if (x < -104.0f) return 0.0f;
  return static_cast<float>(exp_bounded(x));
}

float log_f32(float x) {
  if (x != x || x == kInfinity) return x;
  if (x == 0.0f) return -kInfinity;
  if (x < 0.0f) return __builtin_nanf("");
  return static_cast<float>(log_normal(x));
}

float pow_f32(float x, float y) {
  if (y == 0.0f || x == 1.0f) return 1.0f;
  if (x != x || y != y) return x + y;
  const bool negative = __builtin_signbit(x) && is_odd(y);
  const float magnitude = fabsf(x);
  if (x < 0.0f && x > -kInfinity && fabsf(y) < kInfinity && !is_integer(y)) return __builtin_nanf("");

  double power;
  if (magnitude == 1.0f) {
    power = 1.0;
  } else if (magnitude == 0.0f || magnitude == kInfinity || fabsf(y) == kInfinity) {
    power = (magnitude > 1.0f) == (y > 0.0f) ? static_cast<double>(kInfinity) : 0.0;
  } else if (is_integer(y) && fabsf(y) <= 64.0f) {
    power = integer_power(magnitude, static_cast<int32_t>(y));
  } else {
    const double exponent = static_cast<double>(y) * log_normal(magnitude);
    power = exponent > 89.0     ? static_cast<double>(kInfinity)
            : exponent < -104.0 ? 0.0
                                : exp_bounded(exponent);
  }
  const float result = static_cast<float>(power);
  return negative ? -result : result;
}

float sigmoid_f32(float x) {
  return static_cast<float>(1.0 / (1.0 + static_cast<double>(exp_f32(-x))));
}

float tanh_f32(float x) {
  return 2.0f * sigmoid_f32(2.0f * x) - 1.0f;
}

}  // namespace shrike
