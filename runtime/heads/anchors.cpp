// YOLOv5 and YOLOv7, kind D3 of spec/heads.md 1.6.
#include "heads/decoder.h"
#include "heads/values.h"
#include "ops/float_math.h"

namespace shrike {
namespace {

Box box_of(const Head&, const LevelMap& level, uint32_t place) {
  const float stride = static_cast<float>(level.tensors->stride);
  const int32_t cell = static_cast<int32_t>(place) / level.anchors,
                anchor = static_cast<int32_t>(place) % level.anchors;
  const float column = static_cast<float>(cell % level.width), row = static_cast<float>(cell / level.width);
  float t[4];
  for (int32_t i = 0; i < 4; ++i)
    t[i] = 2 * sigmoid_f32(read_value(level.tensors->box, int64_t{place} * 4 + i));
  const float* size = level.tensors->anchors[anchor];
  return box_from_centre((t[0] - 0.5f + column) * stride, (t[1] - 0.5f + row) * stride, t[2] * t[2] * size[0],
                         t[3] * t[3] * size[1]);
}

// Width and height of every anchor of every level, in pixels.
void read_sizes(MetadataReader& reader, const Text& key, Head& head) {
  if (!(key == "anchors")) return;
  const int32_t count = head.anchor_count < kMaxAnchors ? head.anchor_count : kMaxAnchors;
  for (int32_t level = 0; level < head.level_count; ++level) {
    for (int32_t i = 0; i < count; ++i) {
      for (float& side : head.levels[level].anchors[i]) {
        if (!reader.number(side)) return;
      }
    }
  }
}

}  // namespace

const HeadDecoder head_anchors = {.name = "anchors",
                                  .kind = HeadKind::kBoxes,
                                  .box = "box#",
                                  .score = "score#",
                                  .objectness = "obj#",
                                  .third = nullptr,
                                  .collect = collect_with_objectness,
                                  .box_of = box_of,
                                  .read = read_sizes};

}  // namespace shrike
