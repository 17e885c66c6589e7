// spec/runtime-and-vision.md sections 6 and 7 (yolo11). Boxes are decoded only when NMS asks for them: the
// greedy pass visits candidates from the best on and stops when enough are kept, which gives the same result
// as decoding all.
#include "shrike/detector.h"

#include "ops/float_math.h"
#include "ops/numeric.h"
#include "vision/candidates.h"

namespace shrike {
namespace {

constexpr int32_t kSides = 4;
constexpr int32_t kMaxBins = 64;
// Whole numbers up to here are exact in a float; boxes of a broken head are held inside.
constexpr float kFarthest = 1 << 23;

struct Box {
  float x1, y1, x2, y2;
};

struct Level {
  const HeadLevel* head;
  int32_t width, cells, classes, bins;
  uint32_t first_cell;
};

bool supported(DataType type) {
  return type == DataType::kInt8 || type == DataType::kInt16 || type == DataType::kFloat32;
}

Status check_view(const TensorView& view) {
  if (view.data == nullptr) return make_status(StatusCode::kBadArgument, "a head tensor has no memory");
  if (!supported(view.type)) {
    return make_status(StatusCode::kUnsupportedType, "head tensors must be int8, int16 or float32");
  }
  if (view.shape.rank != 4 || view.shape.dims[0] != 1 || view.shape.elements() < 1) {
    return make_status(StatusCode::kBadShape, "head tensors must have the shape [1,H,W,C]");
  }
  if (view.type != DataType::kFloat32 && (view.exponent < -126 || view.exponent > 126)) {
    return make_status(StatusCode::kBadExponent, "a head tensor's exponent is not a float's");
  }
  return {};
}

Status make_level(const HeadLevel& head, uint32_t first_cell, Level& level) {
  SHRIKE_RETURN_IF_ERROR(check_view(head.box));
  SHRIKE_RETURN_IF_ERROR(check_view(head.score));
  const Shape& box = head.box.shape;
  const Shape& score = head.score.shape;
  if (box.dims[1] != score.dims[1] || box.dims[2] != score.dims[2]) {
    return make_status(StatusCode::kBadShape, "box and score of a level differ in height or width");
  }
  if (box.dims[3] % kSides != 0 || box.dims[3] / kSides > kMaxBins) {
    return make_status(StatusCode::kBadShape, "a box tensor needs 4 x bins channels, at most 64 bins");
  }
  if (head.stride < 1) return make_status(StatusCode::kBadArgument, "strides must be positive");
  level = {&head, box.dims[2], box.dims[1] * box.dims[2], score.dims[3], box.dims[3] / kSides, first_cell};
  return {};
}

// ---- scores
// ---------------------------------------------------------------------------------------------------------

float logit(float probability) {
  return log_f32(probability / (1.0f - probability));
}

void add_candidate(CandidateList& list, const Level& level, int64_t index, float raw, float threshold) {
  const float score = sigmoid_f32(raw);
  if (!(score > threshold)) return;
  list.add({score, level.first_cell + static_cast<uint32_t>(index / level.classes),
            static_cast<int32_t>(index % level.classes)});
}

// Survivors of the integer comparison `value > limit`.
template <typename T>
void collect_integers(CandidateList& list, const Level& level, int32_t limit, float threshold) {
  const T* values = static_cast<const T*>(level.head->score.data);
  const float scale = power_of_two(level.head->score.exponent);
  const int64_t count = int64_t{level.cells} * level.classes;
  for (int64_t i = 0; i < count; ++i) {
    if (values[i] > limit) add_candidate(list, level, i, static_cast<float>(values[i]) * scale, threshold);
  }
}

// The chip rounds the threshold to the score's grid and compares integers only; the evaluation compares
// scores, and the integer limit (one below, so that no score is lost to rounding) merely saves sigmoids.
template <typename T>
void collect_quantized(CandidateList& list, const Level& level, const DetectOptions& options) {
  if (!(options.score_threshold > 0)) return collect_integers<T>(list, level, Limits<T>::lowest - 1, -1);
  const float scaled = logit(options.score_threshold) * power_of_two(-level.head->score.exponent);
  const int32_t limit = quantize_float<T>(scaled, level.head->rounding);
  if (options.mode == DetectMode::kChip) return collect_integers<T>(list, level, limit, -1);
  collect_integers<T>(list, level, limit - 2, options.score_threshold);
}

void collect_floats(CandidateList& list, const Level& level, const DetectOptions& options) {
  const float* values = static_cast<const float*>(level.head->score.data);
  const bool all = !(options.score_threshold > 0);
  const float limit = all ? -INFINITY : logit(options.score_threshold) - 0.01f;
  const int64_t count = int64_t{level.cells} * level.classes;
  for (int64_t i = 0; i < count; ++i) {
    if (values[i] >= limit) add_candidate(list, level, i, values[i], all ? -1 : options.score_threshold);
  }
}

// ---- boxes
// ----------------------------------------------------------------------------------------------------------

float read_value(const TensorView& view, int64_t index) {
  switch (view.type) {
    case DataType::kInt8:
      return static_cast<float>(static_cast<const int8_t*>(view.data)[index]) * power_of_two(view.exponent);
    case DataType::kInt16:
      return static_cast<float>(static_cast<const int16_t*>(view.data)[index]) * power_of_two(view.exponent);
    default:
      return static_cast<const float*>(view.data)[index];
  }
}

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

// In pixels of the network input.
Box decode_box(const Level& level, uint32_t cell) {
  const float stride = static_cast<float>(level.head->stride);
  const int32_t column = static_cast<int32_t>(cell) % level.width,
                row = static_cast<int32_t>(cell) / level.width;
  const float x = static_cast<float>(column) * stride + stride / 2;
  const float y = static_cast<float>(row) * stride + stride / 2;
  float sides[kSides];
  for (int32_t i = 0; i < kSides; ++i) {
    sides[i] = distance(level.head->box, (int64_t{cell} * kSides + i) * level.bins, level.bins) * stride;
  }
  return {x - sides[0], y - sides[1], x + sides[2], y + sides[3]};
}

float held(float value) {
  if (!(value > -kFarthest)) return -kFarthest;  // NaN too
  return value < kFarthest ? value : kFarthest;
}

Box to_image(const Box& box, const ImagePlacement& placement) {
  const float left = static_cast<float>(placement.left), top = static_cast<float>(placement.top);
  return {held((box.x1 - left) * placement.inverse_scale_x), held((box.y1 - top) * placement.inverse_scale_y),
          held((box.x2 - left) * placement.inverse_scale_x),
          held((box.y2 - top) * placement.inverse_scale_y)};
}

Box truncated(const Box& box) {
  return {truncf(box.x1), truncf(box.y1), truncf(box.x2), truncf(box.y2)};
}

float clipped(float value, float highest) {
  return value < 0 ? 0 : value > highest ? highest : value;
}

// Intersection over union; `pixel` is 1 where coordinates are whole inclusive pixels, else 0.
template <typename Number>
float overlap(const Detection& a, const Box& b, Number pixel) {
  const auto area = [pixel](float x1, float y1, float x2, float y2) {
    return (static_cast<Number>(x2) - static_cast<Number>(x1) + pixel) *
           (static_cast<Number>(y2) - static_cast<Number>(y1) + pixel);
  };
  const float x1 = a.x1 > b.x1 ? a.x1 : b.x1, y1 = a.y1 > b.y1 ? a.y1 : b.y1;
  const float x2 = a.x2 < b.x2 ? a.x2 : b.x2, y2 = a.y2 < b.y2 ? a.y2 : b.y2;
  const Number width = static_cast<Number>(x2) - static_cast<Number>(x1) + pixel;
  const Number height = static_cast<Number>(y2) - static_cast<Number>(y1) + pixel;
  if (width <= 0 || height <= 0) return 0;
  const Number common = width * height;
  const Number together = area(a.x1, a.y1, a.x2, a.y2) + area(b.x1, b.y1, b.x2, b.y2) - common;
  return static_cast<float>(common) / static_cast<float>(together);
}

bool suppressed(const Detection* kept, int32_t count, const Box& box, int32_t category,
                const DetectOptions& options) {
  const bool chip = options.mode == DetectMode::kChip;
  for (int32_t i = 0; i < count; ++i) {
    if (!chip && kept[i].category != category) continue;
    const float ratio = chip ? overlap<int64_t>(kept[i], box, 1) : overlap<float>(kept[i], box, 0);
    if (ratio > options.iou_threshold) return true;
  }
  return false;
}

void finish(Detection& detection, const ImagePlacement& placement, DetectMode mode) {
  Box box{detection.x1, detection.y1, detection.x2, detection.y2};
  const int32_t edge = mode == DetectMode::kChip ? 1 : 0;
  if (mode == DetectMode::kEvaluation) box = to_image(box, placement);
  const float right = static_cast<float>(placement.image_width - edge);
  const float bottom = static_cast<float>(placement.image_height - edge);
  detection.x1 = clipped(box.x1, right);
  detection.y1 = clipped(box.y1, bottom);
  detection.x2 = clipped(box.x2, right);
  detection.y2 = clipped(box.y2, bottom);
}

const Level& level_of(const Level* levels, int32_t count, uint32_t cell) {
  int32_t index = count - 1;
  while (levels[index].first_cell > cell) --index;
  return levels[index];
}

Candidate* aligned(void* memory) {
  constexpr uintptr_t mask = alignof(Candidate) - 1;
  return reinterpret_cast<Candidate*>((reinterpret_cast<uintptr_t>(memory) + mask) & ~mask);
}

}  // namespace

size_t detect_scratch_bytes(const DetectOptions& options) {
  const size_t count = options.max_candidates > 0 ? static_cast<size_t>(options.max_candidates) : 0;
  return count * sizeof(Candidate) + alignof(Candidate) - 1;
}

Status decode_detections(const HeadLevel* levels, int32_t level_count, const ImagePlacement& placement,
                         const DetectOptions& options, void* scratch, size_t scratch_bytes,
                         Detection* results, int32_t* count) {
  if (levels == nullptr || level_count < 1 || level_count > kMaxHeadLevels || scratch == nullptr ||
      results == nullptr || count == nullptr || options.max_candidates < 1 || options.max_detections < 1 ||
      placement.image_width < 1 || placement.image_height < 1) {
    return make_status(StatusCode::kBadArgument, "levels, memory, limits and the image size must be given");
  }
  *count = 0;
  if (scratch_bytes < detect_scratch_bytes(options)) {
    Status status =
        make_status(StatusCode::kArenaTooSmall, "scratch is smaller than detect_scratch_bytes() says");
    status.needed = detect_scratch_bytes(options);
    return status;
  }
  Level table[kMaxHeadLevels];
  uint32_t cells = 0;
  for (int32_t i = 0; i < level_count; ++i) {
    SHRIKE_RETURN_IF_ERROR(make_level(levels[i], cells, table[i]));
    cells += static_cast<uint32_t>(table[i].cells);
  }
  // No score is greater than 1 (and NaN is no threshold).
  if (!(options.score_threshold < 1)) return {};

  CandidateList candidates(aligned(scratch), options.max_candidates);
  for (int32_t i = 0; i < level_count; ++i) {
    switch (levels[i].score.type) {
      case DataType::kInt8:
        collect_quantized<int8_t>(candidates, table[i], options);
        break;
      case DataType::kInt16:
        collect_quantized<int16_t>(candidates, table[i], options);
        break;
      default:
        collect_floats(candidates, table[i], options);
        break;
    }
  }
  candidates.sort();

  int32_t kept = 0;
  for (int32_t i = 0; i < candidates.count() && kept < options.max_detections; ++i) {
    const Candidate& candidate = candidates[i];
    const Level& level = level_of(table, level_count, candidate.cell);
    Box box = decode_box(level, candidate.cell - level.first_cell);
    if (options.mode == DetectMode::kChip) box = truncated(to_image(box, placement));
    if (suppressed(results, kept, box, candidate.category, options)) continue;
    results[kept++] = {box.x1, box.y1, box.x2, box.y2, candidate.score, candidate.category};
  }
  for (int32_t i = 0; i < kept; ++i) finish(results[i], placement, options.mode);
  *count = kept;
  return {};
}

Status find_head(const Model& model, HeadLevel* levels, int32_t capacity, int32_t* count) {
  if (levels == nullptr || count == nullptr || capacity < 1 || model.input_count() < 1) {
    return make_status(StatusCode::kBadArgument, "a loaded model and memory for its levels must be given");
  }
  *count = 0;
  const Shape& input = model.input(0).shape;
  if (input.rank != 4)
    return make_status(StatusCode::kBadShape, "the model's input is not a picture [1,H,W,C]");
  char box[] = "box0", score[] = "score0";
  for (int32_t i = 0; i < capacity && i < kMaxHeadLevels; ++i) {
    box[3] = score[5] = static_cast<char>('0' + i);
    HeadLevel level{model.output(box), model.output(score), 0, model.rounding()};
    if (level.box.type == DataType::kUndefined || level.score.type == DataType::kUndefined) break;
    if (level.box.shape.rank != 4 || level.box.shape.dims[1] < 1 ||
        input.dims[1] % level.box.shape.dims[1] != 0) {
      return make_status(StatusCode::kBadShape, "a head level's height does not divide the input's");
    }
    level.stride = input.dims[1] / level.box.shape.dims[1];
    levels[i] = level;
    *count = i + 1;
  }
  if (*count == 0) return make_status(StatusCode::kNotFound, "the model has no outputs box0 and score0");
  return {};
}

}  // namespace shrike
