// Found in place of the compiler's <wasm_simd128.h> when the kernels for WebAssembly are built for tests on
// this machine: SIMDe's plain definitions take the names of the instructions.
#pragma once
#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/wasm/simd128.h>
