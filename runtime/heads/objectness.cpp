// YOLOX, kind D4 of spec/heads.md 1.6.
#include "heads/decoder.h"
#include "heads/values.h"
#include "ops/float_math.h"

namespace shrike {
namespace {

// Sizes are powers of e: no box is larger than e^10 strides.
constexpr float kLargestLogSize = 10;

Box box_of(const Head&, const LevelMap& level, uint32_t place) {
  const float stride = static_cast<float>(level.tensors->stride);
  const int32_t cell = static_cast<int32_t>(place) / level.anchors;
  const float column = static_cast<float>(cell % level.width), row = static_cast<float>(cell / level.width);
  float t[4];
  for (int32_t i = 0; i < 4; ++i) t[i] = read_value(level.tensors->box, int64_t{place} * 4 + i);
  for (int32_t i = 2; i < 4; ++i) t[i] = t[i] < kLargestLogSize ? t[i] : kLargestLogSize;
  return box_from_centre((t[0] + column) * stride, (t[1] + row) * stride, exp_f32(t[2]) * stride,
                         exp_f32(t[3]) * stride);
}

}  // namespace

const HeadDecoder head_objectness = {.name = "objectness",
                                     .kind = HeadKind::kBoxes,
                                     .box = "box#",
                                     .score = "score#",
                                     .objectness = "obj#",
                                     .third = nullptr,
                                     .collect = collect_with_objectness,
                                     .box_of = box_of,
                                     .cell_offset = 0};

}  // namespace shrike
