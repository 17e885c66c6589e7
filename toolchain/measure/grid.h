// Real values on grids of powers of two: value = integer * 2^exponent.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>

#include "shrike/tensor.h"

namespace shrike::quantize {

// The integer of `bits` bits (at most 64) nearest to value / 2^exponent, saturated (spec/numerics.md section
// 1.4).
inline int64_t integer_of(double value, int exponent, int bits, Rounding rounding) {
  const double scaled = std::ldexp(value, -exponent);
  const double rounded = rounding == Rounding::kHalfEven ? std::nearbyint(scaled) : std::floor(scaled + 0.5);
  const double limit = std::ldexp(1.0, bits - 1);
  if (rounded >= limit) return static_cast<int64_t>((uint64_t{1} << (bits - 1)) - 1);
  return static_cast<int64_t>(std::max(rounded, -limit));
}

// Half to even for |x| < 2^22, in a form that compilers vectorise.
inline float round_half_even(float x) {
  constexpr float magic = 12582912.0f;  // 1.5 * 2^23
  return (x + magic) - magic;
}

// How many steps the largest value may be away from zero. A value half a step beyond the highest code still
// rounds to it.
inline constexpr float kSteps8 = 127.5f;
inline constexpr float kSteps16 = 32767.5f;
// What loses half a step at one end alone: a picture's 1.0 at 2^-7 (spec/quantizer.md section 20, point 2).
inline constexpr float kAllCodes8 = 128.0f;
// At 16 bit activations are to be covered without even that.
inline constexpr float kExact16 = 32767.0f;

inline constexpr float steps_of(int bits) {
  return bits == 8 ? kSteps8 : kSteps16;
}

// The finest exponent at which `largest` (0 or more) is at most `steps` steps away from zero; not limited to
// what a chip has.
inline int covering_exponent(float largest, float steps) {
  constexpr float kNothing = 1e-30f;  // anything below needs no grid at all
  return static_cast<int>(std::ceil(std::log2(std::max(largest, kNothing) / steps)));
}

}  // namespace shrike::quantize
