// Kernels for NEON with dot products of four bytes (ARMv8.2 FEAT_DotProd: Cortex-A55, A75 and later,
// Neoverse).
#pragma once
#include "kernels/kernels.h"

namespace shrike::neon_dot {

extern const KernelSet kKernels;
// Whether this machine has the instructions.
bool supported();

size_t conv8_packed_bytes(const Conv8& conv);
void conv8_pack(const Conv8& conv, void* packed);
size_t conv8_scratch_bytes(const Conv8& conv);
void conv8_run(const Conv8& conv, const int8_t* input, int8_t* output, int32_t row_begin, int32_t row_end,
               void* scratch);

}  // namespace shrike::neon_dot
