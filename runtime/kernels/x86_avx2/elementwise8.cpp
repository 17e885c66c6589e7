// Element-wise 8-bit kernels for AVX2. Tails go through the same vector code on a padded copy, so that there
// is one arithmetic.
#include <immintrin.h>
#include <string.h>

#include "kernels/x86_avx2/avx2.h"
#include "ops/numeric.h"

namespace shrike {
namespace {

__m256i load(const int8_t* memory) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(memory));
}
void store(int8_t* memory, __m256i value) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(memory), value);
}

template <class Function>
void for_each(const int8_t* input, int8_t* output, size_t count, Function function) {
  size_t i = 0;
  for (; i + 32 <= count; i += 32) store(output + i, function(load(input + i)));
  if (i == count) return;
  int8_t tail[32] = {};
  memcpy(tail, input + i, count - i);
  store(tail, function(load(tail)));
  memcpy(output + i, tail, count - i);
}

template <class Function>
void for_each_pair(const int8_t* a, const int8_t* b, int8_t* output, size_t count, Function function) {
  size_t i = 0;
  for (; i + 32 <= count; i += 32) store(output + i, function(load(a + i), load(b + i)));
  if (i == count) return;
  int8_t tail_a[32] = {}, tail_b[32] = {};
  memcpy(tail_a, a + i, count - i);
  memcpy(tail_b, b + i, count - i);
  store(tail_a, function(load(tail_a), load(tail_b)));
  memcpy(output + i, tail_a, count - i);
}

// The 16-entry part `part` of the table in both halves.
__m256i part_of(const int8_t* table, int part) {
  return _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(table + 16 * part)));
}

// Entries 64*quarter .. 64*quarter+63 by the low 6 bits of `index`: bits 0-3 select within a part, bits 4 and
// 5 the part. A blend looks at the top bit of each byte, hence the shifted copies.
__m256i look_up_quarter(const int8_t* table, int quarter, __m256i low, __m256i bit4, __m256i bit5) {
  const auto entry = [&](int part) { return _mm256_shuffle_epi8(part_of(table, 4 * quarter + part), low); };
  return _mm256_blendv_epi8(_mm256_blendv_epi8(entry(0), entry(1), bit4),
                            _mm256_blendv_epi8(entry(2), entry(3), bit4), bit5);
}

__m256i look_up(const int8_t* table, __m256i value) {
  // The table starts at -128, so its index is the value with the top bit flipped; bits 0-6 are those of the
  // value.
  const __m256i low = _mm256_and_si256(value, _mm256_set1_epi8(15));
  const __m256i bit4 = _mm256_slli_epi16(value, 3), bit5 = _mm256_slli_epi16(value, 2),
                bit6 = _mm256_slli_epi16(value, 1);
  const __m256i negative = _mm256_blendv_epi8(look_up_quarter(table, 0, low, bit4, bit5),
                                              look_up_quarter(table, 1, low, bit4, bit5), bit6);
  const __m256i positive = _mm256_blendv_epi8(look_up_quarter(table, 2, low, bit4, bit5),
                                              look_up_quarter(table, 3, low, bit4, bit5), bit6);
  return _mm256_blendv_epi8(positive, negative, value);
}

__m256i widen_low(__m256i bytes) {
  return _mm256_cvtepi8_epi16(_mm256_castsi256_si128(bytes));
}
__m256i widen_high(__m256i bytes) {
  return _mm256_cvtepi8_epi16(_mm256_extracti128_si256(bytes, 1));
}
__m256i narrow(__m256i low, __m256i high) {
  return _mm256_permute4x64_epi64(_mm256_packs_epi16(low, high), _MM_SHUFFLE(3, 1, 2, 0));
}

// Rule RS in 16-bit lanes, shift in [0, 14]; |value| + 2^(shift-1) must fit.
struct Shift16 {
  __m128i count;
  __m256i addend, odd;

  Shift16(int32_t shift, Rounding rounding) {
    const int32_t half = shift > 0 ? 1 << (shift - 1) : 0;
    const int32_t even = rounding == Rounding::kHalfEven && shift > 0 ? 1 : 0;
    count = _mm_cvtsi32_si128(shift);
    addend = _mm256_set1_epi16(static_cast<int16_t>(half - even));
    odd = _mm256_set1_epi16(static_cast<int16_t>(even));
  }
  __m256i operator()(__m256i value) const {
    const __m256i parity = _mm256_and_si256(_mm256_sra_epi16(value, count), odd);
    return _mm256_sra_epi16(_mm256_add_epi16(_mm256_add_epi16(value, addend), parity), count);
  }
};

}  // namespace

namespace avx2 {

void lookup8(const int8_t* input, int8_t* output, size_t count, const int8_t* table) {
  for_each(input, output, count, [table](__m256i value) { return look_up(table, value); });
}

void add8(const int8_t* a, const int8_t* b, int8_t* output, size_t count) {
  for_each_pair(a, b, output, count, [](__m256i x, __m256i y) { return _mm256_adds_epi8(x, y); });
}

void mul8(const int8_t* a, const int8_t* b, int8_t* output, size_t count, int32_t shift, Rounding rounding) {
  if (shift > 14) {
    // Products are at most 2^14, at least -127 * 128: from a shift of 15 on only the tie 2^14 / 2^15, rounded
    // up, differs from 0.
    const int8_t tie = shift == 15 && rounding == Rounding::kHalfUp ? 1 : 0;
    const __m256i lowest = _mm256_set1_epi8(-128), one = _mm256_set1_epi8(tie);
    for_each_pair(a, b, output, count, [=](__m256i x, __m256i y) {
      return _mm256_and_si256(_mm256_and_si256(_mm256_cmpeq_epi8(x, lowest), _mm256_cmpeq_epi8(y, lowest)),
                              one);
    });
    return;
  }
  const Shift16 round(shift, rounding);
  for_each_pair(a, b, output, count, [&round](__m256i x, __m256i y) {
    return narrow(round(_mm256_mullo_epi16(widen_low(x), widen_low(y))),
                  round(_mm256_mullo_epi16(widen_high(x), widen_high(y))));
  });
}

void requantize8(const int8_t* input, int8_t* output, size_t count, int32_t shift, Rounding rounding) {
  if (shift >= 8) {                           // |q| / 2^8 is at most 1/2, and the tie is -1/2: all round to 0
    if (count > 0) memset(output, 0, count);  // nothing may be at null
    return;
  }
  if (shift < 0) {
    // From 8 bits on everything but 0 saturates, so longer shifts are the same.
    const __m128i left = _mm_cvtsi32_si128(shift < -8 ? 8 : -shift);
    for_each(input, output, count, [left](__m256i value) {
      return narrow(_mm256_sll_epi16(widen_low(value), left), _mm256_sll_epi16(widen_high(value), left));
    });
    return;
  }
  const Shift16 round(shift, rounding);
  for_each(input, output, count,
           [&round](__m256i value) { return narrow(round(widen_low(value)), round(widen_high(value))); });
}

void quantize8(const float* input, int8_t* output, size_t count, float scale, Rounding rounding) {
  const __m256 factor = _mm256_set1_ps(scale), half = _mm256_set1_ps(0.5f);
  const __m256 highest = _mm256_set1_ps(127), lowest = _mm256_set1_ps(-128);
  const auto eight = [&](const float* from) {
    // Of two numbers min takes the second if one is not a number.
    __m256 value = _mm256_min_ps(_mm256_mul_ps(_mm256_loadu_ps(from), factor), highest);
    value = _mm256_max_ps(value, lowest);
    if (rounding == Rounding::kHalfUp) value = _mm256_floor_ps(_mm256_add_ps(value, half));
    return _mm256_cvtps_epi32(value);
  };
  const auto all = [&](const float* from, int8_t* to) {
    const __m256i words = _mm256_packs_epi32(eight(from), eight(from + 8));
    const __m256i more = _mm256_packs_epi32(eight(from + 16), eight(from + 24));
    // Packing works within halves: put the groups of four back in order.
    store(to, _mm256_permutevar8x32_epi32(_mm256_packs_epi16(words, more),
                                          _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7)));
  };
  size_t i = 0;
  for (; i + 32 <= count; i += 32) all(input + i, output + i);
  if (i == count) return;
  float rest[32] = {};
  int8_t results[32];
  memcpy(rest, input + i, (count - i) * sizeof(float));
  all(rest, results);
  memcpy(output + i, results, count - i);
}

void maximum8(const int8_t* a, const int8_t* b, int8_t* output, size_t count) {
  for_each_pair(a, b, output, count, [](__m256i x, __m256i y) { return _mm256_max_epi8(x, y); });
}

}  // namespace avx2
}  // namespace shrike
