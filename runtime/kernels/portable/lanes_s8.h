// Accumulators as the chips have them, for the few sums where they differ from plain 32-bit ones: the fast
// kernels compute every output with 32-bit sums, then correct_rows() recomputes those whose lane could have
// met a limit. spec/numerics.md 3.2, 3.3, 3.5.
#pragma once
#include <stdint.h>

#include "kernels/kernels.h"

namespace shrike {

enum class Lane : uint8_t {
  kSaturating20,  // esp32s3 block channels and depthwise: saturates after every multiply-add
  kSaturating32,  // esp32p4 block channels and depthwise
  kWrapping32,    // portable C code of the classes without a vector unit
  kExact,         // the 40-bit register of remainder channels: sums cannot reach its limits
};

struct ExactSums {
  Lane block;             // channels stored in full blocks, and all of a depthwise convolution
  Lane remainder;         // the others
  const int32_t* bias;    // as stored in the file, [out_c] or null
  const int16_t* shifts;  // [out_c]; negative shifts left
  // [out_c]: the largest sum of squared inputs under a window for which 32-bit sums are known to be right
  // (kNeverExact: every one, -1: none).
  const int32_t* limits;
};

constexpr int32_t kNeverExact = INT32_MAX;

// Fills limits[out_c]; false when no channel ever needs correction. Channels of a block share one limit.
// By Cauchy and Schwarz no partial sum exceeds |bias| + sqrt(sum x^2 * sum w^2).
bool find_limits(const Conv8& conv, const ExactSums& exact, int32_t* limits);

// Recomputes what may be wrong in rows [row_begin, row_end); `column_squares` holds in_w values.
SaturationCount correct_rows(const Conv8& conv, const ExactSums& exact, const int8_t* input, int8_t* output,
                             int32_t row_begin, int32_t row_end, int32_t* column_squares);

}  // namespace shrike
