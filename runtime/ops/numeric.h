// Integer semantics, written once (spec/numerics.md sections 1.3, 1.4). Every kernel's scalar path, the
// host's simulation and the firmware use these.
//
// Every file gets its own copy (no name with linkage): a file compiled for AVX-512 must not offer its copy to
// others.
#pragma once
#include <math.h>
#include <stdint.h>

#include "shrike/tensor.h"

namespace shrike {
namespace {

template <typename T>
struct Limits;
template <>
struct Limits<int8_t> {
  static constexpr int32_t lowest = -128, highest = 127;
};
template <>
struct Limits<int16_t> {
  static constexpr int32_t lowest = -32768, highest = 32767;
};

template <typename T, typename Wide>
constexpr T saturate(Wide value) {
  return value < Limits<T>::lowest    ? static_cast<T>(Limits<T>::lowest)
         : value > Limits<T>::highest ? static_cast<T>(Limits<T>::highest)
                                      : static_cast<T>(value);
}

// Rule RS: right shift with rounding; shift in [0, bits-2]. Wide is int32_t or int64_t. `value` must leave
// room for adding half a unit (|value| < 2^(bits-2) is enough).
template <Rounding rounding, typename Wide>
constexpr Wide rounding_shift(Wide value, int32_t shift) {
  if (shift == 0) return value;
  const Wide half = static_cast<Wide>(Wide{1} << (shift - 1));
  if constexpr (rounding == Rounding::kHalfUp) {
    return (value + half) >> shift;
  } else {
    // floor((v + half - 1 + odd) / 2^s), odd = parity of floor(v / 2^s): a tie moves up only from an odd
    // quotient.
    const Wide odd = (value >> shift) & 1;
    return (value + half - 1 + odd) >> shift;
  }
}

template <typename Wide>
constexpr Wide rounding_shift(Wide value, int32_t shift, Rounding rounding) {
  return rounding == Rounding::kHalfEven ? rounding_shift<Rounding::kHalfEven>(value, shift)
                                         : rounding_shift<Rounding::kHalfUp>(value, shift);
}

// Rule RS with any shift for 64-bit values: shifts of 62 and more, and negative ones (left, saturating to
// int64/2).
inline int64_t rounding_shift_any(int64_t value, int32_t shift, Rounding rounding) {
  if (shift > 62) shift = 62;
  if (shift >= 0) return rounding_shift<int64_t>(value, shift, rounding);
  constexpr int64_t limit = int64_t{1} << 61;
  for (int32_t left = -shift; left > 0; --left) {
    if (value >= limit || value <= -limit) return value < 0 ? -limit : limit;
    value *= 2;
  }
  return value;
}

// 2^exponent as a float, exponent in [-126, 127].
inline float power_of_two(int32_t exponent) {
  return ldexpf(1.0f, exponent);
}

// Rule FQ: float to integer in the target's rounding, then saturated. NaN gives the highest value.
template <typename T>
inline T quantize_float(float value, Rounding rounding) {
  if (!(value < static_cast<float>(Limits<T>::highest))) return static_cast<T>(Limits<T>::highest);
  if (value <= static_cast<float>(Limits<T>::lowest)) return static_cast<T>(Limits<T>::lowest);
  const float rounded = rounding == Rounding::kHalfEven ? rintf(value) : floorf(value + 0.5f);
  return saturate<T>(static_cast<int32_t>(rounded));
}

}  // namespace
}  // namespace shrike
