// Masks of YOLOv8, YOLO11 and YOLO26 (spec/heads.md 2.4; spec/runtime-and-vision.md 7, yolo11-seg).
#include <math.h>

#include "heads/decoder.h"
#include "heads/places.h"
#include "heads/values.h"
#include "ops/float_math.h"

namespace shrike {
namespace {

constexpr int32_t kMaxCoefficients = 64;

// Cells [x1, x2) x [y1, y2) of the prototypes.
struct Cells {
  int32_t x1, y1, x2, y2;
};

int32_t within(float value, int32_t highest) {
  if (!(value > 0)) return 0;
  return value < static_cast<float>(highest) ? static_cast<int32_t>(value) : highest;
}

struct MaskJob {
  const Head& head;
  const ImagePlacement& placement;
  int64_t coefficients_at;
  const TensorView& coefficients;
  float* logits;  // of all cells of `cells`, rows packed
  Cells cells;
  // Cells a pixel of the input, and the other way round of no interest.
  float cells_per_pixel_x, cells_per_pixel_y;

  // Sums of the products of weights (coefficients in real values, times the prototypes' scale) and stored
  // numbers.
  template <typename T>
  void fill(const T* prototypes, const float* weights) const {
    const Shape& shape = head.prototypes.shape;
    const int32_t channels = shape.dims[3];
    float* to = logits;
    for (int32_t y = cells.y1; y < cells.y2; ++y) {
      const T* from = prototypes + (int64_t{y} * shape.dims[2] + cells.x1) * channels;
      for (int32_t x = cells.x1; x < cells.x2; ++x, from += channels) {
        float sum = 0;
        for (int32_t c = 0; c < channels; ++c) sum += weights[c] * static_cast<float>(from[c]);
        *to++ = sum;
      }
    }
  }

  void fill() const {
    float weights[kMaxCoefficients];
    const TensorView& prototypes = head.prototypes;
    const float scale = prototypes.type == DataType::kFloat32 ? 1.0f : power_of_two(prototypes.exponent);
    for (int32_t c = 0; c < prototypes.shape.dims[3]; ++c) {
      weights[c] = read_value(coefficients, coefficients_at + c) * scale;
    }
    switch (prototypes.type) {
      case DataType::kInt8:
        return fill(static_cast<const int8_t*>(prototypes.data), weights);
      case DataType::kInt16:
        return fill(static_cast<const int16_t*>(prototypes.data), weights);
      default:
        return fill(static_cast<const float*>(prototypes.data), weights);
    }
  }

  float at(int32_t x, int32_t y) const {
    x = x < cells.x1 ? cells.x1 : x >= cells.x2 ? cells.x2 - 1 : x;
    y = y < cells.y1 ? cells.y1 : y >= cells.y2 ? cells.y2 - 1 : y;
    return logits[int64_t{y - cells.y1} * (cells.x2 - cells.x1) + (x - cells.x1)];
  }

  // The logit between cell centres.
  float between(float x, float y) const {
    const float left = floorf(x - 0.5f), top = floorf(y - 0.5f);
    const float right_share = x - 0.5f - left, lower_share = y - 0.5f - top;
    const int32_t column = static_cast<int32_t>(left), row = static_cast<int32_t>(top);
    const float upper = at(column, row) * (1 - right_share) + at(column + 1, row) * right_share;
    const float lower = at(column, row + 1) * (1 - right_share) + at(column + 1, row + 1) * right_share;
    return upper * (1 - lower_share) + lower * lower_share;
  }

  // A pixel's position among the cells.
  float cell_x(float x) const {
    return (x / placement.inverse_scale_x + static_cast<float>(placement.left)) * cells_per_pixel_x;
  }
  float cell_y(float y) const {
    return (y / placement.inverse_scale_y + static_cast<float>(placement.top)) * cells_per_pixel_y;
  }
};

// The chip: corners to whole pixels of the input, then to whole cells.
Cells chip_cells(const MaskJob& job, const Detection& d) {
  const Shape& shape = job.head.prototypes.shape;
  const auto cell = [](float corner, float inverse_scale, int32_t border, float ratio, int32_t highest) {
    const float pixel = truncf(corner / inverse_scale + static_cast<float>(border));
    return within(pixel * ratio, highest);
  };
  const ImagePlacement& p = job.placement;
  return {cell(d.x1, p.inverse_scale_x, p.left, job.cells_per_pixel_x, shape.dims[2]),
          cell(d.y1, p.inverse_scale_y, p.top, job.cells_per_pixel_y, shape.dims[1]),
          cell(d.x2, p.inverse_scale_x, p.left, job.cells_per_pixel_x, shape.dims[2]),
          cell(d.y2, p.inverse_scale_y, p.top, job.cells_per_pixel_y, shape.dims[1])};
}

// All cells that pixels of the area lie between.
Cells covering_cells(const MaskJob& job, const MaskArea& area) {
  const Shape& shape = job.head.prototypes.shape;
  const float right = static_cast<float>(area.x + area.width),
              bottom = static_cast<float>(area.y + area.height);
  return {within(job.cell_x(static_cast<float>(area.x)) - 1, shape.dims[2]),
          within(job.cell_y(static_cast<float>(area.y)) - 1, shape.dims[1]),
          within(job.cell_x(right) + 2, shape.dims[2]), within(job.cell_y(bottom) + 2, shape.dims[1])};
}

void enlarge_nearest(const MaskJob& job, const MaskArea& area, uint8_t* mask) {
  const int64_t columns = job.cells.x2 - job.cells.x1, rows = job.cells.y2 - job.cells.y1;
  for (int64_t y = 0; y < area.height; ++y) {
    const float* row = job.logits + (y * rows / area.height) * columns;
    for (int64_t x = 0; x < area.width; ++x) *mask++ = row[x * columns / area.width] > 0 ? 1 : 0;
  }
}

void enlarge_bilinear(const MaskJob& job, const MaskArea& area, uint8_t* mask) {
  for (int32_t y = 0; y < area.height; ++y) {
    const float row = job.cell_y(static_cast<float>(area.y + y) + 0.5f);
    for (int32_t x = 0; x < area.width; ++x) {
      *mask++ = job.between(job.cell_x(static_cast<float>(area.x + x) + 0.5f), row) > 0 ? 1 : 0;
    }
  }
}

}  // namespace

const HeadDecoder head_segment = {.name = "segment",
                                  .kind = HeadKind::kMasks,
                                  .box = "box#",
                                  .score = "score#",
                                  .objectness = nullptr,
                                  .third = "mc#",
                                  .collect = collect_logits,
                                  .box_of = box_from_distances,
                                  .bins = true};

MaskArea mask_area(const Detection& detection, DetectMode mode) {
  const bool chip = mode == DetectMode::kChip;
  const auto first = [](float value) { return static_cast<int32_t>(floorf(value)); };
  const auto last = [chip](float value) { return static_cast<int32_t>(chip ? floorf(value) : ceilf(value)); };
  MaskArea area{first(detection.x1), first(detection.y1), 0, 0};
  area.width = last(detection.x2) - area.x;
  area.height = last(detection.y2) - area.y;
  if (area.width <= 0 || area.height <= 0) area.width = area.height = 0;
  return area;
}

size_t mask_scratch_bytes(const Head& head) {
  if (!is_given(head.prototypes) || head.prototypes.shape.rank != 4) return 0;
  return static_cast<size_t>(head.prototypes.shape.dims[1]) *
             static_cast<size_t>(head.prototypes.shape.dims[2]) * sizeof(float) +
         alignof(float) - 1;
}

Status decode_mask(const Head& head, const Detection& detection, const ImagePlacement& placement,
                   DetectMode mode, void* scratch, size_t scratch_bytes, uint8_t* mask, size_t mask_bytes) {
  Place place;
  const MaskArea area = mask_area(detection, mode);
  const size_t pixels = static_cast<size_t>(area.width) * static_cast<size_t>(area.height);
  if (!is_given(head.prototypes) || !has_readable_type(head.prototypes) || head.prototypes.shape.rank != 4 ||
      scratch == nullptr || (mask == nullptr && pixels > 0) || mask_bytes < pixels ||
      !find_place(head, detection.place, place)) {
    return make_status(StatusCode::kBadArgument,
                       "a head with prototypes, a detection of it and memory must be given");
  }
  if (scratch_bytes < mask_scratch_bytes(head)) {
    Status status =
        make_status(StatusCode::kArenaTooSmall, "scratch is smaller than mask_scratch_bytes() says");
    status.needed = mask_scratch_bytes(head);
    return status;
  }
  const Shape& shape = head.prototypes.shape;
  if (shape.dims[3] > kMaxCoefficients) {
    return make_status(StatusCode::kBadShape, "at most 64 coefficients of masks are supported");
  }
  SHRIKE_RETURN_IF_ERROR(check_third(head, place, shape.dims[3]));
  const HeadLevel& first = head.levels[0];
  const float input_width = static_cast<float>(first.box.shape.dims[2] * first.stride);
  const float input_height = static_cast<float>(first.box.shape.dims[1] * first.stride);
  constexpr uintptr_t low = alignof(float) - 1;
  float* logits = reinterpret_cast<float*>((reinterpret_cast<uintptr_t>(scratch) + low) & ~low);
  MaskJob job{head,
              placement,
              place.index * shape.dims[3],
              place.level->third,
              logits,
              {},
              static_cast<float>(shape.dims[2]) / input_width,
              static_cast<float>(shape.dims[1]) / input_height};
  job.cells = mode == DetectMode::kChip ? chip_cells(job, detection) : covering_cells(job, area);
  if (job.cells.x2 <= job.cells.x1 || job.cells.y2 <= job.cells.y1) {
    for (size_t i = 0; i < pixels; ++i) mask[i] = 0;
    return {};
  }
  job.fill();
  if (mode == DetectMode::kChip) {
    enlarge_nearest(job, area, mask);
  } else {
    enlarge_bilinear(job, area, mask);
  }
  return {};
}

}  // namespace shrike
