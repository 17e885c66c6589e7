// Table look-up with VBMI: vpermi2b selects among 128 entries, the sign of the index among the two halves.
#include <immintrin.h>

#include "kernels/x86_avx512vbmi/avx512vbmi.h"

namespace shrike::avx512vbmi {

void lookup8(const int8_t* input, int8_t* output, size_t count, const int8_t* table) {
  // Entry 0 belongs to -128, so the low 7 bits of a value index its half; vpermi2b ignores the top bit.
  const __m512i negative_low = _mm512_loadu_si512(table), negative_high = _mm512_loadu_si512(table + 64);
  const __m512i positive_low = _mm512_loadu_si512(table + 128),
                positive_high = _mm512_loadu_si512(table + 192);
  for (size_t i = 0; i < count; i += 64) {
    const size_t left = count - i;
    const __mmask64 mask = left >= 64 ? ~__mmask64{0} : (__mmask64{1} << left) - 1;
    const __m512i value = _mm512_maskz_loadu_epi8(mask, input + i);
    const __m512i negative = _mm512_permutex2var_epi8(negative_low, value, negative_high);
    const __m512i positive = _mm512_permutex2var_epi8(positive_low, value, positive_high);
    _mm512_mask_storeu_epi8(output + i, mask,
                            _mm512_mask_blend_epi8(_mm512_movepi8_mask(value), positive, negative));
  }
}

}  // namespace shrike::avx512vbmi
