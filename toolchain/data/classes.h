// The 80 classes of COCO detection in the order of model outputs, and the category ids of the annotation
// files (1 to 90 with gaps).
#pragma once
#include <array>
#include <string_view>

namespace shrike::data {

struct CocoClass {
  int category_id;
  std::string_view name;
};

extern const std::array<CocoClass, 80> kCocoClasses;

}  // namespace shrike::data
