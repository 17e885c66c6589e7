#include <algorithm>
#include <cmath>

#include "toolchain/heads/head.h"

namespace shrike::heads {
namespace {

// The thresholds of mAP lie evenly between overlaps of 0.5 and 1: one per cent of overlap lost fails two per
// cent of them.
constexpr double kOverlapWeight = 2.0;
// Cells whose best class stays below this probability in both networks can't become a detection.
constexpr float kFloor = 0.01f;

float sigmoid(float x) {
  return 1.0f / (1.0f + std::exp(-x));
}

float expectation(const float* logits, int64_t bins, int64_t step) {
  if (bins == 1) return logits[0];
  float largest = logits[0];
  for (int64_t i = 1; i < bins; ++i) largest = std::max(largest, logits[i * step]);
  float sum = 0, weighted = 0;
  for (int64_t i = 0; i < bins; ++i) {
    const float e = std::exp(logits[i * step] - largest);
    sum += e;
    weighted += e * static_cast<float>(i);
  }
  return weighted / sum;
}

// Intersection over union of two boxes around one cell, given by their sides' distances left, up, right,
// down.
double overlap(const float (&a)[4], const float (&b)[4]) {
  const auto area = [](float left, float up, float right, float down) {
    return std::max(left + right, 0.0f) * std::max(up + down, 0.0f);
  };
  const float both =
      area(std::min(a[0], b[0]), std::min(a[1], b[1]), std::min(a[2], b[2]), std::min(a[3], b[3]));
  const float either = area(a[0], a[1], a[2], a[3]) + area(b[0], b[1], b[2], b[3]) - both;
  return either > 0 ? both / either : 1;
}

bool has_place(const Head& head, size_t place, const std::string& tensor) {
  return std::any_of(head.levels.begin(), head.levels.end(), [&](const Level& level) {
    return level.tensors.size() > place && level.tensors[place] == tensor;
  });
}

}  // namespace

void Loss::add_level(const Head& head, const Level& level, const Values& reference, const Values& quantized) {
  const auto score = reference(level.tensors[kScore]), score_q = quantized(level.tensors[kScore]);
  const auto box = reference(level.tensors[kBox]), box_q = quantized(level.tensors[kBox]);
  const bool has_third = level.tensors.size() > kThird;
  const auto third = has_third ? reference(level.tensors[kThird]) : std::span<const float>();
  const auto third_q = has_third ? quantized(level.tensors[kThird]) : std::span<const float>();
  const int64_t cells = level.height * level.width;
  for (int64_t cell = 0; cell < cells; ++cell) {
    float best = 0;
    for (int64_t c = 0; c < head.classes; ++c) {
      const auto at = static_cast<size_t>(c * cells + cell);
      const float probability = sigmoid(score[at]), probability_q = sigmoid(score_q[at]);
      const float larger = std::max(probability, probability_q);
      if (larger < kFloor) continue;
      best = std::max(best, larger);
      score_ += std::abs(probability_q - probability);
      score_weight_ += larger;
    }
    if (best < kFloor) continue;
    float sides[4], sides_q[4];
    for (int side = 0; side < 4; ++side) {
      const auto first = static_cast<size_t>(side * head.bins * cells + cell);
      sides[side] = expectation(&box[first], head.bins, cells);
      sides_q[side] = expectation(&box_q[first], head.bins, cells);
    }
    box_ += best * (1 - overlap(sides, sides_q));
    box_weight_ += best;
    for (size_t at = static_cast<size_t>(cell); at < third.size(); at += static_cast<size_t>(cells)) {
      third_ += best * std::abs(third_q[at] - third[at]);
      third_weight_ += best * std::abs(third[at]);
    }
  }
}

void Loss::add(const Head& head, const Values& reference, const Values& quantized) {
  for (const Level& level : head.levels) {
    Loss one;
    one.add_level(head, level, reference, quantized);
    merge(one);
  }
}

void Loss::merge(const Loss& other) {
  score_ += other.score_;
  score_weight_ += other.score_weight_;
  box_ += other.box_;
  box_weight_ += other.box_weight_;
  third_ += other.third_;
  third_weight_ += other.third_weight_;
}

double Loss::value() const {
  const double detection = score_ / (score_weight_ + 1e-9) + kOverlapWeight * box_ / (box_weight_ + 1e-9);
  return third_weight_ > 0 ? detection + third_ / third_weight_ : detection;
}

bool has_loss(const Head& head) {
  return head.row->code == BoxCode::kDistances && head.row->result != Result::kClasses;
}

bool is_class_logits(const Head& head, const std::string& tensor) {
  return has_place(head, kScore, tensor);
}

bool is_class_logits(const graph::Graph& graph, const std::string& tensor) {
  const std::optional<Head> head = named(graph);
  return head && is_class_logits(*head, tensor);
}

bool is_side_logits(const Head& head, const std::string& tensor) {
  return head.row->code == BoxCode::kDistances && head.bins > 1 && has_place(head, kBox, tensor);
}

}  // namespace shrike::heads
