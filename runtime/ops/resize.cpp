// Resize of [N,H,W,C] or [N,W,C]: nearest (rule RN) and linear (rule RL), spec/numerics.md section 12. The
// constants `scales` and `sizes` stay in ONNX order [N,C,H,W]. Espressif's library has no 16-bit kernel; here
// both widths follow the same rules, as in the quantiser's simulation.
#include <math.h>
#include <string.h>

#include "kernels/kernels.h"
#include "ops/checks.h"
#include "ops/constants.h"
#include "ops/numeric.h"
#include "ops/parallel.h"

namespace shrike {
namespace {

// Where an output row or column comes from.
struct Source {
  int32_t index;
  float weight;  // of index + 1; linear only
};

struct Parameters {
  int32_t batch, in_h, in_w, out_h, out_w, channels;
  size_t element_bytes;
  int32_t shift;  // output exponent - input exponent
  Rounding rounding;
  bool wraps;  // class C, left shift: the chip narrows without saturation
  float in_scale, inverse_out_scale;
  const Source* rows;
  const Source* columns;
};

struct Axis {
  int32_t in, out;
  float scale;
};

// Output size and scale of one spatial axis; `onnx_axis` is its position in ONNX order.
Status read_axis(const Prepare& node, int32_t size, int32_t onnx_axis, Axis* axis) {
  axis->in = size;
  const Tensor* scales = optional_input(node, 2);
  const Tensor* sizes = optional_input(node, 3);
  const int32_t rank = node.inputs[0]->shape.rank;
  int64_t out = 0;
  if (sizes != nullptr) {
    const int64_t* values = constant_int64(sizes);
    if (values == nullptr || sizes->shape.elements() != rank) {
      return node.error(StatusCode::kBadAttribute, "sizes is not an INT64 constant with one entry per axis");
    }
    out = values[onnx_axis];
    if (out < 1 || out > kMaxTensorBytes)
      return node.error(StatusCode::kBadShape, "an output size is out of range");
    axis->scale = static_cast<float>(out) / static_cast<float>(size);
  } else {
    if (scales == nullptr || !scales->constant || scales->type != DataType::kFloat32 ||
        scales->shape.elements() != rank) {
      return node.error(StatusCode::kBadAttribute, "scales is not a FLOAT constant with one entry per axis");
    }
    axis->scale = static_cast<const float*>(scales->data)[onnx_axis];
    if (!(axis->scale > 1e-6f && axis->scale < 1e6f)) {
      return node.error(StatusCode::kBadAttribute, "a scale is out of range");
    }
    out = static_cast<int64_t>(floorf(static_cast<float>(size) * axis->scale));
    if (out < 1 || out > kMaxTensorBytes)
      return node.error(StatusCode::kBadShape, "an output size is out of range");
  }
  axis->out = static_cast<int32_t>(out);
  return {};
}

Source nearest_source(const Axis& axis, int32_t position) {
  const float product = static_cast<float>(position) * (1.0f / axis.scale);
  const float last = static_cast<float>(axis.in - 1);
  return {product < last ? static_cast<int32_t>(product) : axis.in - 1, 0.0f};
}

Source linear_source(const Axis& axis, int32_t position, bool align_corners) {
  if (axis.in == 1) return {0, 0.0f};
  float place = 0.0f;
  if (align_corners) {
    const float scale = static_cast<float>(axis.out - 1) / static_cast<float>(axis.in - 1);
    place = axis.out == 1 ? 0.0f : static_cast<float>(position) * (1.0f / scale);
  } else {
    place = (static_cast<float>(position) + 0.5f) * (1.0f / axis.scale) - 0.5f;
  }
  const float below = floorf(place);
  if (below < 0.0f) return {0, 0.0f};
  if (below >= static_cast<float>(axis.in - 1)) return {axis.in - 2, 1.0f};
  return {static_cast<int32_t>(below), place - below};
}

const Source* source_table(Prepare& node, const Axis& axis, bool linear, bool align_corners) {
  const size_t count = static_cast<size_t>(axis.out);
  Source* table = static_cast<Source*>(node.allocate(count * sizeof(Source), alignof(Source)));
  for (int32_t i = 0; table != nullptr && i < axis.out; ++i) {
    table[i] = linear ? linear_source(axis, i, align_corners) : nearest_source(axis, i);
  }
  return table;
}

struct Mode {
  Parameters shape;
  void (*run)(const Run& node);
};

// The chip's C kernel narrows to int8 without saturating after a left shift.
int8_t wrap(int64_t value) {
  return static_cast<int8_t>(static_cast<uint8_t>(value & 0xff));
}

void rescale_row(const Run& node, const Parameters& p, int8_t* row, int32_t count) {
  if (p.wraps) {
    for (int32_t i = 0; i < count; ++i) row[i] = wrap(rounding_shift_any(row[i], p.shift, p.rounding));
  } else if (p.shift >= -30 && p.shift <= 30) {
    node.kernels->requantize8(row, row, static_cast<size_t>(count), p.shift, p.rounding);
  } else {
    for (int32_t i = 0; i < count; ++i)
      row[i] = saturate<int8_t>(rounding_shift_any(row[i], p.shift, p.rounding));
  }
}

void rescale_row(const Run&, const Parameters& p, int16_t* row, int32_t count) {
  for (int32_t i = 0; i < count; ++i)
    row[i] = saturate<int16_t>(rounding_shift_any(row[i], p.shift, p.rounding));
}

// Output rows that come from one input row are built once and copied. One loop for both widths: all it does
// with elements is copying.
void run_nearest(const Run& node) {
  const Parameters& p = static_cast<const Mode*>(node.parameters)->shape;
  const auto* input = static_cast<const uint8_t*>(node.inputs[0]->data);
  auto* output = static_cast<uint8_t*>(node.outputs[0]->data);
  const int32_t out_row = p.out_w * p.channels;
  const size_t pixel_bytes = static_cast<size_t>(p.channels) * p.element_bytes;
  const size_t row_bytes = static_cast<size_t>(p.out_w) * pixel_bytes;
  parallel_for(node.workers, p.batch * p.out_h, 8192 / out_row + 1, [&](int32_t begin, int32_t end, int32_t) {
    for (int32_t row = begin; row < end; ++row) {
      uint8_t* target = output + static_cast<size_t>(row) * row_bytes;
      const int32_t y = row % p.out_h;
      if (row > begin && y > 0 && p.rows[y].index == p.rows[y - 1].index) {
        memcpy(target, target - row_bytes, row_bytes);
        continue;
      }
      const int64_t in_row = int64_t{row / p.out_h} * p.in_h + p.rows[y].index;
      const uint8_t* source = input + static_cast<size_t>(in_row) * static_cast<size_t>(p.in_w) * pixel_bytes;
      uint8_t* next = target;
      for (int32_t x = 0; x < p.out_w; ++x, next += pixel_bytes) {
        memcpy(next, source + static_cast<size_t>(p.columns[x].index) * pixel_bytes, pixel_bytes);
      }
      if (p.shift == 0) continue;
      if (p.element_bytes == 1) {
        rescale_row(node, p, reinterpret_cast<int8_t*>(target), out_row);
      } else {
        rescale_row(node, p, reinterpret_cast<int16_t*>(target), out_row);
      }
    }
  });
}

template <typename T>
void run_linear(const Run& node) {
  const Parameters& p = static_cast<const Mode*>(node.parameters)->shape;
  const T* input = static_cast<const T*>(node.inputs[0]->data);
  T* output = static_cast<T*>(node.outputs[0]->data);
  const ptrdiff_t in_row = static_cast<ptrdiff_t>(p.in_w) * p.channels;
  const int32_t out_row = p.out_w * p.channels;
  // The neighbour that a weight of 0 belongs to may not exist when an axis has one element.
  const ptrdiff_t down = p.in_h > 1 ? in_row : 0, right = p.in_w > 1 ? p.channels : 0;
  parallel_for(node.workers, p.batch * p.out_h, 1024 / out_row + 1, [&](int32_t begin, int32_t end, int32_t) {
    for (int32_t row = begin; row < end; ++row) {
      const Source& y = p.rows[row % p.out_h];
      const T* upper = input + (static_cast<ptrdiff_t>(row / p.out_h) * p.in_h + y.index) * in_row;
      T* target = output + static_cast<ptrdiff_t>(row) * out_row;
      for (int32_t x = 0; x < p.out_w; ++x, target += p.channels) {
        const Source& column = p.columns[x];
        const T* a = upper + static_cast<ptrdiff_t>(column.index) * p.channels;
        for (int32_t c = 0; c < p.channels; ++c) {
          const auto value = [&](ptrdiff_t offset) { return static_cast<float>(a[offset + c]) * p.in_scale; };
          const float top = value(0) * (1.0f - column.weight) + value(right) * column.weight;
          const float bottom = value(down) * (1.0f - column.weight) + value(down + right) * column.weight;
          const float mixed = top * (1.0f - y.weight) + bottom * y.weight;
          target[c] = quantize_float<T>(mixed * p.inverse_out_scale, p.rounding);
        }
      }
    }
  });
}

Status prepare(Prepare& node) {
  SHRIKE_RETURN_IF_ERROR(expect_operands(node, 1, 4));
  SHRIKE_RETURN_IF_ERROR(expect_integer_operator(node));
  const Tensor& input = *node.inputs[0];
  Tensor& output = *node.outputs[0];
  const Shape& shape = input.shape;
  if (shape.rank != 3 && shape.rank != 4)
    return node.error(StatusCode::kBadShape, "the input is not NHWC or NWC");
  const Text mode = node.attributes.text("mode");
  const bool linear = mode == "linear";
  if (!linear && !(mode == "nearest"))
    return node.error(StatusCode::kBadAttribute, "mode is not nearest or linear");

  Axis height = {1, 1, 1.0f}, width;
  const int32_t onnx_width = shape.rank - 1;
  if (shape.rank == 4) SHRIKE_RETURN_IF_ERROR(read_axis(node, shape.dims[1], 2, &height));
  SHRIKE_RETURN_IF_ERROR(read_axis(node, shape.dims[shape.rank - 2], onnx_width, &width));
  int64_t dims[kMaxRank] = {};
  for (int32_t i = 0; i < shape.rank; ++i) dims[i] = shape.dims[i];
  if (shape.rank == 4) dims[1] = height.out;
  dims[shape.rank - 2] = width.out;
  SHRIKE_RETURN_IF_ERROR(set_shape(node, &output, dims, shape.rank));

  Mode* parameters = new_parameters<Mode>(node);
  if (parameters == nullptr) return node.arena_status();
  Parameters& p = parameters->shape;
  p.batch = shape.dims[0];
  p.in_h = height.in;
  p.in_w = width.in;
  p.out_h = height.out;
  p.out_w = width.out;
  p.channels = shape.dims[shape.rank - 1];
  p.element_bytes = size_of(input.type);
  p.shift = output.exponent - input.exponent;
  p.rounding = node.rounding;
  p.wraps = node.chip->resize_wraps && p.shift < 0;
  p.in_scale = power_of_two(input.exponent);
  p.inverse_out_scale = power_of_two(-output.exponent);
  const bool align_corners = node.attributes.text("coordinate_transformation_mode") == "align_corners";
  p.rows = source_table(node, height, linear, align_corners);
  p.columns = source_table(node, width, linear, align_corners);
  if (p.rows == nullptr || p.columns == nullptr) return node.arena_status();
  parameters->run = !linear                         ? run_nearest
                    : input.type == DataType::kInt8 ? run_linear<int8_t>
                                                    : run_linear<int16_t>;
  return {};
}

void run(const Run& node) {
  static_cast<const Mode*>(node.parameters)->run(node);
}

}  // namespace

extern const Operator op_resize = {"Resize", prepare, run};

}  // namespace shrike
