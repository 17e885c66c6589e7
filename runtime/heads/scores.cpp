// Scores that are logits: sigmoids are computed for survivors only (spec/runtime-and-vision.md 7).
#include "heads/decoder.h"
#include "heads/values.h"
#include "ops/float_math.h"

namespace shrike {
namespace {

// The chip rounds the threshold to the score's grid and compares integers only; the evaluation compares
// scores, and the integer limit (one below, so that no score is lost to rounding) merely saves sigmoids.
// ESP-DL's detector of plain distances keeps a score that equals the threshold, its YOLO26 rounds down.
int32_t integer_limit(const Head& head, const LevelMap& level, const DetectOptions& options) {
  const TensorView& view = level.tensors->score;
  const float scaled = logit_f32(options.score_threshold) * power_of_two(-view.exponent);
  const auto quantized = [&](float value) {
    return view.type == DataType::kInt8 ? quantize_float<int8_t>(value, head.rounding)
                                        : quantize_float<int16_t>(value, head.rounding);
  };
  if (options.mode != DetectMode::kChip) return quantized(scaled) - 2;
  if (head.one_to_one) return quantized(floorf(scaled));
  return head.decoder->bins && level.bins == 1 ? quantized(scaled) - 1 : quantized(scaled);
}

}  // namespace

float logit_f32(float probability) {
  return log_f32(probability / (1.0f - probability));
}

// One loop for all types: what it does most is to leave a number out.
void collect_logits(CandidateList& list, const Head& head, const LevelMap& level,
                    const DetectOptions& options) {
  const TensorView& view = level.tensors->score;
  const bool all = !(options.score_threshold > 0), floats = view.type == DataType::kFloat32,
             wide = view.type == DataType::kInt16;
  const float float_limit = all ? -INFINITY : logit_f32(options.score_threshold) - 0.01f;
  const int32_t limit = all || floats ? INT32_MIN : integer_limit(head, level, options);
  // The chip's integers have decided.
  const float threshold =
      all || (!floats && options.mode == DetectMode::kChip) ? -1 : options.score_threshold;
  const float scale = floats ? 1 : power_of_two(view.exponent);
  const int64_t count = score_count(level);
  for (int64_t i = 0; i < count; ++i) {
    float raw;
    if (floats) {
      raw = static_cast<const float*>(view.data)[i];
      if (!(raw >= float_limit)) continue;
    } else {
      const int32_t value =
          wide ? static_cast<const int16_t*>(view.data)[i] : static_cast<const int8_t*>(view.data)[i];
      if (value <= limit) continue;
      raw = static_cast<float>(value) * scale;
    }
    const float score = sigmoid_f32(raw);
    if (score > threshold) list.add(candidate_at(level, i, score));
  }
}

}  // namespace shrike
