#include "shrike/sha256.h"

#include <string.h>

#include "format/sha256_rounds.h"

namespace shrike {
namespace {

uint32_t rotate(uint32_t value, int places) {
  return value >> places | value << (32 - places);
}

void compress(uint32_t (&state)[8], const uint8_t* block) {
  uint32_t w[64];
  for (int i = 0; i < 16; ++i) {
    w[i] = static_cast<uint32_t>(block[4 * i]) << 24 | static_cast<uint32_t>(block[4 * i + 1]) << 16 |
           static_cast<uint32_t>(block[4 * i + 2]) << 8 | block[4 * i + 3];
  }
  for (int i = 16; i < 64; ++i) {
    const uint32_t s0 = rotate(w[i - 15], 7) ^ rotate(w[i - 15], 18) ^ (w[i - 15] >> 3);
    const uint32_t s1 = rotate(w[i - 2], 17) ^ rotate(w[i - 2], 19) ^ (w[i - 2] >> 10);
    w[i] = w[i - 16] + s0 + w[i - 7] + s1;
  }
  uint32_t v[8];
  memcpy(v, state, sizeof v);
  for (int i = 0; i < 64; ++i) {
    const uint32_t s1 = rotate(v[4], 6) ^ rotate(v[4], 11) ^ rotate(v[4], 25);
    const uint32_t choice = (v[4] & v[5]) ^ (~v[4] & v[6]);
    const uint32_t first = v[7] + s1 + choice + kSha256Rounds[i] + w[i];
    const uint32_t s0 = rotate(v[0], 2) ^ rotate(v[0], 13) ^ rotate(v[0], 22);
    const uint32_t second = s0 + ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));
    for (int k = 7; k > 0; --k) v[k] = v[k - 1];
    v[4] += first;
    v[0] = first + second;
  }
  for (int i = 0; i < 8; ++i) state[i] += v[i];
}

}  // namespace

void sha256_blocks(uint32_t (&state)[8], const uint8_t* blocks, size_t count) {
  for (size_t i = 0; i < count; ++i) compress(state, blocks + 64 * i);
}

Sha256Text sha256_text(const void* bytes, size_t count, Sha256Blocks take) {
  uint32_t state[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                       0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  const uint8_t* data = static_cast<const uint8_t*>(bytes);
  const size_t whole = count / 64, left = count % 64;
  take(state, data, whole);
  uint8_t block[64] = {};
  if (left > 0) memcpy(block, data + 64 * whole, left);
  block[left] = 0x80;
  if (left >= 56) {
    take(state, block, 1);
    memset(block, 0, sizeof block);
  }
  const uint64_t bits = static_cast<uint64_t>(count) * 8;
  for (int i = 0; i < 8; ++i) block[63 - i] = static_cast<uint8_t>(bits >> (8 * i));
  take(state, block, 1);
  Sha256Text text;
  for (int i = 0; i < 64; ++i) text.digits[i] = "0123456789abcdef"[state[i / 8] >> (28 - 4 * (i % 8)) & 15];
  text.digits[64] = '\0';
  return text;
}

}  // namespace shrike
