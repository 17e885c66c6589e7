// Element-wise 8-bit loops.
#include <string.h>

#include "kernels/portable/portable.h"

namespace shrike {

void lookup_s8(const int8_t* input, int8_t* output, size_t count, const int8_t* table) {
  // The table is part of the file, which a chip reads from flash: hundreds of lookups are worth a copy in
  // RAM.
  int8_t copy[256];
  if (count >= 2 * sizeof copy) {
    memcpy(copy, table, sizeof copy);
    table = copy;
  }
  for (size_t i = 0; i < count; ++i) output[i] = table[input[i] + 128];
}

void add_s8(const int8_t* a, const int8_t* b, int8_t* output, size_t count) {
  for (size_t i = 0; i < count; ++i) output[i] = saturate<int8_t>(a[i] + b[i]);
}

void mul_s8(const int8_t* a, const int8_t* b, int8_t* output, size_t count, int32_t shift,
            Rounding rounding) {
  for (size_t i = 0; i < count; ++i) {
    output[i] = saturate<int8_t>(rounding_shift<int32_t>(int32_t{a[i]} * b[i], shift, rounding));
  }
}

void requantize_s8(const int8_t* input, int8_t* output, size_t count, int32_t shift, Rounding rounding) {
  if (shift < 0) {
    // 8 places already push every value but 0 out of range.
    const int32_t factor = int32_t{1} << (shift < -8 ? 8 : -shift);
    for (size_t i = 0; i < count; ++i) output[i] = saturate<int8_t>(input[i] * factor);
    return;
  }
  for (size_t i = 0; i < count; ++i) {
    output[i] = saturate<int8_t>(rounding_shift<int32_t>(input[i], shift, rounding));
  }
}

void quantize_s8(const float* input, int8_t* output, size_t count, float scale, Rounding rounding) {
  for (size_t i = 0; i < count; ++i) output[i] = quantize_float<int8_t>(input[i] * scale, rounding);
}

void maximum_s8(const int8_t* a, const int8_t* b, int8_t* output, size_t count) {
  for (size_t i = 0; i < count; ++i) output[i] = a[i] > b[i] ? a[i] : b[i];
}

}  // namespace shrike
