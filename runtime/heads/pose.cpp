// Key points of YOLOv8, YOLO11 and YOLO26 (spec/heads.md 2.4; spec/runtime-and-vision.md 7, yolo11-pose).
#include <math.h>

#include "heads/decoder.h"
#include "heads/places.h"
#include "heads/values.h"
#include "ops/float_math.h"

namespace shrike {
namespace {

// The chip compares the raw visibility, not its probability.
constexpr float kChipVisibility = 0.5f;

float clipped(float value, float highest) {
  return value > 0 ? (value < highest ? value : highest) : 0;
}

// How many, and how many numbers each.
void read_key_points(MetadataReader& reader, const Text& key, Head& head) {
  float points = 0, values = 0;
  if (!(key == "key_points") || !reader.number(points) || !reader.number(values)) return;
  head.key_points = static_cast<int32_t>(points);
  head.key_point_values = static_cast<int32_t>(values);
}

}  // namespace

const HeadDecoder head_pose = {.name = "pose",
                               .kind = HeadKind::kKeyPoints,
                               .box = "box#",
                               .score = "score#",
                               .objectness = nullptr,
                               .third = "kpt#",
                               .collect = collect_logits,
                               .box_of = box_from_distances,
                               .bins = true,
                               .read = read_key_points};

Status decode_key_points(const Head& head, const Detection& detection, const ImagePlacement& placement,
                         DetectMode mode, KeyPoint* points) {
  Place place;
  if (points == nullptr || head.key_point_values < 2 || !find_place(head, detection.place, place)) {
    return make_status(StatusCode::kBadArgument,
                       "a head with key points and a detection of it must be given");
  }
  const int32_t values = head.key_point_values;
  SHRIKE_RETURN_IF_ERROR(check_third(head, place, head.key_points * values));
  const float stride = static_cast<float>(place.level->stride);
  const float factor = head.raw_third ? 1.0f : 2.0f, offset = head.raw_third ? 0.5f : 0.0f;
  for (int32_t i = 0; i < head.key_points; ++i) {
    const int64_t at = (place.index * head.key_points + i) * values;
    const float raw = values == 3 ? read_value(place.level->third, at + 2) : INFINITY;
    const float x = (read_value(place.level->third, at) * factor + place.column + offset) * stride;
    const float y = (read_value(place.level->third, at + 1) * factor + place.row + offset) * stride;
    KeyPoint point{(x - static_cast<float>(placement.left)) * placement.inverse_scale_x,
                   (y - static_cast<float>(placement.top)) * placement.inverse_scale_y, sigmoid_f32(raw)};
    if (mode == DetectMode::kChip) {
      const bool visible = raw >= kChipVisibility;
      point.x = visible ? clipped(truncf(point.x), static_cast<float>(placement.image_width - 1)) : 0;
      point.y = visible ? clipped(truncf(point.y), static_cast<float>(placement.image_height - 1)) : 0;
    }
    points[i] = point;
  }
  return {};
}

}  // namespace shrike
