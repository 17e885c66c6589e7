// Whether LibTorch computes what it should. Internal to the module.
#pragma once

namespace shrike::engine {

// Before the first convolution: keeps the convolution library to instructions with which it is right, where
// its version is known to be wrong with others. What DNNL_MAX_CPU_ISA says in the environment counts for
// more.
void limit_instructions();

// Computes some convolutions by the library and, in double precision, without it; throws Error where they
// differ.
void check_convolutions();

}  // namespace shrike::engine
