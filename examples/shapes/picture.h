// One drawn picture with its labels: coloured shapes and letters on a textured background.
#pragma once
#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "toolchain/data/image.h"

namespace shapes {

inline constexpr std::array<std::string_view, 8> kClasses = {"circle", "square", "triangle", "star",
                                                             "cross",  "ring",   "letter A", "letter R"};

// Pixel edges of everything the object covers, parts hidden by others included.
struct Label {
  int category = 0;
  int x1 = 0, y1 = 0, x2 = 0, y2 = 0;
};

struct Picture {
  shrike::data::Image image;
  std::vector<Label> labels;
};

// The same seed and number give the same picture.
Picture draw(uint64_t seed, uint64_t number);

}  // namespace shapes
