// Gather with constant indices: output = input[..., indices, ...] along `axis`. Pure copy.
#include <string.h>

#include "ops/checks.h"
#include "ops/constants.h"

namespace shrike {
namespace {

struct Parameters {
  const int32_t* rows;  // position along the axis per index, negative ones resolved
  int32_t count;
  int32_t size;  // of the gathered axis
  int64_t outer;
  size_t block;  // contiguous bytes below the axis
};

Status prepare(Prepare& node) {
  SHRIKE_RETURN_IF_ERROR(expect_operands(node, 2, 2));
  const Tensor& input = *node.inputs[0];
  const Tensor& indices = *node.inputs[1];
  Tensor& output = *node.outputs[0];
  SHRIKE_RETURN_IF_ERROR(expect_same_format(node, input, output));
  const Shape& shape = input.shape;
  const int32_t axis = axis_position(node.attributes.integer("axis", 0), shape.rank);
  if (axis < 0) return node.error(StatusCode::kBadAttribute, "axis is out of range");
  const int64_t* values = constant_int64(&indices);
  if (values == nullptr)
    return node.error(StatusCode::kBadAttribute, "indices are not a constant of type INT64");

  const int32_t rank = shape.rank - 1 + indices.shape.rank;
  if (rank > kMaxRank) return node.error(StatusCode::kBadShape, "a tensor would have more than six axes");
  int64_t dims[kMaxRank] = {};
  int32_t next = 0;
  for (int32_t i = 0; i < axis; ++i) dims[next++] = shape.dims[i];
  for (int32_t i = 0; i < indices.shape.rank; ++i) dims[next++] = indices.shape.dims[i];
  for (int32_t i = axis + 1; i < shape.rank; ++i) dims[next++] = shape.dims[i];
  SHRIKE_RETURN_IF_ERROR(set_shape(node, &output, dims, rank));

  Parameters* parameters = new_parameters<Parameters>(node);
  if (parameters == nullptr) return node.arena_status();
  parameters->count = static_cast<int32_t>(indices.shape.elements());
  parameters->size = shape.dims[axis];
  parameters->outer = product(shape, 0, axis);
  parameters->block = static_cast<size_t>(product(shape, axis + 1, shape.rank)) * size_of(input.type);
  int32_t* rows = static_cast<int32_t*>(
      node.allocate(static_cast<size_t>(parameters->count) * sizeof(int32_t), alignof(int32_t)));
  if (rows == nullptr) return node.arena_status();
  for (int32_t i = 0; i < parameters->count; ++i) {
    if (values[i] < -parameters->size || values[i] >= parameters->size) {
      return node.error(StatusCode::kBadAttribute, "an index is out of range");
    }
    rows[i] = static_cast<int32_t>(values[i] < 0 ? values[i] + parameters->size : values[i]);
  }
  parameters->rows = rows;
  return {};
}

void run(const Run& node) {
  const Parameters& parameters = *static_cast<const Parameters*>(node.parameters);
  const uint8_t* input = static_cast<const uint8_t*>(node.inputs[0]->data);
  uint8_t* output = static_cast<uint8_t*>(node.outputs[0]->data);
  const size_t block = parameters.block;
  for (int64_t i = 0; i < parameters.outer; ++i) {
    for (int32_t k = 0; k < parameters.count; ++k, output += block) {
      memcpy(output, input + static_cast<size_t>(parameters.rows[k]) * block, block);
    }
    input += static_cast<size_t>(parameters.size) * block;
  }
}

}  // namespace

extern const Operator op_gather = {"Gather", prepare, run};

}  // namespace shrike
