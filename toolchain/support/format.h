// Numbers as people read them.
#pragma once
#include <cstdint>
#include <string>

namespace shrike {

inline constexpr uint64_t kKib = 1024, kMib = 1024 * kKib;

// "812 B", "5.9 KiB", "5.72 MiB"; three significant digits.
std::string format_bytes(uint64_t bytes);
// "1234567" -> "1,234,567".
std::string format_count(uint64_t count);

}  // namespace shrike
