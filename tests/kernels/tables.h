// The tables of kernels under test: those this machine can run, and the AVX-512 ones with every instruction
// replaced by a plain function (emulation/), so that their arithmetic is tested on machines without AVX-512.
#pragma once
#include "kernels/kernels.h"

namespace shrike::tests {

#if defined(SHRIKE_EMULATED_AVX512)
const KernelSet* emulated_avx512vnni();
#endif

// i-th table, null past the end.
inline const KernelSet* tested_kernels(int index) {
  if (const KernelSet* kernels = available_kernels(index)) return kernels;
#if defined(SHRIKE_EMULATED_AVX512)
  if (index > 0 && available_kernels(index - 1) != nullptr) return emulated_avx512vnni();
#endif
  return nullptr;
}

}  // namespace shrike::tests
