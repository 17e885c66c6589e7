// 512-bit vectors of 32-bit lanes. GCC 12 warns about uninitialised values inside intrinsics that have no
// mask, so these get a full one.
#pragma once
#include <immintrin.h>
#include <string.h>

#include "kernels/kernels.h"

namespace shrike {
namespace {

constexpr __mmask16 kAll = 0xffff;
constexpr __mmask8 kAll8 = 0xff;

// Rule RS on 16 accumulators whose parameters lane_shift() accepted, half a unit already added.
inline __m512i requantize_lanes(__m512i value, __m512i shift, __m512i low) {
  const __m512i units = _mm512_maskz_srav_epi32(kAll, value, shift);
  return _mm512_mask_and_epi32(units, _mm512_testn_epi32_mask(value, low), units, _mm512_set1_epi32(~1));
}

// In a register from here on: the compiler would repeat the load for every use.
inline void keep_512([[maybe_unused]] __m512i& value) {
#if defined(__AVX512F__)  // not where tests replace the instructions
  asm("" : "+v"(value));
#endif
}

// As Bytes32 of vectors256.h.
struct Bytes64 {
  using Type = __m512i;
  using Sums = __m512i;
  static constexpr size_t kBytes = 64;
  static constexpr int kSums = 4;
  static Sums load_sums(const void* memory) { return load(memory); }
  static void store_sums(void* memory, Sums value) { store(memory, value); }
  static Type load(const void* memory) { return _mm512_loadu_si512(memory); }
  static void store(void* memory, Type value) { _mm512_storeu_si512(memory, value); }
  static Type load_part(const void* memory, size_t count) {
    return _mm512_maskz_loadu_epi8((__mmask64{1} << count) - 1, memory);
  }
  static void store_part(void* memory, Type value, size_t count) {
    _mm512_mask_storeu_epi8(memory, (__mmask64{1} << count) - 1, value);
  }
  static Type fill(int byte) { return _mm512_set1_epi8(static_cast<char>(byte)); }
  static Type flip(Type value) { return _mm512_xor_si512(value, fill(-128)); }
  static void interleave(Type a, Type b, Type c, Type d, Type (&out)[4]) {
    const Type low_ab = _mm512_unpacklo_epi8(a, b), low_cd = _mm512_unpacklo_epi8(c, d);
    const Type high_ab = _mm512_unpackhi_epi8(a, b), high_cd = _mm512_unpackhi_epi8(c, d);
    out[0] = _mm512_unpacklo_epi16(low_ab, low_cd);
    out[1] = _mm512_unpackhi_epi16(low_ab, low_cd);
    out[2] = _mm512_unpacklo_epi16(high_ab, high_cd);
    out[3] = _mm512_unpackhi_epi16(high_ab, high_cd);
  }
  static void keep(Sums& value) { keep_512(value); }
  static Sums requantize(Sums sums, Sums shift, Sums low) { return requantize_lanes(sums, shift, low); }
  static Type bytes_of(const Sums (&sums)[4], Type floor) {
    const Type words = _mm512_packs_epi32(sums[0], sums[1]), more = _mm512_packs_epi32(sums[2], sums[3]);
    return _mm512_max_epi8(_mm512_packs_epi16(words, more), floor);
  }
};

// Plus 128 on every byte.
inline void flip_signs_512(const int8_t* input, uint8_t* output, size_t count) {
  size_t i = 0;
  for (; i + 64 <= count; i += 64) Bytes64::store(output + i, Bytes64::flip(Bytes64::load(input + i)));
  if (i == count) return;
  Bytes64::store_part(output + i, Bytes64::flip(Bytes64::load_part(input + i, count - i)), count - i);
}

}  // namespace
}  // namespace shrike
