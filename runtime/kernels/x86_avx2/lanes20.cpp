// esp32s3's saturating lanes, eight to a vector. A product of two bytes fits 16 bits.
#include <immintrin.h>

#include "kernels/x86_avx2/avx2.h"

namespace shrike::avx2 {
namespace {

struct Lanes {
  __m256i sums, cut;

  void add(__m256i product) {
    const __m256i value = _mm256_add_epi32(sums, product);
    sums = _mm256_max_epi32(_mm256_min_epi32(value, _mm256_set1_epi32(kHighest20)),
                            _mm256_set1_epi32(kLowest20));
    // -1 where nothing was cut.
    cut = _mm256_add_epi32(cut, _mm256_cmpeq_epi32(sums, value));
  }
};

}  // namespace

void lanes20(const int8_t* x, const int8_t* weights, size_t count, int32_t* sums, int32_t* cut) {
  __m256i* const stored_sums = reinterpret_cast<__m256i*>(sums);
  __m256i* const stored_cut = reinterpret_cast<__m256i*>(cut);
  // Counted down from `count` by those that were not cut.
  const __m256i start = _mm256_set1_epi32(static_cast<int32_t>(count));
  Lanes low{_mm256_loadu_si256(stored_sums), start}, high{_mm256_loadu_si256(stored_sums + 1), start};
  for (size_t c = 0; c < count; ++c) {
    const __m256i w =
        _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(weights + 16 * c)));
    const __m256i products = _mm256_mullo_epi16(w, _mm256_set1_epi16(x[c]));
    low.add(_mm256_cvtepi16_epi32(_mm256_castsi256_si128(products)));
    high.add(_mm256_cvtepi16_epi32(_mm256_extracti128_si256(products, 1)));
  }
  _mm256_storeu_si256(stored_sums, low.sums);
  _mm256_storeu_si256(stored_sums + 1, high.sums);
  _mm256_storeu_si256(stored_cut, _mm256_add_epi32(_mm256_loadu_si256(stored_cut), low.cut));
  _mm256_storeu_si256(stored_cut + 1, _mm256_add_epi32(_mm256_loadu_si256(stored_cut + 1), high.cut));
}

}  // namespace shrike::avx2
