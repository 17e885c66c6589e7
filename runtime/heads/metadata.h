// Words of a metadata text: a first word, then KEY=NUMBER,NUMBER,... or KEY=WORD.
#pragma once
#include <stdint.h>

#include "shrike/tensor.h"

namespace shrike {

class MetadataReader {
 public:
  explicit MetadataReader(Text text) : text_(text) {}

  // The next word up to a space, '=' or ','.
  Text word() {
    while (at_ < text_.size && is_any(text_.data[at_], ' ', '=', ',')) ++at_;
    const uint32_t begin = at_;
    while (at_ < text_.size && !is_any(text_.data[at_], ' ', '=', ',')) ++at_;
    Text word;
    word.data = text_.data + begin;
    word.size = at_ - begin;
    return word;
  }
  // The next number behind '=' or ',', a plain decimal; false when there is none.
  bool number(float& value) {
    if (at_ >= text_.size || !is_any(text_.data[at_], '=', ',', ',')) return false;
    ++at_;
    float sign = 1, scale = 1;
    bool fraction = false, digits = false;
    value = 0;
    if (at_ < text_.size && text_.data[at_] == '-') {
      sign = -1;
      ++at_;
    }
    for (; at_ < text_.size; ++at_) {
      const char c = text_.data[at_];
      if (c == '.' && !fraction) {
        fraction = true;
      } else if (c >= '0' && c <= '9') {
        digits = true;
        value = value * 10 + static_cast<float>(c - '0');
        if (fraction) scale *= 10;
      } else {
        break;
      }
    }
    value = sign * value / scale;
    return digits;
  }
  // To the next space.
  void skip() {
    while (at_ < text_.size && text_.data[at_] != ' ') ++at_;
  }
  bool done() const { return at_ >= text_.size; }

 private:
  static bool is_any(char c, char first, char second, char third) {
    return c == first || c == second || c == third;
  }

  Text text_;
  uint32_t at_ = 0;
};

}  // namespace shrike
