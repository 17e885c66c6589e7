// Kernels for WebAssembly's 128-bit vectors: convolutions. What else there is the compiler makes of the
// portable loops.
#pragma once
#include "kernels/kernels.h"

namespace shrike {

// For machines that run WebAssembly with vectors.
extern const KernelSet kSimd128Kernels;

namespace simd128 {

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

}  // namespace simd128
}  // namespace shrike
