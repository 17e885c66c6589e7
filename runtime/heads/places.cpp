#include "heads/places.h"

#include "heads/values.h"

namespace shrike {

bool find_place(const Head& head, uint32_t place, Place& found) {
  int64_t rest = place;
  for (int32_t i = 0; i < head.level_count; ++i) {
    const HeadLevel& level = head.levels[i];
    const int64_t width = level.box.shape.dims[2];
    const int64_t count = level.box.shape.dims[1] * width * head.anchor_count;
    if (rest < count) {
      const int64_t cell = rest / head.anchor_count;
      found = {&level, rest, static_cast<float>(cell % width), static_cast<float>(cell / width)};
      return true;
    }
    rest -= count;
  }
  return false;
}

Status check_third(const Head& head, const Place& place, int32_t channels) {
  const TensorView& third = place.level->third;
  if (!is_given(third) || third.data == nullptr || third.shape.rank != 4 || !has_readable_type(third)) {
    return make_status(StatusCode::kBadArgument, "the head has no such tensor");
  }
  if (third.shape.dims[3] != channels * head.anchor_count ||
      third.shape.dims[1] != place.level->box.shape.dims[1] ||
      third.shape.dims[2] != place.level->box.shape.dims[2]) {
    return make_status(StatusCode::kBadShape, "the third tensor of a level does not fit its boxes");
  }
  return {};
}

}  // namespace shrike
