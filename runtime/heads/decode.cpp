// spec/runtime-and-vision.md sections 6 and 7, spec/heads.md 1.6. Boxes are decoded only when NMS asks for
// them: the greedy pass visits candidates from the best on and stops when enough are kept, which gives the
// same result as decoding all.
#include "heads/candidates.h"
#include "heads/rotated.h"
#include "heads/values.h"
#include "ops/float_math.h"
#include "shrike/detector.h"

namespace shrike {
namespace {

constexpr int32_t kSides = 4;
constexpr int32_t kMaxBins = 64;
// Whole numbers up to here are exact in a float; boxes of a broken head are held inside.
constexpr float kFarthest = 1 << 23;

// Sizes of YOLOX are powers of e: no box is larger than e^10 strides.
constexpr float kLargestLogSize = 10;

struct Box {
  float x1, y1, x2, y2;
  float angle;
};

struct Level {
  const HeadLevel* tensors;
  int32_t width, cells, classes, bins, anchors;
  uint32_t first_place;
};

Status check_view(const TensorView& view) {
  if (view.data == nullptr) return make_status(StatusCode::kBadArgument, "a head tensor has no memory");
  if (!has_readable_type(view)) {
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

bool same_map(const TensorView& a, const TensorView& b) {
  return a.shape.dims[1] == b.shape.dims[1] && a.shape.dims[2] == b.shape.dims[2];
}

Status check_optional(const TensorView& view, const TensorView& box, int32_t channels) {
  if (!is_given(view)) return {};
  SHRIKE_RETURN_IF_ERROR(check_view(view));
  if (!same_map(view, box) || view.shape.dims[3] < channels) {
    return make_status(StatusCode::kBadShape, "a head tensor does not fit the boxes of its level");
  }
  return {};
}

Status make_level(const Head& head, const HeadLevel& tensors, uint32_t first_place, Level& level) {
  SHRIKE_RETURN_IF_ERROR(check_view(tensors.box));
  SHRIKE_RETURN_IF_ERROR(check_view(tensors.score));
  const Shape& box = tensors.box.shape;
  const Shape& score = tensors.score.shape;
  if (!same_map(tensors.box, tensors.score)) {
    return make_status(StatusCode::kBadShape, "box and score of a level differ in height or width");
  }
  const int32_t anchors = head.anchor_count;
  if (anchors < 1 || anchors > kMaxAnchors || score.dims[3] % anchors != 0) {
    return make_status(StatusCode::kBadShape,
                       "a score tensor needs anchors x classes channels, at most 4 anchors");
  }
  const int32_t sides = kSides * anchors;
  if (box.dims[3] % sides != 0 || box.dims[3] / sides > kMaxBins ||
      (head.code != BoxCode::kDistances && box.dims[3] != sides)) {
    return make_status(StatusCode::kBadShape, "a box tensor needs 4 x bins channels, at most 64 bins");
  }
  if (tensors.stride < 1) return make_status(StatusCode::kBadArgument, "strides must be positive");
  SHRIKE_RETURN_IF_ERROR(check_optional(tensors.objectness, tensors.box, anchors));
  SHRIKE_RETURN_IF_ERROR(check_optional(tensors.third, tensors.box, 1));
  if (head.kind == HeadKind::kRotatedBoxes && !is_given(tensors.third)) {
    return make_status(StatusCode::kBadArgument, "rotated boxes need a tensor of angles");
  }
  level = {&tensors, box.dims[2], box.dims[1] * box.dims[2], score.dims[3] / anchors, box.dims[3] / sides,
           anchors,  first_place};
  return {};
}

// ---- scores
// ---------------------------------------------------------------------------------------------------------

float logit(float probability) {
  return log_f32(probability / (1.0f - probability));
}

// Where a number of the score tensor stands: [cell][anchor][class].
Candidate candidate_at(const Level& level, int64_t index, float score) {
  return {score, level.first_place + static_cast<uint32_t>(index / level.classes),
          static_cast<int32_t>(index % level.classes)};
}

void add_candidate(CandidateList& list, const Level& level, int64_t index, float raw, float threshold) {
  const float score = sigmoid_f32(raw);
  if (!(score > threshold)) return;
  list.add(candidate_at(level, index, score));
}

int64_t score_count(const Level& level) {
  return int64_t{level.cells} * level.anchors * level.classes;
}

// Survivors of the integer comparison `value > limit`.
template <typename T>
void collect_integers(CandidateList& list, const Level& level, int32_t limit, float threshold) {
  const T* values = static_cast<const T*>(level.tensors->score.data);
  const float scale = power_of_two(level.tensors->score.exponent);
  const int64_t count = score_count(level);
  for (int64_t i = 0; i < count; ++i) {
    if (values[i] > limit) add_candidate(list, level, i, static_cast<float>(values[i]) * scale, threshold);
  }
}

// The chip rounds the threshold to the score's grid and compares integers only; the evaluation compares
// scores, and the integer limit (one below, so that no score is lost to rounding) merely saves sigmoids.
// ESP-DL's detector of plain distances keeps a score that equals the threshold, its YOLO26 rounds down.
template <typename T>
void collect_quantized(CandidateList& list, const Head& head, const Level& level,
                       const DetectOptions& options) {
  if (!(options.score_threshold > 0)) return collect_integers<T>(list, level, Limits<T>::lowest - 1, -1);
  const float scaled = logit(options.score_threshold) * power_of_two(-level.tensors->score.exponent);
  int32_t limit = quantize_float<T>(scaled, head.rounding);
  if (options.mode != DetectMode::kChip)
    return collect_integers<T>(list, level, limit - 2, options.score_threshold);
  if (head.one_to_one) {
    limit = quantize_float<T>(floorf(scaled), head.rounding);
  } else if (level.bins == 1) {
    --limit;
  }
  collect_integers<T>(list, level, limit, -1);
}

void collect_floats(CandidateList& list, const Level& level, const DetectOptions& options) {
  const float* values = static_cast<const float*>(level.tensors->score.data);
  const bool all = !(options.score_threshold > 0);
  const float limit = all ? -INFINITY : logit(options.score_threshold) - 0.01f;
  const int64_t count = score_count(level);
  for (int64_t i = 0; i < count; ++i) {
    if (values[i] >= limit) add_candidate(list, level, i, values[i], all ? -1 : options.score_threshold);
  }
}

// Scores that are the product of two probabilities, one of them of the box: no box whose own probability is
// too small can reach the threshold.
void collect_with_objectness(CandidateList& list, const Level& level, const DetectOptions& options) {
  const bool all = !(options.score_threshold > 0);
  const int64_t places = int64_t{level.cells} * level.anchors;
  for (int64_t place = 0; place < places; ++place) {
    const float objectness = sigmoid_f32(read_value(level.tensors->objectness, place));
    if (!all && !(objectness > options.score_threshold)) continue;
    for (int32_t c = 0; c < level.classes; ++c) {
      const int64_t index = place * level.classes + c;
      const float score = objectness * sigmoid_f32(read_value(level.tensors->score, index));
      if (all || score > options.score_threshold) list.add(candidate_at(level, index, score));
    }
  }
}

// PicoDet's scores: the network multiplied the two probabilities, the root of that is shown
// (spec/runtime-and-vision.md 7, pico).
void collect_products(CandidateList& list, const Level& level, const DetectOptions& options) {
  const bool all = !(options.score_threshold > 0);
  const int64_t count = score_count(level);
  for (int64_t i = 0; i < count; ++i) {
    const float product = read_value(level.tensors->score, i);
    if (all || product > options.score_threshold * options.score_threshold) {
      list.add(candidate_at(level, i, product > 0 ? sqrtf(product) : 0));
    }
  }
}

void collect(CandidateList& list, const Head& head, const Level& level, const DetectOptions& options) {
  if (is_given(level.tensors->objectness)) return collect_with_objectness(list, level, options);
  if (head.product_scores) return collect_products(list, level, options);
  switch (level.tensors->score.type) {
    case DataType::kInt8:
      return collect_quantized<int8_t>(list, head, level, options);
    case DataType::kInt16:
      return collect_quantized<int16_t>(list, head, level, options);
    default:
      return collect_floats(list, level, options);
  }
}

// ---- boxes
// ----------------------------------------------------------------------------------------------------------

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

Box from_distances(const Head& head, const Level& level, int64_t place, float column, float row) {
  const float stride = static_cast<float>(level.tensors->stride);
  const float x = column * stride + stride * head.cell_offset;
  const float y = row * stride + stride * head.cell_offset;
  float sides[kSides];
  for (int32_t i = 0; i < kSides; ++i) {
    sides[i] = distance(level.tensors->box, (place * kSides + i) * level.bins, level.bins) * stride;
  }
  Box box{x - sides[0], y - sides[1], x + sides[2], y + sides[3], 0};
  if (head.kind != HeadKind::kRotatedBoxes) return box;
  // The sides belong to the turned box: its centre lies off the cell's in the box's own directions.
  const float raw = read_value(level.tensors->third, place);
  box.angle = head.raw_third ? raw : (sigmoid_f32(raw) - 0.25f) * kPi;
  const float along = (sides[2] - sides[0]) / 2, across = (sides[3] - sides[1]) / 2;
  const float sine = sin_f32(box.angle), cosine = cos_f32(box.angle);
  const float width = sides[0] + sides[2], height = sides[1] + sides[3];
  const float cx = x + along * cosine - across * sine, cy = y + along * sine + across * cosine;
  return {cx - width / 2, cy - height / 2, cx + width / 2, cy + height / 2, box.angle};
}

Box from_centre(float cx, float cy, float width, float height) {
  return {cx - width / 2, cy - height / 2, cx + width / 2, cy + height / 2, 0};
}

// In pixels of the network input.
Box decode_box(const Head& head, const Level& level, uint32_t local) {
  const int32_t cell = static_cast<int32_t>(local) / level.anchors,
                anchor = static_cast<int32_t>(local) % level.anchors;
  const float column = static_cast<float>(cell % level.width), row = static_cast<float>(cell / level.width);
  if (head.code == BoxCode::kDistances) return from_distances(head, level, local, column, row);
  const float stride = static_cast<float>(level.tensors->stride);
  float t[kSides];
  for (int32_t i = 0; i < kSides; ++i) t[i] = read_value(level.tensors->box, int64_t{local} * kSides + i);
  if (head.code == BoxCode::kCentreSize) {
    for (int32_t i = 2; i < kSides; ++i) t[i] = t[i] < kLargestLogSize ? t[i] : kLargestLogSize;
    return from_centre((t[0] + column) * stride, (t[1] + row) * stride, exp_f32(t[2]) * stride,
                       exp_f32(t[3]) * stride);
  }
  for (float& value : t) value = 2 * sigmoid_f32(value);
  const float* size = level.tensors->anchors[anchor];
  return from_centre((t[0] - 0.5f + column) * stride, (t[1] - 0.5f + row) * stride, t[2] * t[2] * size[0],
                     t[3] * t[3] * size[1]);
}

float held(float value) {
  if (!(value > -kFarthest)) return -kFarthest;  // NaN too
  return value < kFarthest ? value : kFarthest;
}

Box to_image(const Box& box, const ImagePlacement& placement) {
  const float left = static_cast<float>(placement.left), top = static_cast<float>(placement.top);
  return {held((box.x1 - left) * placement.inverse_scale_x), held((box.y1 - top) * placement.inverse_scale_y),
          held((box.x2 - left) * placement.inverse_scale_x), held((box.y2 - top) * placement.inverse_scale_y),
          box.angle};
}

Box truncated(const Box& box) {
  return {truncf(box.x1), truncf(box.y1), truncf(box.x2), truncf(box.y2), box.angle};
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

bool suppressed(const Head& head, const Detection* kept, int32_t count, const Box& box, int32_t category,
                const DetectOptions& options) {
  if (head.one_to_one) return false;
  const bool rotated = head.kind == HeadKind::kRotatedBoxes;
  const bool chip = options.mode == DetectMode::kChip && !rotated;
  for (int32_t i = 0; i < count; ++i) {
    if (!chip && kept[i].category != category) continue;
    const Detection& other = kept[i];
    const float ratio = rotated ? probabilistic_overlap({other.x1, other.y1, other.x2, other.y2, other.angle},
                                                        {box.x1, box.y1, box.x2, box.y2, box.angle})
                        : chip  ? overlap<int64_t>(other, box, 1)
                                : overlap<float>(other, box, 0);
    if (ratio > options.iou_threshold) return true;
  }
  return false;
}

// The chip's YOLO26 keeps one class a cell.
bool is_taken(const Detection* kept, int32_t count, uint32_t place) {
  for (int32_t i = 0; i < count; ++i) {
    if (kept[i].place == place) return true;
  }
  return false;
}

void finish(const Head& head, Detection& detection, const ImagePlacement& placement, DetectMode mode) {
  Box box{detection.x1, detection.y1, detection.x2, detection.y2, detection.angle};
  const bool rotated = head.kind == HeadKind::kRotatedBoxes;
  const int32_t edge = mode == DetectMode::kChip ? 1 : 0;
  if (mode == DetectMode::kEvaluation || rotated) box = to_image(box, placement);
  const float right = static_cast<float>(placement.image_width - edge);
  const float bottom = static_cast<float>(placement.image_height - edge);
  // A turned box may well reach over the edge with corners that it has not got.
  detection.x1 = rotated ? box.x1 : clipped(box.x1, right);
  detection.y1 = rotated ? box.y1 : clipped(box.y1, bottom);
  detection.x2 = rotated ? box.x2 : clipped(box.x2, right);
  detection.y2 = rotated ? box.y2 : clipped(box.y2, bottom);
}

const Level& level_of(const Level* levels, int32_t count, uint32_t place) {
  int32_t index = count - 1;
  while (levels[index].first_place > place) --index;
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

Status decode_detections(const Head& head, const ImagePlacement& placement, const DetectOptions& options,
                         void* scratch, size_t scratch_bytes, Detection* results, int32_t* count) {
  if (head.level_count < 1 || head.level_count > kMaxHeadLevels || scratch == nullptr || results == nullptr ||
      count == nullptr || options.max_candidates < 1 || options.max_detections < 1 ||
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
  uint32_t places = 0;
  for (int32_t i = 0; i < head.level_count; ++i) {
    SHRIKE_RETURN_IF_ERROR(make_level(head, head.levels[i], places, table[i]));
    places += static_cast<uint32_t>(table[i].cells * table[i].anchors);
  }
  // No score is greater than 1 (and NaN is no threshold).
  if (!(options.score_threshold < 1)) return {};

  CandidateList candidates(aligned(scratch), options.max_candidates);
  for (int32_t i = 0; i < head.level_count; ++i) collect(candidates, head, table[i], options);
  candidates.sort();

  const bool chip = options.mode == DetectMode::kChip && head.kind != HeadKind::kRotatedBoxes;
  int32_t kept = 0;
  for (int32_t i = 0; i < candidates.count() && kept < options.max_detections; ++i) {
    const Candidate& candidate = candidates[i];
    if (chip && head.one_to_one && is_taken(results, kept, candidate.place)) continue;
    const Level& level = level_of(table, head.level_count, candidate.place);
    Box box = decode_box(head, level, candidate.place - level.first_place);
    if (chip) box = truncated(to_image(box, placement));
    if (suppressed(head, results, kept, box, candidate.category, options)) continue;
    results[kept++] = {box.x1,          box.y1,   box.x2, box.y2, candidate.score, candidate.category,
                       candidate.place, box.angle};
  }
  for (int32_t i = 0; i < kept; ++i) finish(head, results[i], placement, options.mode);
  *count = kept;
  return {};
}

}  // namespace shrike
