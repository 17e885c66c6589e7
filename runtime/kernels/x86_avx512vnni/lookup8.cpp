// Table look-up without VBMI: vpermi2w selects among 64 words, so the table is two halves of 128 entries, and
// bit 0 of a value is one of the two entries of a word. The low and the high bytes of the lanes go through it
// one after the other.
#include "kernels/x86_avx512vnni/avx512vnni.h"
#include "kernels/x86_avx512vnni/vectors512.h"

namespace shrike {
namespace {

struct WordTable {
  __m512i negative[2], positive[2];

  // Entry 0 belongs to -128, so bits 1 to 6 of a value index the words of its half; vpermi2w ignores others.
  explicit WordTable(const int8_t* table)
      : negative{Bytes64::load(table), Bytes64::load(table + 64)},
        positive{Bytes64::load(table + 128), Bytes64::load(table + 192)} {}

  __m512i words(__m512i index, __mmask32 below_zero) const {
    const __m512i low = _mm512_permutex2var_epi16(negative[0], index, negative[1]);
    const __m512i high = _mm512_permutex2var_epi16(positive[0], index, positive[1]);
    return _mm512_mask_blend_epi16(below_zero, high, low);
  }

  __m512i look_up(__m512i values) const {
    const __m512i bit = _mm512_set1_epi16(8);
    const __m512i low =
        words(_mm512_srli_epi16(values, 1), _mm512_movepi16_mask(_mm512_slli_epi16(values, 8)));
    const __m512i high = words(_mm512_srli_epi16(values, 9), _mm512_movepi16_mask(values));
    // The entry of an odd value is in the word's high byte.
    const __m512i odd_low = _mm512_and_si512(_mm512_slli_epi16(values, 3), bit);
    const __m512i even_high = _mm512_xor_si512(_mm512_and_si512(_mm512_srli_epi16(values, 5), bit), bit);
    return _mm512_mask_blend_epi8(0xaaaaaaaaaaaaaaaa, _mm512_srlv_epi16(low, odd_low),
                                  _mm512_sllv_epi16(high, even_high));
  }
};

}  // namespace

namespace avx512vnni {

void lookup8(const int8_t* input, int8_t* output, size_t count, const int8_t* table) {
  const WordTable words(table);
  size_t i = 0;
  for (; i + 64 <= count; i += 64) Bytes64::store(output + i, words.look_up(Bytes64::load(input + i)));
  if (i == count) return;
  Bytes64::store_part(output + i, words.look_up(Bytes64::load_part(input + i, count - i)), count - i);
}

}  // namespace avx512vnni
}  // namespace shrike
