// SHA-256 (FIPS 180-4) without a heap, for fingerprints of tensors: the same on a board and on a PC.
#pragma once
#include <stddef.h>
#include <stdint.h>

namespace shrike {

struct Sha256Text {
  char digits[65];  // 64 lower-case hexadecimal digits and NUL
};
Sha256Text sha256_text(const void* bytes, size_t count);

}  // namespace shrike
