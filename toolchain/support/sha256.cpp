#include "toolchain/support/sha256.h"

#include "runtime/format/sha256_rounds.h"
#include "shrike/sha256.h"

#ifdef __x86_64__
#include <cpuid.h>
#include <immintrin.h>
#endif

namespace shrike {
namespace {

#ifdef __x86_64__

bool has_sha_instructions() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (b & bit_SHA) != 0 &&
         __builtin_cpu_supports("sse4.1");
}

// The instructions want the eight words of the state as two vectors, highest first: A B E F and C D G H.
__attribute__((target("sha,sse4.1"))) void blocks_by_instructions(uint32_t (&state)[8], const uint8_t* blocks,
                                                                  size_t count) {
  const __m128i big_endian = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
  __m128i abef = _mm_set_epi32(static_cast<int>(state[0]), static_cast<int>(state[1]),
                               static_cast<int>(state[4]), static_cast<int>(state[5]));
  __m128i cdgh = _mm_set_epi32(static_cast<int>(state[2]), static_cast<int>(state[3]),
                               static_cast<int>(state[6]), static_cast<int>(state[7]));
  for (; count > 0; --count, blocks += 64) {
    const __m128i abef_before = abef, cdgh_before = cdgh;
    __m128i words[4];  // the last sixteen of the schedule
    for (int i = 0; i < 16; ++i) {
      __m128i& next = words[i % 4];
      if (i < 4) {
        next = _mm_shuffle_epi8(_mm_loadu_si128(reinterpret_cast<const __m128i*>(blocks) + i), big_endian);
      } else {
        const __m128i &second = words[(i + 1) % 4], &third = words[(i + 2) % 4], &last = words[(i + 3) % 4];
        next = _mm_add_epi32(_mm_sha256msg1_epu32(next, second), _mm_alignr_epi8(last, third, 4));
        next = _mm_sha256msg2_epu32(next, last);
      }
      const __m128i keyed =
          _mm_add_epi32(next, _mm_load_si128(reinterpret_cast<const __m128i*>(kSha256Rounds) + i));
      cdgh = _mm_sha256rnds2_epu32(cdgh, abef, keyed);
      abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(keyed, 0x0e));
    }
    abef = _mm_add_epi32(abef, abef_before);
    cdgh = _mm_add_epi32(cdgh, cdgh_before);
  }
  state[0] = static_cast<uint32_t>(_mm_extract_epi32(abef, 3));
  state[1] = static_cast<uint32_t>(_mm_extract_epi32(abef, 2));
  state[4] = static_cast<uint32_t>(_mm_extract_epi32(abef, 1));
  state[5] = static_cast<uint32_t>(_mm_extract_epi32(abef, 0));
  state[2] = static_cast<uint32_t>(_mm_extract_epi32(cdgh, 3));
  state[3] = static_cast<uint32_t>(_mm_extract_epi32(cdgh, 2));
  state[6] = static_cast<uint32_t>(_mm_extract_epi32(cdgh, 1));
  state[7] = static_cast<uint32_t>(_mm_extract_epi32(cdgh, 0));
}

Sha256Blocks fastest_blocks() {
  return has_sha_instructions() ? blocks_by_instructions : sha256_blocks;
}

#else

Sha256Blocks fastest_blocks() {
  return sha256_blocks;
}

#endif

}  // namespace

std::string sha256(const void* bytes, size_t count) {
  static const Sha256Blocks blocks = fastest_blocks();
  return sha256_text(bytes, count, blocks).digits;
}

}  // namespace shrike
