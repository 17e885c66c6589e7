// The portable kernels. They read weights where the file has them (no repacking, no scratch) and keep 64-bit
// arithmetic and border tests out of the inner loops of the 8-bit convolutions.
#pragma once
#include <stdint.h>

#include "kernels/kernels.h"
#include "ops/numeric.h"

namespace shrike {

void conv_s8_rows(const Conv8& conv, const int8_t* input, int8_t* output, int32_t row_begin, int32_t row_end);
void depthwise_s8_rows(const Conv8& conv, const int8_t* input, int8_t* output, int32_t row_begin,
                       int32_t row_end);

// Weights and scratch of kernels that need neither.
template <class Conv>
size_t no_bytes(const Conv&) {
  return 0;
}
template <class Conv>
void no_packing(const Conv&, void*) {}

// The entry of a table whose depthwise convolution is the portable one.
void run_depthwise(const Conv8& conv, const int8_t* input, int8_t* output, int32_t row_begin, int32_t row_end,
                   void* scratch);
constexpr Conv8Kernel kPortableDepthwise = {"depthwise_s8_4x1_portable", no_bytes, no_packing, no_bytes,
                                            run_depthwise};

// Turns a sum of |sum| < 2^30 (ops/conv_plan.h sees to that) into the stored value of `channel`.
inline int8_t finish_s8(const Conv8& conv, int32_t sum, int32_t channel) {
  int8_t value = saturate<int8_t>(rounding_shift<int32_t>(sum, conv.shifts[channel], conv.rounding));
  return conv.relu && value < 0 ? int8_t{0} : value;
}

SaturationCount conv_s16_rows(const Conv16& conv, const int16_t* input, int16_t* output, int32_t row_begin,
                              int32_t row_end);

// The entry of a table whose 16-bit convolution is the portable one.
SaturationCount run_conv_16(const Conv16& conv, const int16_t* input, int16_t* output, int32_t row_begin,
                            int32_t row_end, void* scratch);
constexpr Conv16Kernel kPortableConv16 = {"conv_s16_1x1_portable", no_bytes, no_packing, no_bytes,
                                          run_conv_16};

void lookup_s8(const int8_t* input, int8_t* output, size_t count, const int8_t* table);
void add_s8(const int8_t* a, const int8_t* b, int8_t* output, size_t count);
void mul_s8(const int8_t* a, const int8_t* b, int8_t* output, size_t count, int32_t shift, Rounding rounding);
void requantize_s8(const int8_t* input, int8_t* output, size_t count, int32_t shift, Rounding rounding);
void quantize_s8(const float* input, int8_t* output, size_t count, float scale, Rounding rounding);
void maximum_s8(const int8_t* a, const int8_t* b, int8_t* output, size_t count);
void lanes20_s8(const int8_t* x, const int8_t* weights, size_t count, int32_t* sums, int32_t* cut);

}  // namespace shrike
