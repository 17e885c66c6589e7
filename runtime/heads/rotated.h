// Turned rectangles (spec/heads.md 2.4 and 4.4).
#pragma once

namespace shrike {

constexpr float kPi = 3.14159265358979323846f;

// Sine and cosine with one definition for every machine (see ops/float_math.h); |x| up to a few turns.
float sin_f32(float x);
float cos_f32(float x);

struct RotatedBox {
  float x1, y1, x2, y2;  // before it is turned about its centre
  float angle;           // radians
};
// How alike two boxes are as Gaussian distributions, 0..1: Ultralytics' measure for suppressing overlaps. No
// ratio of areas: equal boxes give 0.99955, a square does not feel its angle.
float probabilistic_overlap(const RotatedBox& a, const RotatedBox& b);

}  // namespace shrike
