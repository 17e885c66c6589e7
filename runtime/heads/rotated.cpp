#include "heads/rotated.h"

#include <math.h>
#include <stdint.h>

#include "heads/decoder.h"
#include "heads/values.h"
#include "ops/float_math.h"

namespace shrike {
namespace {

constexpr float kEpsilon = 1e-7f;

// Odd Taylor polynomial on [-pi/2, pi/2]; its first term left out is below 2^-27 there.
float sine_of_small(double x) {
  const double square = x * x;
  double sum = 1.0 / 6227020800.0;  // 13!
  sum = sum * square - 1.0 / 39916800.0;
  sum = sum * square + 1.0 / 362880.0;
  sum = sum * square - 1.0 / 5040.0;
  sum = sum * square + 1.0 / 120.0;
  sum = sum * square - 1.0 / 6.0;
  return static_cast<float>(x + x * square * sum);
}

// The covariance of a box: uniform over its sides, turned.
struct Covariance {
  float xx, yy, xy;
};
Covariance covariance(const RotatedBox& box) {
  const float width = box.x2 - box.x1, height = box.y2 - box.y1;
  const float a = width * width / 12, b = height * height / 12;
  const float sine = sin_f32(box.angle), cosine = cos_f32(box.angle);
  return {a * cosine * cosine + b * sine * sine, a * sine * sine + b * cosine * cosine,
          (a - b) * cosine * sine};
}

float determinant(const Covariance& c) {
  const float value = c.xx * c.yy - c.xy * c.xy;
  return value > 0 ? value : 0;
}

}  // namespace

float sin_f32(float x) {
  constexpr double kHalfTurn = 3.14159265358979323846;
  const double turns = rint(static_cast<double>(x) / kHalfTurn);
  const float value = sine_of_small(static_cast<double>(x) - turns * kHalfTurn);
  return static_cast<int64_t>(turns) % 2 == 0 ? value : -value;
}

float cos_f32(float x) {
  return sin_f32(x + kPi / 2);
}

float probabilistic_overlap(const RotatedBox& a, const RotatedBox& b) {
  const Covariance p = covariance(a), q = covariance(b);
  const float xx = p.xx + q.xx, yy = p.yy + q.yy, xy = p.xy + q.xy;
  const float dx = (b.x1 + b.x2 - a.x1 - a.x2) / 2, dy = (a.y1 + a.y2 - b.y1 - b.y2) / 2;
  const float joint = xx * yy - xy * xy;
  const float shift =
      (xx * dy * dy + yy * dx * dx) / (joint + kEpsilon) / 4 + xy * dx * dy / (joint + kEpsilon) / 2;
  const float spread =
      log_f32(joint / (4 * sqrtf(determinant(p) * determinant(q)) + kEpsilon) + kEpsilon) / 2;
  float distance = shift + spread;
  distance = distance < kEpsilon ? kEpsilon : distance > 100 ? 100 : distance;
  return 1 - sqrtf(1 - exp_f32(-distance) + kEpsilon);
}

namespace {

// The sides belong to the turned box: its centre lies off the cell's in the box's own directions.
Box turned_box(const Head& head, const LevelMap& level, uint32_t place) {
  float x, y, sides[4];
  reference_point(head, level, place, &x, &y);
  read_sides(level, place, sides);
  const float raw = read_value(level.tensors->third, place);
  const float angle = head.raw_third ? raw : (sigmoid_f32(raw) - 0.25f) * kPi;
  const float along = (sides[2] - sides[0]) / 2, across = (sides[3] - sides[1]) / 2;
  const float sine = sin_f32(angle), cosine = cos_f32(angle);
  Box box = box_from_centre(x + along * cosine - across * sine, y + along * sine + across * cosine,
                            sides[0] + sides[2], sides[1] + sides[3]);
  box.angle = angle;
  return box;
}

float overlap(const Box& a, const Box& b) {
  return probabilistic_overlap({a.x1, a.y1, a.x2, a.y2, a.angle}, {b.x1, b.y1, b.x2, b.y2, b.angle});
}

}  // namespace

const HeadDecoder head_rotated = {.name = "rotated",
                                  .kind = HeadKind::kRotatedBoxes,
                                  .box = "box#",
                                  .score = "score#",
                                  .objectness = nullptr,
                                  .third = "angle#",
                                  .collect = collect_logits,
                                  .box_of = turned_box,
                                  .bins = true,
                                  .overlap = overlap};

}  // namespace shrike
