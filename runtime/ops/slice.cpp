// Slice with constant starts, ends, axes and steps, as in ONNX: negative positions count from the end,
// anything beyond an end is clamped, steps may be negative.
#include "ops/checks.h"
#include "ops/constants.h"
#include "ops/strided_copy.h"

namespace shrike {
namespace {

int64_t clamp(int64_t value, int64_t low, int64_t high) {
  return value < low ? low : value > high ? high : value;
}

// INT64 extremes are legal, so the size is added only to values that are negative and not far below it.
int64_t from_end(int64_t position, int64_t size) {
  return position < 0 ? clamp(position, -size - 1, -1) + size : position;
}

Status prepare(Prepare& node) {
  SHRIKE_RETURN_IF_ERROR(expect_operands(node, 3, 5));
  const Tensor& input = *node.inputs[0];
  Tensor& output = *node.outputs[0];
  SHRIKE_RETURN_IF_ERROR(expect_same_format(node, input, output));
  const Shape& shape = input.shape;

  IntegerList starts, ends, axes, steps;
  SHRIKE_RETURN_IF_ERROR(read_list(node, 1, &starts));
  SHRIKE_RETURN_IF_ERROR(read_list(node, 2, &ends));
  axes.count = steps.count = starts.count;
  for (int32_t i = 0; i < starts.count; ++i) axes.values[i] = i, steps.values[i] = 1;
  if (optional_input(node, 3) != nullptr) SHRIKE_RETURN_IF_ERROR(read_list(node, 3, &axes));
  if (optional_input(node, 4) != nullptr) SHRIKE_RETURN_IF_ERROR(read_list(node, 4, &steps));
  if (ends.count != starts.count || axes.count != starts.count || steps.count != starts.count) {
    return node.error(StatusCode::kBadShape, "starts, ends, axes and steps have different lengths");
  }
  bool used[kMaxRank];
  SHRIKE_RETURN_IF_ERROR(mark_axes(node, axes, shape.rank, used));

  int64_t dims[kMaxRank], first[kMaxRank] = {}, stride[kMaxRank];
  for (int32_t i = 0; i < shape.rank; ++i) dims[i] = shape.dims[i], stride[i] = 1;
  for (int32_t i = 0; i < axes.count; ++i) {
    const int32_t axis = axis_position(axes.values[i], shape.rank);
    const int64_t size = shape.dims[axis];
    const int64_t step = clamp(steps.values[i], -size, size);  // a longer step also takes one element
    if (step == 0) return node.error(StatusCode::kBadAttribute, "a slice has step 0");
    const int64_t low = step > 0 ? 0 : -1;
    const int64_t high = step > 0 ? size : size - 1;
    const int64_t start = clamp(from_end(starts.values[i], size), 0, high);
    const int64_t end = clamp(from_end(ends.values[i], size), low, high);
    dims[axis] = step > 0 ? (end - start + step - 1) / step : (start - end - step - 1) / -step;
    first[axis] = start;
    stride[axis] = step;
  }
  SHRIKE_RETURN_IF_ERROR(set_shape(node, &output, dims, shape.rank));

  StridedCopy* copy = new_parameters<StridedCopy>(node);
  if (copy == nullptr) return node.arena_status();
  copy->block = size_of(input.type);
  ptrdiff_t from[kMaxRank], to[kMaxRank];
  dense_strides(shape, copy->block, from);
  dense_strides(output.shape, copy->block, to);
  for (int32_t i = 0; i < shape.rank; ++i) {
    copy->source_offset += static_cast<ptrdiff_t>(first[i]) * from[i];
    copy->add_axis(output.shape.dims[i], from[i] * static_cast<ptrdiff_t>(stride[i]), to[i]);
  }
  simplify(copy);
  return {};
}

void run(const Run& node) {
  run_copy(*static_cast<const StridedCopy*>(node.parameters), node.inputs[0]->data, node.outputs[0]->data,
           node.workers);
}

}  // namespace

extern const Operator op_slice = {"Slice", prepare, run};

}  // namespace shrike
