// Split along one axis into the sizes of the constant input 1 (without it: equal parts, the last one
// smaller).
#include "ops/checks.h"
#include "ops/constants.h"
#include "ops/strided_copy.h"

namespace shrike {
namespace {

struct Parameters {
  StridedCopy* copies;  // one per output
};

Status prepare(Prepare& node) {
  if (node.output_count < 1) return node.error(StatusCode::kBadShape, "wrong number of inputs or outputs");
  SHRIKE_RETURN_IF_ERROR(expect_operands(node, 1, 2, node.output_count));
  const Tensor& input = *node.inputs[0];
  const Shape& shape = input.shape;
  const int32_t axis = axis_position(node.attributes.integer("axis", 0), shape.rank);
  if (axis < 0) return node.error(StatusCode::kBadAttribute, "axis is out of range");
  const Tensor* sizes_tensor = optional_input(node, 1);
  const int64_t* sizes = constant_int64(sizes_tensor);
  if (sizes_tensor != nullptr && (sizes == nullptr || sizes_tensor->shape.elements() != node.output_count)) {
    return node.error(StatusCode::kBadAttribute, "split sizes are not INT64 constants, one per output");
  }

  Parameters* parameters = new_parameters<Parameters>(node);
  if (parameters == nullptr) return node.arena_status();
  const size_t count = static_cast<size_t>(node.output_count);
  parameters->copies =
      static_cast<StridedCopy*>(node.allocate(count * sizeof(StridedCopy), alignof(StridedCopy)));
  if (parameters->copies == nullptr) return node.arena_status();

  const int64_t whole = shape.dims[axis];
  const int64_t equal = (whole + node.output_count - 1) / node.output_count;
  ptrdiff_t from[kMaxRank], to[kMaxRank];
  dense_strides(shape, size_of(input.type), from);
  int64_t start = 0;
  for (int32_t k = 0; k < node.output_count; ++k) {
    Tensor& output = *node.outputs[k];
    SHRIKE_RETURN_IF_ERROR(expect_same_format(node, input, output));
    const int64_t left = whole - start;
    const int64_t size = sizes != nullptr ? sizes[k] : (equal < left ? equal : left);
    if (size < 1 || size > left)
      return node.error(StatusCode::kBadShape, "split sizes do not add up to the axis");
    int64_t dims[kMaxRank] = {};
    for (int32_t i = 0; i < shape.rank; ++i) dims[i] = i == axis ? size : shape.dims[i];
    SHRIKE_RETURN_IF_ERROR(set_shape(node, &output, dims, shape.rank));

    StridedCopy& copy = parameters->copies[k];
    copy.block = size_of(input.type);
    copy.source_offset = static_cast<ptrdiff_t>(start) * from[axis];
    dense_strides(output.shape, copy.block, to);
    for (int32_t i = 0; i < shape.rank; ++i) copy.add_axis(output.shape.dims[i], from[i], to[i]);
    simplify(&copy);
    start += size;
  }
  if (start != whole) return node.error(StatusCode::kBadShape, "split sizes do not add up to the axis");
  return {};
}

void run(const Run& node) {
  const Parameters& parameters = *static_cast<const Parameters*>(node.parameters);
  run_copies(parameters.copies, Parts::kOutputs, node);
}

}  // namespace

extern const Operator op_split = {"Split", prepare, run};

}  // namespace shrike
