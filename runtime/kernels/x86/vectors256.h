// 256-bit and 128-bit vectors of instruction sets with AVX2.
#pragma once
#include <immintrin.h>
#include <string.h>

#include "kernels/kernels.h"

namespace shrike {
namespace {

inline __m256i load256(const void* memory) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(memory));
}

// Bytes of the last, partial vector of a block: no more than `count` are touched.
template <class Type>
inline Type load_bytes(const void* memory, size_t count) {
  Type value{};
  memcpy(&value, memory, count);
  return value;
}

// Rule RS on 8 accumulators whose parameters lane_shift() accepted, half a unit already added.
inline __m256i requantize_lanes(__m256i value, __m256i shift, __m256i low) {
  const __m256i tie = _mm256_cmpeq_epi32(_mm256_and_si256(value, low), _mm256_setzero_si256());
  return _mm256_andnot_si256(_mm256_srli_epi32(tie, 31), _mm256_srav_epi32(value, shift));
}

inline __m128i requantize_lanes(__m128i value, __m128i shift, __m128i low) {
  const __m128i tie = _mm_cmpeq_epi32(_mm_and_si128(value, low), _mm_setzero_si128());
  return _mm_andnot_si128(_mm_srli_epi32(tie, 31), _mm_srav_epi32(value, shift));
}

// What depthwise.h asks of a vector, but the multiplication.
struct Bytes32 {
  using Type = __m256i;
  using Sums = __m256i;
  static constexpr size_t kBytes = 32;
  static constexpr int kSums = 4;
  static Sums load_sums(const void* memory) { return load256(memory); }
  static void store_sums(void* memory, Sums value) { store(memory, value); }
  static Type load(const void* memory) { return load256(memory); }
  static void store(void* memory, Type value) { _mm256_storeu_si256(static_cast<__m256i*>(memory), value); }
  static Type load_part(const void* memory, size_t count) { return load_bytes<Type>(memory, count); }
  static void store_part(void* memory, Type value, size_t count) { memcpy(memory, &value, count); }
  static Type fill(int byte) { return _mm256_set1_epi8(static_cast<char>(byte)); }
  static Type flip(Type value) { return _mm256_xor_si256(value, fill(-128)); }
  static void interleave(Type a, Type b, Type c, Type d, Type (&out)[4]) {
    const Type low_ab = _mm256_unpacklo_epi8(a, b), low_cd = _mm256_unpacklo_epi8(c, d);
    const Type high_ab = _mm256_unpackhi_epi8(a, b), high_cd = _mm256_unpackhi_epi8(c, d);
    out[0] = _mm256_unpacklo_epi16(low_ab, low_cd);
    out[1] = _mm256_unpackhi_epi16(low_ab, low_cd);
    out[2] = _mm256_unpacklo_epi16(high_ab, high_cd);
    out[3] = _mm256_unpackhi_epi16(high_ab, high_cd);
  }
  static void keep(Sums& value) { asm("" : "+x"(value)); }
  static Sums requantize(Sums sums, Sums shift, Sums low) { return requantize_lanes(sums, shift, low); }
  static Type bytes_of(const Sums (&sums)[4], Type floor) {
    const Type words = _mm256_packs_epi32(sums[0], sums[1]), more = _mm256_packs_epi32(sums[2], sums[3]);
    return _mm256_max_epi8(_mm256_packs_epi16(words, more), floor);
  }
};

struct Bytes16 {
  using Type = __m128i;
  using Sums = __m128i;
  static constexpr size_t kBytes = 16;
  static constexpr int kSums = 4;
  static Sums load_sums(const void* memory) { return load(memory); }
  static void store_sums(void* memory, Sums value) { store(memory, value); }
  static Type load(const void* memory) { return _mm_loadu_si128(static_cast<const __m128i*>(memory)); }
  static void store(void* memory, Type value) { _mm_storeu_si128(static_cast<__m128i*>(memory), value); }
  static Type load_part(const void* memory, size_t count) { return load_bytes<Type>(memory, count); }
  static void store_part(void* memory, Type value, size_t count) { memcpy(memory, &value, count); }
  static Type fill(int byte) { return _mm_set1_epi8(static_cast<char>(byte)); }
  static Type flip(Type value) { return _mm_xor_si128(value, fill(-128)); }
  static void interleave(Type a, Type b, Type c, Type d, Type (&out)[4]) {
    const Type low_ab = _mm_unpacklo_epi8(a, b), low_cd = _mm_unpacklo_epi8(c, d);
    const Type high_ab = _mm_unpackhi_epi8(a, b), high_cd = _mm_unpackhi_epi8(c, d);
    out[0] = _mm_unpacklo_epi16(low_ab, low_cd);
    out[1] = _mm_unpackhi_epi16(low_ab, low_cd);
    out[2] = _mm_unpacklo_epi16(high_ab, high_cd);
    out[3] = _mm_unpackhi_epi16(high_ab, high_cd);
  }
  static void keep(Sums& value) { asm("" : "+x"(value)); }
  static Sums requantize(Sums sums, Sums shift, Sums low) { return requantize_lanes(sums, shift, low); }
  static Type bytes_of(const Sums (&sums)[4], Type floor) {
    const Type words = _mm_packs_epi32(sums[0], sums[1]), more = _mm_packs_epi32(sums[2], sums[3]);
    return _mm_max_epi8(_mm_packs_epi16(words, more), floor);
  }
};

}  // namespace
}  // namespace shrike
