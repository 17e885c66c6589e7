// Espressif's face detector, its first stage (spec/runtime-and-vision.md 7, MSR): two anchors a cell, whose
// corners are moved by shares of the anchor. The second stage (MNP) is another network, run on each box; the
// landmarks of the first are left to it, as in ESP-DL.
#include "heads/decoder.h"
#include "heads/values.h"

namespace shrike {
namespace {

// Pixels from the corner of a level to the centre of its first cell: the maps are those of unpadded
// convolutions.
constexpr float kFirstCentre = 9;

Box box_of(const Head&, const LevelMap& level, uint32_t place) {
  const int32_t cell = static_cast<int32_t>(place) / level.anchors,
                anchor = static_cast<int32_t>(place) % level.anchors;
  const float stride = static_cast<float>(level.tensors->stride);
  const float x = static_cast<float>(cell % level.width) * stride + kFirstCentre;
  const float y = static_cast<float>(cell / level.width) * stride + kFirstCentre;
  const float width = level.tensors->anchors[anchor][0], height = level.tensors->anchors[anchor][1];
  float shift[4];
  for (int32_t i = 0; i < 4; ++i) shift[i] = read_value(level.tensors->box, int64_t{place} * 4 + i);
  return {x - width / 2 + shift[0] * width, y - height / 2 + shift[1] * height,
          x + width / 2 + shift[2] * width, y + height / 2 + shift[3] * height, 0};
}

// The file holds neither strides nor anchors: 8 with 16 and 32, 16 with 64 and 128.
void complete(Head& head) {
  head.anchor_count = 2;
  for (int32_t i = 0; i < head.level_count; ++i) {
    head.levels[i].stride = 8 << i;
    for (int32_t a = 0; a < head.anchor_count; ++a) {
      for (float& side : head.levels[i].anchors[a]) side = static_cast<float>(16 << (2 * i + a));
    }
  }
}

}  // namespace

const HeadDecoder head_face = {.name = "face",
                               .kind = HeadKind::kBoxes,
                               .box = "box#",
                               .score = "score#",
                               .objectness = nullptr,
                               .third = "landmark#",
                               .collect = collect_logits,
                               .box_of = box_of,
                               .complete = complete};

}  // namespace shrike
