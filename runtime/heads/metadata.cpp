#include "heads/metadata.h"

namespace shrike {

Text MetadataReader::word() {
  const auto ends = [](char c) { return c == ' ' || c == '=' || c == ','; };
  while (at_ < text_.size && ends(text_.data[at_])) ++at_;
  const uint32_t begin = at_;
  while (at_ < text_.size && !ends(text_.data[at_])) ++at_;
  Text word;
  word.data = text_.data + begin;
  word.size = at_ - begin;
  return word;
}

bool MetadataReader::number(float& value) {
  if (at_ >= text_.size || (text_.data[at_] != '=' && text_.data[at_] != ',')) return false;
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

void MetadataReader::skip() {
  while (at_ < text_.size && text_.data[at_] != ' ') ++at_;
}

}  // namespace shrike
