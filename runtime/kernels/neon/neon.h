// Kernels for NEON, which every 64-bit ARM processor has. The table for the dot-product instructions takes
// the ones that gain nothing from them.
#pragma once
#include "kernels/kernels.h"

namespace shrike::neon {

extern const KernelSet kKernels;

size_t depthwise8_packed_bytes(const Conv8& conv);
void depthwise8_pack(const Conv8& conv, void* packed);
size_t depthwise8_scratch_bytes(const Conv8& conv);
void depthwise8_run(const Conv8& conv, const int8_t* input, int8_t* output, int32_t row_begin,
                    int32_t row_end, void* scratch);

size_t conv8_packed_bytes(const Conv8& conv);
void conv8_pack(const Conv8& conv, void* packed);
size_t conv8_scratch_bytes(const Conv8& conv);
void conv8_run(const Conv8& conv, const int8_t* input, int8_t* output, int32_t row_begin, int32_t row_end,
               void* scratch);

void lookup8(const int8_t* input, int8_t* output, size_t count, const int8_t* table);
void add8(const int8_t* a, const int8_t* b, int8_t* output, size_t count);
void mul8(const int8_t* a, const int8_t* b, int8_t* output, size_t count, int32_t shift, Rounding rounding);
void requantize8(const int8_t* input, int8_t* output, size_t count, int32_t shift, Rounding rounding);
void maximum8(const int8_t* a, const int8_t* b, int8_t* output, size_t count);
void lanes20(const int8_t* x, const int8_t* weights, size_t count, int32_t* sums, int32_t* cut);

}  // namespace shrike::neon
