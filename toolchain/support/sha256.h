// SHA-256 (FIPS 180-4).
#pragma once
#include <cstddef>
#include <string>

namespace shrike {

// 64 lower-case hexadecimal digits.
std::string sha256(const void* bytes, size_t count);

}  // namespace shrike
