// SHA-256 (FIPS 180-4) without a heap, for fingerprints of tensors.
#pragma once
#include <stddef.h>
#include <stdint.h>

namespace firmware {

struct Sha256Text {
  char digits[65];  // 64 lower-case hexadecimal digits and NUL
};
Sha256Text sha256(const void* bytes, size_t count);

}  // namespace firmware
