// From an exact sum to the stored value, with everything that a channel's outputs share worked out
// beforehand.
#pragma once
#include "kernels/kernels.h"

namespace shrike::pairs {
namespace {

// Rule RS (ops/numeric.h) as floor(v / 2^shift) of v = sum + half: a tie is where nothing remains, and then
// rounding half to even takes the even one of the two neighbours. Sums stay below 2^30.
struct Finish {
  int32_t shift, half;
  int32_t remainder, tie;  // masks: bits of v that are dropped; bits of a tie's result that stay
  int32_t lowest;

  Finish(const Conv8& conv, int32_t channel) {
    shift = conv.shifts[channel];
    const uint32_t unit = uint32_t{1} << shift;
    half = static_cast<int32_t>(unit / 2);
    remainder = static_cast<int32_t>(unit - 1);
    tie = conv.rounding == Rounding::kHalfEven && shift > 0 ? ~1 : ~0;
    lowest = conv.relu ? 0 : -128;
  }

  // `value`: the sum with `half` added.
  int8_t operator()(int32_t value) const {
    int32_t result = value >> shift;
    if (__builtin_expect((value & remainder) == 0, 0)) result &= tie;
    if (result < lowest) result = lowest;
    if (result > 127) result = 127;
    return static_cast<int8_t>(result);
  }
};

// What the sums of a channel begin with.
inline int32_t start_of(const Conv8& conv, const Finish& finish, int32_t channel) {
  return finish.half + (conv.bias == nullptr ? 0 : conv.bias[channel]);
}

}  // namespace
}  // namespace shrike::pairs
