// The tables of kernels under test: those this machine can run, and the ones for AVX-512, AVX-VNNI and
// WebAssembly with every instruction replaced by a plain function (emulation/, emulation_wasm/), so that
// their arithmetic is tested on machines without them.
#pragma once
#include "kernels/kernels.h"
#if defined(SHRIKE_EMULATED_SIMD128)
#include "kernels/wasm/wasm.h"
#endif

namespace shrike::tests {

#if defined(SHRIKE_EMULATED_AVX512)
const KernelSet* emulated_avx512vnni();
const KernelSet* emulated_avx512vbmi();
const KernelSet* emulated_avxvnni();
#endif

// i-th table, null past the end.
inline const KernelSet* tested_kernels(int index) {
  int native = 0;
  while (available_kernels(native) != nullptr) ++native;
  if (index < native) return available_kernels(index);
  const KernelSet* const emulated[] = {
#if defined(SHRIKE_EMULATED_SIMD128)
    &kSimd128Kernels,
#endif
#if defined(SHRIKE_EMULATED_AVX512)
    emulated_avx512vnni(),
    emulated_avx512vbmi(),
    emulated_avxvnni(),
#endif
    nullptr
  };
  return emulated[index - native];
}

}  // namespace shrike::tests
