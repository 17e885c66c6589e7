// Kernels for a 32-bit core without vectors but with a fast multiplier: two products in one multiplication
// where a weight meets enough inputs, and sums in registers everywhere.
#pragma once
#include "kernels/kernels.h"

namespace shrike::pairs {

size_t conv8_packed_bytes(const Conv8& conv);
void conv8_pack(const Conv8& conv, void* packed);
size_t conv8_scratch_bytes(const Conv8& conv);
void conv8_run(const Conv8& conv, const int8_t* input, int8_t* output, int32_t row_begin, int32_t row_end,
               void* scratch);

size_t depthwise8_scratch_bytes(const Conv8& conv);
void depthwise8_run(const Conv8& conv, const int8_t* input, int8_t* output, int32_t row_begin,
                    int32_t row_end, void* scratch);

}  // namespace shrike::pairs
