#include "toolchain/import/text.h"

#include <algorithm>

namespace shrike::graph {

bool is_utf8(const std::string& text) {
  for (size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    const int extra = lead < 0x80   ? 0
                      : lead < 0xc2 ? -1
                      : lead < 0xe0 ? 1
                      : lead < 0xf0 ? 2
                      : lead < 0xf5 ? 3
                                    : -1;
    if (extra < 0 || i + static_cast<size_t>(extra) >= text.size()) return false;
    for (int k = 1; k <= extra; ++k) {
      if ((static_cast<unsigned char>(text[i + static_cast<size_t>(k)]) & 0xc0) != 0x80) return false;
    }
    i += 1 + static_cast<size_t>(extra);
  }
  return true;
}

bool is_printable(const std::string& text) {
  const auto is_control = [](unsigned char byte) { return byte < 0x20 || byte == 0x7f; };
  return is_utf8(text) && std::none_of(text.begin(), text.end(), is_control);
}

}  // namespace shrike::graph
