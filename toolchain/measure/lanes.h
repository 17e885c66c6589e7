// Four numbers at once, for the loops that look at every sample for every candidate. Compilers keep such
// loops scalar, and their clamps as branches that nothing predicts, because each lane looks something else
// up. The operators are those of single numbers, lane by lane: results are the same.
#pragma once
#include <cstring>

namespace shrike::quantize {

using Floats4 [[gnu::vector_size(16)]] = float;
using Integers4 [[gnu::vector_size(16)]] = int;
using Doubles4 [[gnu::vector_size(32)]] = double;

inline Floats4 four(float value) {
  return Floats4{value, value, value, value};
}

inline Floats4 loaded(const float* values) {
  Floats4 result;
  std::memcpy(&result, values, sizeof result);
  return result;
}

inline Floats4 clamped(Floats4 x, float lowest, float highest) {
  const Floats4 above = x > four(lowest) ? x : four(lowest);
  return above < four(highest) ? above : four(highest);
}

// As grid.h's.
inline Floats4 round_half_even(Floats4 x) {
  constexpr float magic = 12582912.0f;  // 1.5 * 2^23
  return (x + magic) - magic;
}

inline Floats4 looked_up(const float* table, Integers4 at) {
  return Floats4{table[at[0]], table[at[1]], table[at[2]], table[at[3]]};
}

}  // namespace shrike::quantize
