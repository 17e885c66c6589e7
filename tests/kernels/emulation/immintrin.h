// Found before the compiler's own <immintrin.h> when the AVX-512 and AVX-VNNI kernels are built for tests on
// machines that lack them: SIMDe's plain definitions take the names of the instructions. What SIMDe 0.7.4
// does not define follows here, after Intel's documentation.
#pragma once
#include_next <immintrin.h>

#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/x86/avx512.h>

#include <cstdint>
#include <cstring>

namespace shrike::emulation {

// Bytes whose mask bit is 0 are neither read nor written: the masked instructions do not fault on them.
inline simde__m512i maskz_loadu_epi8(uint64_t mask, const void* memory) {
  uint8_t bytes[64] = {};
  for (int i = 0; i < 64; ++i) {
    if ((mask >> i & 1) != 0) bytes[i] = static_cast<const uint8_t*>(memory)[i];
  }
  return simde_mm512_loadu_si512(bytes);
}

template <typename Vector>
void mask_storeu_epi8(void* memory, uint64_t mask, Vector value) {
  uint8_t bytes[sizeof value];
  std::memcpy(bytes, &value, sizeof value);
  for (size_t i = 0; i < sizeof value; ++i) {
    if ((mask >> i & 1) != 0) static_cast<uint8_t*>(memory)[i] = bytes[i];
  }
}

// Counts of 32 and more fill the lane with its sign.
inline simde__m512i maskz_srav_epi32(uint16_t mask, simde__m512i value, simde__m512i shift) {
  int32_t lanes[16];
  uint32_t counts[16];
  std::memcpy(lanes, &value, sizeof value);
  std::memcpy(counts, &shift, sizeof shift);
  for (int i = 0; i < 16; ++i) {
    lanes[i] = (mask >> i & 1) != 0 ? lanes[i] >> (counts[i] < 31 ? counts[i] : 31) : 0;
  }
  return simde_mm512_loadu_si512(lanes);
}

// Bit i: lane i of both has no bit in common.
inline uint16_t testn_epi32_mask(simde__m512i a, simde__m512i b) {
  uint32_t first[16], second[16];
  std::memcpy(first, &a, sizeof a);
  std::memcpy(second, &b, sizeof b);
  uint16_t mask = 0;
  for (int i = 0; i < 16; ++i) {
    if ((first[i] & second[i]) == 0) mask = static_cast<uint16_t>(mask | 1 << i);
  }
  return mask;
}

// Four products of unsigned by signed bytes a lane.
template <typename Vector>
Vector dpbusd(Vector sums, Vector inputs, Vector weights) {
  constexpr size_t kLanes = sizeof sums / sizeof(uint32_t);
  uint32_t lanes[kLanes];
  uint8_t a[4 * kLanes];
  int8_t b[4 * kLanes];
  std::memcpy(lanes, &sums, sizeof sums);
  std::memcpy(a, &inputs, sizeof inputs);
  std::memcpy(b, &weights, sizeof weights);
  for (size_t i = 0; i < 4 * kLanes; ++i) lanes[i / 4] += static_cast<uint32_t>(a[i] * b[i]);
  std::memcpy(&sums, lanes, sizeof sums);
  return sums;
}

}  // namespace shrike::emulation

#undef _mm512_maskz_loadu_epi8
#undef _mm512_mask_storeu_epi8
#undef _mm256_mask_storeu_epi8
#undef _mm_mask_storeu_epi8
#undef _mm512_maskz_srav_epi32
#undef _mm512_testn_epi32_mask
#define _mm256_dpbusd_avx_epi32(sums, inputs, weights) shrike::emulation::dpbusd(sums, inputs, weights)
#define _mm_dpbusd_avx_epi32(sums, inputs, weights) shrike::emulation::dpbusd(sums, inputs, weights)
#define _mm512_maskz_loadu_epi8(mask, memory) shrike::emulation::maskz_loadu_epi8(mask, memory)
#define _mm512_mask_storeu_epi8(memory, mask, value) shrike::emulation::mask_storeu_epi8(memory, mask, value)
#define _mm256_mask_storeu_epi8(memory, mask, value) shrike::emulation::mask_storeu_epi8(memory, mask, value)
#define _mm_mask_storeu_epi8(memory, mask, value) shrike::emulation::mask_storeu_epi8(memory, mask, value)
#define _mm512_maskz_srav_epi32(mask, value, shift) shrike::emulation::maskz_srav_epi32(mask, value, shift)
#define _mm512_testn_epi32_mask(a, b) shrike::emulation::testn_epi32_mask(a, b)
