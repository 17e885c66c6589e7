// Boxes by the distances of their sides from a point of the cell, kinds D1 and D2 of spec/heads.md 1.6.
#include "heads/decoder.h"
#include "heads/values.h"
#include "ops/float_math.h"

namespace shrike {
namespace {

constexpr int32_t kSides = 4;

// Distribution focal loss: softmax over the bins, then the expected bin.
float distance(const TensorView& view, int64_t first, int32_t bins) {
  float values[kMaxBins];
  float highest = -INFINITY;
  for (int32_t i = 0; i < bins; ++i) {
    values[i] = read_value(view, first + i);
    if (values[i] > highest) highest = values[i];
  }
  if (bins == 1) return values[0];
  float sum = 0;
  for (int32_t i = 0; i < bins; ++i) {
    values[i] = exp_f32(values[i] - highest);
    sum += values[i];
  }
  float expected = 0;
  for (int32_t i = 0; i < bins; ++i) expected += values[i] / sum * static_cast<float>(i);
  return expected;
}

}  // namespace

void read_sides(const LevelMap& level, uint32_t place, float (&sides)[4]) {
  const float stride = static_cast<float>(level.tensors->stride);
  for (int32_t i = 0; i < kSides; ++i) {
    sides[i] = distance(level.tensors->box, (int64_t{place} * kSides + i) * level.bins, level.bins) * stride;
  }
}

void reference_point(const Head& head, const LevelMap& level, uint32_t place, float* x, float* y) {
  const float stride = static_cast<float>(level.tensors->stride);
  const int32_t cell = static_cast<int32_t>(place) / level.anchors;
  *x = static_cast<float>(cell % level.width) * stride + stride * head.cell_offset;
  *y = static_cast<float>(cell / level.width) * stride + stride * head.cell_offset;
}

Box box_from_distances(const Head& head, const LevelMap& level, uint32_t place) {
  float x, y, sides[kSides];
  reference_point(head, level, place, &x, &y);
  read_sides(level, place, sides);
  return {x - sides[0], y - sides[1], x + sides[2], y + sides[3], 0};
}

}  // namespace shrike
