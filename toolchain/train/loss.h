// The detection loss of heads with a distribution per box side (spec/training.md section 2): class scores,
// box overlap and distribution focal loss, with their gradients.
#pragma once
#include <cstdint>
#include <limits>
#include <vector>

#include "toolchain/train/assigner.h"

namespace shrike::train {

// Raw outputs of one level for some pictures, dense: box logits [B, 4 * bins, H, W] (side-major: left, top,
// right, bottom), class logits [B, classes, H, W]. Gradients of the same shapes are added to where given.
struct LossLevel {
  const float* box = nullptr;
  const float* score = nullptr;
  float* box_gradient = nullptr;
  float* score_gradient = nullptr;
  int64_t height = 0, width = 0;
  double stride = 8;  // pixels a cell
};

struct LossOptions {
  int classes = 80, bins = 16;
  double box_gain = 7.5, class_gain = 0.5, distribution_gain = 1.5;
  double weight = 1;  // of everything, in the gradients
  // Class logits down here are no error where nothing is: a format may clip what lies below.
  double background = -std::numeric_limits<double>::infinity();
};

// Means as the field reports them: each term divided by the sum of the target scores (at least 1), without
// the number of pictures.
struct LossTerms {
  double box = 0, classes = 0, distribution = 0;
  double total() const { return box + classes + distribution; }  // gains applied
};

// `truths[b]` are the objects of picture b. The gradients are those of B * total, times `weight`.
LossTerms detection_loss(const std::vector<LossLevel>& levels, const std::vector<std::vector<Truth>>& truths,
                         const LossOptions& options);

}  // namespace shrike::train
