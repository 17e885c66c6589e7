// Accumulators as the chips have them, for the few sums where they differ from plain 32-bit ones: the fast
// kernels compute every output with 32-bit sums, then correct_rows() recomputes those whose lane could have
// met a limit. spec/numerics.md 3.2, 3.3, 3.5.
#pragma once
#include <stdint.h>

#include "chips/chip.h"
#include "kernels/kernels.h"

namespace shrike {

struct ExactSums {
  Lane block;             // channels stored in full blocks, and all of a depthwise convolution
  Lane remainder;         // the others
  const int32_t* bias;    // as stored in the file, [out_c] or null
  const int16_t* shifts;  // [out_c]; negative shifts left
  decltype(KernelSet::lanes20) lanes20;
  // [kCentres][out_c]: the largest sum of squared distances of the inputs under a window from a centre for
  // which 32-bit sums are known to be right (kNeverExact: every one, -1: none). Channels of a block share the
  // first one's.
  const int32_t* limits;
};

constexpr int32_t kNeverExact = INT32_MAX;
// Centres are 0, -32, ..., -128: activations with an offset have most of their values near the lowest code.
constexpr int32_t kCentres = 5, kCentreStep = -32;

// Sums of the inputs of one column under a row of windows.
struct ColumnSums {
  int32_t values, squares;
};

// False when 32-bit sums are right whatever the input.
bool needs_correction(const Conv8& conv, const ExactSums& exact);

// Fills limits[kCentres][out_c]. A partial sum is bias + c (sum w) + sum w (x - c); by Cauchy and Schwarz the
// last term does not exceed sqrt(sum w^2 * sum (x - c)^2), and the largest of the others is known beforehand.
// Under windows that reach into the padding only c = 0 holds.
void find_limits(const Conv8& conv, const ExactSums& exact, int32_t* limits);

// Recomputes what may be wrong in rows [row_begin, row_end); `columns` holds in_w values.
SaturationCount correct_rows(const Conv8& conv, const ExactSums& exact, const int8_t* input, int8_t* output,
                             int32_t row_begin, int32_t row_end, ColumnSums* columns);

}  // namespace shrike
