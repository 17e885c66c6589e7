#include "toolchain/engine/rounding.h"

#include <cmath>

namespace shrike::engine {
namespace {

// Adding and subtracting 1.5 * 2^mantissa leaves the nearest integer, ties to even. Unlike rintf it
// vectorises without SSE 4.1; arguments stay far below the constant because they are clamped first.
constexpr float kFloatShifter = 12582912.0f;           // 1.5 * 2^23
constexpr double kDoubleShifter = 6755399441055744.0;  // 1.5 * 2^52

inline float nearest_even(float value) {
  return (value + kFloatShifter) - kFloatShifter;
}
inline double nearest_even(double value) {
  return (value + kDoubleShifter) - kDoubleShifter;
}

template <typename T>
inline T half_up(T value) {
  const T shifted = value + T{0.5};
  const T nearest = nearest_even(shifted);
  return nearest > shifted ? nearest - T{1} : nearest;
}

template <bool half_even, typename T>
inline T to_integer(T value, T lowest, T highest) {
  // Clamping before rounding is the same as after it, because the limits are integers. The comparisons are
  // written so that NaN ends at the highest value.
  value = value < highest ? value : highest;
  value = value > lowest ? value : lowest;
  if constexpr (half_even) return nearest_even(value);
  return half_up(value);
}

template <bool half_even, typename T>
void round_all(const T* values, float* rounded, int64_t count, int bits, int exponent) {
  const T highest = static_cast<T>((int64_t{1} << (bits - 1)) - 1);
  const T lowest = -highest - T{1};
  const T inverse = std::ldexp(T{1}, -exponent);
  const float scale = std::ldexp(1.0f, exponent);
  for (int64_t i = 0; i < count; ++i) {
    rounded[i] = static_cast<float>(to_integer<half_even>(values[i] * inverse, lowest, highest)) * scale;
  }
}

}  // namespace

void round_to_grid(float* values, int64_t count, int bits, int exponent, Rounding rounding) {
  if (rounding.half_even) {
    round_all<true>(values, values, count, bits, exponent);
  } else {
    round_all<false>(values, values, count, bits, exponent);
  }
}

void round_to_grid(const double* values, float* rounded, int64_t count, int bits, int exponent,
                   Rounding rounding) {
  if (rounding.half_even) {
    round_all<true>(values, rounded, count, bits, exponent);
  } else {
    round_all<false>(values, rounded, count, bits, exponent);
  }
}

double round_to_grid(double value, int bits, int exponent, Rounding rounding) {
  const double highest = static_cast<double>((int64_t{1} << (bits - 1)) - 1);
  const double scaled = std::ldexp(value, -exponent);
  const double integer = rounding.half_even ? to_integer<true>(scaled, -highest - 1, highest)
                                            : to_integer<false>(scaled, -highest - 1, highest);
  return std::ldexp(integer, exponent);
}

}  // namespace shrike::engine
