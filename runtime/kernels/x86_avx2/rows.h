// Rows widened to 16 bits for the vpmaddwd of AVX2's depthwise convolution.
#pragma once
#include "kernels/x86/vectors256.h"

namespace shrike {
namespace {

struct WidenedRow {
  using Element = int16_t;
  static constexpr int16_t kZero = 0;

  static void convert(const int8_t* input, int16_t* output, size_t count) {
    size_t i = 0;
    for (; i + 16 <= count; i += 16) {
      const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(input + i));
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(output + i), _mm256_cvtepi8_epi16(bytes));
    }
    for (; i < count; ++i) output[i] = input[i];
  }
};

}  // namespace
}  // namespace shrike
