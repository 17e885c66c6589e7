// What all heads share: checks, the list of candidates, suppression of overlaps, the way back to the picture
// (spec/runtime-and-vision.md sections 6 and 7). Boxes are decoded only when NMS asks for them: the greedy
// pass visits candidates from the best on and stops when enough are kept, which gives the same result as
// decoding all.
#include "heads/decoder.h"
#include "heads/values.h"
#include "ops/float_math.h"

namespace shrike {
namespace {

constexpr int32_t kSides = 4;
// Whole numbers up to here are exact in a float; boxes of a broken head are held inside.
constexpr float kFarthest = 1 << 23;

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

Status make_level(const Head& head, const HeadLevel& tensors, uint32_t first_place, LevelMap& level) {
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
      (!head.decoder->bins && box.dims[3] != sides)) {
    return make_status(StatusCode::kBadShape, "a box tensor needs 4 x bins channels, at most 64 bins");
  }
  if (tensors.stride < 1) return make_status(StatusCode::kBadArgument, "strides must be positive");
  SHRIKE_RETURN_IF_ERROR(check_optional(tensors.objectness, tensors.box, anchors));
  SHRIKE_RETURN_IF_ERROR(check_optional(tensors.third, tensors.box, 1));
  if (head.decoder->overlap != nullptr && !is_given(tensors.third)) {
    return make_status(StatusCode::kBadArgument, "rotated boxes need a tensor of angles");
  }
  level = {&tensors, box.dims[2], box.dims[1] * box.dims[2], score.dims[3] / anchors, box.dims[3] / sides,
           anchors,  first_place};
  return {};
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
  const bool rotated = head.decoder->overlap != nullptr;
  const bool chip = options.mode == DetectMode::kChip && !rotated;
  for (int32_t i = 0; i < count; ++i) {
    if (!chip && kept[i].category != category) continue;
    const Detection& other = kept[i];
    const float ratio =
        rotated ? head.decoder->overlap({other.x1, other.y1, other.x2, other.y2, other.angle}, box)
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
  const bool rotated = head.decoder->overlap != nullptr;
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

const LevelMap& level_of(const LevelMap* levels, int32_t count, uint32_t place) {
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
  if (head.decoder == nullptr) return make_status(StatusCode::kBadArgument, "the head has no decoder");
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
  LevelMap table[kMaxHeadLevels];
  uint32_t places = 0;
  for (int32_t i = 0; i < head.level_count; ++i) {
    SHRIKE_RETURN_IF_ERROR(make_level(head, head.levels[i], places, table[i]));
    places += static_cast<uint32_t>(table[i].cells * table[i].anchors);
  }
  // No score is greater than 1 (and NaN is no threshold).
  if (!(options.score_threshold < 1)) return {};

  CandidateList candidates(aligned(scratch), options.max_candidates);
  for (int32_t i = 0; i < head.level_count; ++i) head.decoder->collect(candidates, head, table[i], options);
  candidates.sort();

  const bool chip = options.mode == DetectMode::kChip && head.decoder->overlap == nullptr;
  int32_t kept = 0;
  for (int32_t i = 0; i < candidates.count() && kept < options.max_detections; ++i) {
    const Candidate& candidate = candidates[i];
    if (chip && head.one_to_one && is_taken(results, kept, candidate.place)) continue;
    const LevelMap& level = level_of(table, head.level_count, candidate.place);
    Box box = head.decoder->box_of(head, level, candidate.place - level.first_place);
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
