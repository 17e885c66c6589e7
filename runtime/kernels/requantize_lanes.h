// Requantisation of convolution accumulators in 32-bit lanes, decided once per channel when weights are
// packed.
//
// Everything in here has internal linkage on purpose: the header is compiled into translation units with
// different instruction sets, and a function shared by the linker could carry instructions the machine lacks.
#pragma once
#include "kernels/kernels.h"
#include "ops/numeric.h"

namespace shrike {
namespace {

// Rule RS (spec/numerics.md 1.3) for both roundings as data, to be computed in either of two ways:
//
// (v + addend + ((v >> shift) & odd)) >> shift.
//
// Or with `half` added to the sum beforehand (it is part of the packed bias): u >> shift rounds half up.
// Half-even differs where u is a whole number of units that rounding reached from a tie: there the bits of
// `low` are zero, and bit 0 of the result is cleared. `low` of all ones never does that: only u = 0 has none
// of them, and its result is even already.
struct LaneShift {
  int32_t shift, half;
  int32_t odd;  // 1 for half-even, 0 for half up

  int32_t addend() const { return half - odd; }
  int32_t low() const { return odd != 0 ? half - 1 + half : -1; }  // 2 * half may not fit
};

// False when the sum could leave 32 bits on the way; `bound` >= |v| for every v that can occur.
inline bool lane_shift(int64_t bound, int32_t shift, Rounding rounding, LaneShift* lanes) {
  // Values below half a unit round to 0. That stays true with the smallest shift of which it is true, so
  // shifts beyond the lane width need no care.
  while (shift > 1 && bound < (int64_t{1} << (shift - 2))) --shift;
  const int64_t half = shift > 0 ? int64_t{1} << (shift - 1) : 0;
  if (bound + half > INT32_MAX) return false;
  const bool even = rounding == Rounding::kHalfEven && shift > 0;
  lanes->shift = shift;
  lanes->half = static_cast<int32_t>(half);
  lanes->odd = even ? 1 : 0;
  return true;
}

// The same for a channel that does not fit the lanes (biases at the 32-bit limits occur,
// spec/espdl-format.md 6.5).
inline int8_t requantize_one(const Conv8& conv, int32_t channel, int32_t sum) {
  const int64_t bias = conv.bias != nullptr ? conv.bias[channel] : 0;
  const int8_t value =
      saturate<int8_t>(rounding_shift<int64_t>(bias + sum, conv.shifts[channel], conv.rounding));
  return conv.relu && value < 0 ? int8_t{0} : value;
}

}  // namespace
}  // namespace shrike
