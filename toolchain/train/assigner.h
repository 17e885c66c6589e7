// Which places of a detection head are to find which object: task-aligned assignment (spec/training.md
// section 2.3; Feng et al., "TOOD", ICCV 2021).
#pragma once
#include <cstdint>
#include <vector>

namespace shrike::train {

// A labelled object in pixels of the network's input, corners.
struct Truth {
  int category = 0;
  float x1 = 0, y1 = 0, x2 = 0, y2 = 0;
  bool operator==(const Truth&) const = default;
};

struct Box {
  double x1 = 0, y1 = 0, x2 = 0, y2 = 0;
};

// Complete intersection over union of `a` and `b` (section 2.4); `gradient`, when given, receives the
// derivatives by the corners of `a` (x1, y1, x2, y2), the aspect term's weight held constant.
double complete_iou(const Box& a, const Box& b, double gradient[4] = nullptr);

// What the network says at one place: the place in pixels, its box in pixels, and one score in 0..1 a class.
struct Prediction {
  double x = 0, y = 0;
  Box box;
  const float* logits = nullptr;  // of class c: logits[c * logit_step]
  int64_t logit_step = 1;

  double score(int category) const;
};

struct Assignment {
  int truth = -1;     // index of the object; -1: background
  double target = 0;  // wanted score of the object's class
};

struct AssignerOptions {
  int places_per_object = 10;
  double score_power = 0.5, overlap_power = 6.0;
  // Objects below the smallest stride in width or height are looked for in a square of the second one.
  double smallest_stride = 8, second_stride = 16;
};

// One entry a prediction. No prediction belongs to two objects.
std::vector<Assignment> assign(const std::vector<Prediction>& predictions, const std::vector<Truth>& truths,
                               const AssignerOptions& options = {});

}  // namespace shrike::train
