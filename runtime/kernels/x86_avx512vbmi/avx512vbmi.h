// What VBMI adds to the kernels of avx512vnni: Ice Lake and Zen 4 have it, Cascade Lake and Cooper Lake do
// not.
#pragma once
#include "kernels/kernels.h"

namespace shrike::avx512vbmi {

void lookup8(const int8_t* input, int8_t* output, size_t count, const int8_t* table);

}  // namespace shrike::avx512vbmi
