// Words of a metadata text: a first word, then KEY=NUMBER,NUMBER,... or KEY=WORD.
#pragma once
#include <stdint.h>

#include "shrike/tensor.h"

namespace shrike {

class MetadataReader {
 public:
  explicit MetadataReader(Text text) : text_(text) {}

  // The next word up to a space, '=' or ','.
  Text word();
  // The next number behind '=' or ',', a plain decimal; false when there is none.
  bool number(float& value);
  // To the next space.
  void skip();
  bool done() const { return at_ >= text_.size; }

 private:
  Text text_;
  uint32_t at_ = 0;
};

}  // namespace shrike
