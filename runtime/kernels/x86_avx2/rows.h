// What the AVX2 convolutions share: rows widened to 16 bits for vpmaddwd (depthwise), and requantisation.
#pragma once
#include <immintrin.h>
#include <string.h>

#include "kernels/kernels.h"

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

inline __m256i load256(const void* memory) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(memory));
}

// Rule RS on 8 accumulators whose parameters lane_shift() accepted.
inline __m256i requantize_lanes(__m256i value, __m256i shift, __m256i addend, __m256i odd) {
  const __m256i parity = _mm256_and_si256(_mm256_srav_epi32(value, shift), odd);
  return _mm256_srav_epi32(_mm256_add_epi32(_mm256_add_epi32(value, addend), parity), shift);
}

}  // namespace
}  // namespace shrike
