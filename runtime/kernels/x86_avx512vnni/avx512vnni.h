// Kernels for AVX-512 with VNNI, without VBMI. The table takes the others from AVX2: they gain nothing from
// wider vectors.
#pragma once
#include "kernels/kernels.h"

namespace shrike::avx512vnni {

size_t conv8_packed_bytes(const Conv8& conv);
void conv8_pack(const Conv8& conv, void* packed);
size_t conv8_scratch_bytes(const Conv8& conv);
void conv8_run(const Conv8& conv, const int8_t* input, int8_t* output, int32_t row_begin, int32_t row_end,
               void* scratch);

size_t depthwise8_packed_bytes(const Conv8& conv);
void depthwise8_pack(const Conv8& conv, void* packed);
size_t depthwise8_scratch_bytes(const Conv8& conv);
void depthwise8_run(const Conv8& conv, const int8_t* input, int8_t* output, int32_t row_begin,
                    int32_t row_end, void* scratch);

void lookup8(const int8_t* input, int8_t* output, size_t count, const int8_t* table);

}  // namespace shrike::avx512vnni
