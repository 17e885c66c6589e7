// Concat along one axis: pure copy, all inputs on the output's grid (spec/numerics.md section 7).
#include "ops/checks.h"
#include "ops/constants.h"
#include "ops/strided_copy.h"

namespace shrike {
namespace {

struct Parameters {
  StridedCopy* copies;  // one per input
};

Status prepare(Prepare& node) {
  SHRIKE_RETURN_IF_ERROR(expect_operands(node, 1, INT32_MAX));
  const Shape& first = node.inputs[0]->shape;
  Tensor& output = *node.outputs[0];
  if (!node.attributes.has("axis")) return node.error(StatusCode::kBadAttribute, "axis is missing");
  const int32_t axis = axis_position(node.attributes.integer("axis", 0), first.rank);
  if (axis < 0) return node.error(StatusCode::kBadAttribute, "axis is out of range");

  int64_t dims[kMaxRank] = {};
  for (int32_t i = 0; i < first.rank; ++i) dims[i] = first.dims[i];
  dims[axis] = 0;
  for (int32_t k = 0; k < node.input_count; ++k) {
    const Tensor& input = *node.inputs[k];
    if (!input.present()) return node.error(StatusCode::kBadShape, "a required input is absent");
    SHRIKE_RETURN_IF_ERROR(expect_same_format(node, input, output));
    bool fits = input.shape.rank == first.rank;
    for (int32_t i = 0; fits && i < first.rank; ++i) fits = i == axis || input.shape.dims[i] == first.dims[i];
    if (!fits)
      return node.error(StatusCode::kBadShape, "inputs differ in another axis than the concatenated one");
    dims[axis] += input.shape.dims[axis];
  }
  SHRIKE_RETURN_IF_ERROR(set_shape(node, &output, dims, first.rank));

  Parameters* parameters = new_parameters<Parameters>(node);
  if (parameters == nullptr) return node.arena_status();
  const size_t count = static_cast<size_t>(node.input_count);
  parameters->copies =
      static_cast<StridedCopy*>(node.allocate(count * sizeof(StridedCopy), alignof(StridedCopy)));
  if (parameters->copies == nullptr) return node.arena_status();
  ptrdiff_t to[kMaxRank], from[kMaxRank];
  dense_strides(output.shape, size_of(output.type), to);
  ptrdiff_t offset = 0;
  for (int32_t k = 0; k < node.input_count; ++k) {
    const Shape& shape = node.inputs[k]->shape;
    StridedCopy& copy = parameters->copies[k];
    copy.block = size_of(output.type);
    copy.target_offset = offset;
    offset += to[axis] * shape.dims[axis];
    dense_strides(shape, copy.block, from);
    for (int32_t i = 0; i < shape.rank; ++i) copy.add_axis(shape.dims[i], from[i], to[i]);
    simplify(&copy);
  }
  return {};
}

void run(const Run& node) {
  const Parameters& parameters = *static_cast<const Parameters*>(node.parameters);
  run_copies(parameters.copies, Parts::kInputs, node);
}

}  // namespace

extern const Operator op_concat = {"Concat", prepare, run};

}  // namespace shrike
