// Kernels for AVX-VNNI: vpdpbusd on 256-bit vectors, which processors without AVX-512 have too. The table
// takes the others from AVX2.
#pragma once
#include "kernels/kernels.h"

namespace shrike::avxvnni {

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

}  // namespace shrike::avxvnni
