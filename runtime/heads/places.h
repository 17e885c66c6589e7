// Where a detection's own numbers stand in the tensors of its level.
#pragma once
#include "shrike/detector.h"

namespace shrike {

struct Place {
  const HeadLevel* level;
  int64_t index;  // among the boxes of the level
  float column, row;
};

// False when the head has no such place.
bool find_place(const Head& head, uint32_t place, Place& found);
// The third tensor of the place's level has `channels` numbers a box.
Status check_third(const Head& head, const Place& place, int32_t channels);

}  // namespace shrike
