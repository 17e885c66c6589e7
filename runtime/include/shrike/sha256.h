// SHA-256 (FIPS 180-4) without a heap, for fingerprints of tensors: the same on a board and on a PC.
#pragma once
#include <stddef.h>
#include <stdint.h>

namespace shrike {

struct Sha256Text {
  char digits[65];  // 64 lower-case hexadecimal digits and NUL
};

// Takes `count` blocks of 64 bytes into the state. A PC has instructions for it.
using Sha256Blocks = void (*)(uint32_t (&state)[8], const uint8_t* blocks, size_t count);
void sha256_blocks(uint32_t (&state)[8], const uint8_t* blocks, size_t count);

Sha256Text sha256_text(const void* bytes, size_t count, Sha256Blocks take = sha256_blocks);

}  // namespace shrike
