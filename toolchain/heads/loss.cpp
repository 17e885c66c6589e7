#include <algorithm>
#include <cmath>

#include "toolchain/heads/head.h"

namespace shrike::heads {
namespace {

// Weight of squared relative side errors against squared logit errors: a side that is off by 2 % of the box
// costs about as much ranking as a logit that is off by 0.1.
constexpr double kBoxWeight = 25.0;
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
      const float logit = score[at], logit_q = score_q[at];
      const float probability = std::max(sigmoid(logit), sigmoid(logit_q));
      if (probability < kFloor) continue;
      best = std::max(best, probability);
      score_ += probability * (logit_q - logit) * (logit_q - logit);
      score_weight_ += probability;
    }
    if (best < kFloor) continue;
    float sides[4], sides_q[4];
    for (int side = 0; side < 4; ++side) {
      const auto first = static_cast<size_t>(side * head.bins * cells + cell);
      sides[side] = expectation(&box[first], head.bins, cells);
      sides_q[side] = expectation(&box_q[first], head.bins, cells);
    }
    for (int side = 0; side < 4; ++side) {
      const float size = std::max(sides[side] + sides[(side + 2) % 4], 0.5f);
      const float relative = (sides_q[side] - sides[side]) / size;
      box_ += best * relative * relative;
      box_weight_ += best;
    }
    for (size_t at = static_cast<size_t>(cell); at < third.size(); at += static_cast<size_t>(cells)) {
      third_ += best * (third_q[at] - third[at]) * (third_q[at] - third[at]);
      third_weight_ += best * third[at] * third[at];
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
  const double detection = score_ / (score_weight_ + 1e-9) + kBoxWeight * box_ / (box_weight_ + 1e-9);
  return third_weight_ > 0 ? detection + third_ / third_weight_ : detection;
}

bool has_loss(const Head& head) {
  return head.row->code == BoxCode::kDistances && head.row->result != Result::kClasses;
}

bool is_class_logits(const Head& head, const std::string& tensor) {
  return std::any_of(head.levels.begin(), head.levels.end(), [&](const Level& level) {
    return level.tensors.size() > kScore && level.tensors[kScore] == tensor;
  });
}

bool is_side_logits(const Head& head, const std::string& tensor) {
  if (head.row->code != BoxCode::kDistances || head.bins == 1) return false;
  return std::any_of(head.levels.begin(), head.levels.end(),
                     [&](const Level& level) { return level.tensors[kBox] == tensor; });
}

}  // namespace shrike::heads
