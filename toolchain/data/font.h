// A 5x7 pixel font with two rows for descenders.
#pragma once
#include <array>
#include <cstdint>

namespace shrike::data {

// Nine rows from the top, bit 4 is the left column.
using Glyph = std::array<uint8_t, 9>;

// Printable ASCII; any other character gives a filled box.
const Glyph& glyph(char character);

}  // namespace shrike::data
