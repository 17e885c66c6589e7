// ReverseSequence: per batch entry, the first `sequence_lens[batch]` steps of the time axis in reverse order.
// Axes 0 and 1 are batch and time in either order; lengths are a constant. Pure copy.
#include <string.h>

#include "ops/checks.h"
#include "ops/constants.h"

namespace shrike {
namespace {

struct Parameters {
  int32_t batch, time;
  size_t batch_stride, time_stride, block;  // bytes
  const int64_t* lengths;
};

Status prepare(Prepare& node) {
  SHRIKE_RETURN_IF_ERROR(expect_operands(node, 2, 2));
  const Tensor& input = *node.inputs[0];
  SHRIKE_RETURN_IF_ERROR(expect_same_format(node, input, *node.outputs[0]));
  const Shape& shape = input.shape;
  const int64_t batch_axis = node.attributes.integer("batch_axis", 1);
  const int64_t time_axis = node.attributes.integer("time_axis", 0);
  if (shape.rank < 2 || batch_axis < 0 || batch_axis > 1 || time_axis != 1 - batch_axis) {
    return node.error(StatusCode::kBadAttribute, "batch_axis and time_axis are not 0 and 1");
  }
  Parameters* parameters = new_parameters<Parameters>(node);
  if (parameters == nullptr) return node.arena_status();
  parameters->batch = shape.dims[batch_axis];
  parameters->time = shape.dims[time_axis];
  parameters->block = static_cast<size_t>(product(shape, 2, shape.rank)) * size_of(input.type);
  const size_t outer = parameters->block * static_cast<size_t>(shape.dims[1]);
  parameters->batch_stride = batch_axis == 0 ? outer : parameters->block;
  parameters->time_stride = time_axis == 0 ? outer : parameters->block;

  const Tensor& lengths = *node.inputs[1];
  parameters->lengths = constant_int64(&lengths);
  if (parameters->lengths == nullptr || lengths.shape.rank != 1 ||
      lengths.shape.dims[0] != parameters->batch) {
    return node.error(StatusCode::kBadAttribute,
                      "sequence_lens is not an INT64 constant with one entry per batch");
  }
  for (int32_t i = 0; i < parameters->batch; ++i) {
    if (parameters->lengths[i] < 1 || parameters->lengths[i] > parameters->time) {
      return node.error(StatusCode::kBadAttribute, "a sequence length is outside the time axis");
    }
  }
  node.outputs[0]->shape = shape;
  return {};
}

void run(const Run& node) {
  const Parameters& parameters = *static_cast<const Parameters*>(node.parameters);
  const uint8_t* input = static_cast<const uint8_t*>(node.inputs[0]->data);
  uint8_t* output = static_cast<uint8_t*>(node.outputs[0]->data);
  for (int32_t b = 0; b < parameters.batch; ++b) {
    const int32_t length = static_cast<int32_t>(parameters.lengths[b]);
    for (int32_t t = 0; t < parameters.time; ++t) {
      const int32_t source = t < length ? length - 1 - t : t;
      const size_t row = static_cast<size_t>(b) * parameters.batch_stride;
      memcpy(output + row + static_cast<size_t>(t) * parameters.time_stride,
             input + row + static_cast<size_t>(source) * parameters.time_stride, parameters.block);
    }
  }
}

}  // namespace

extern const Operator op_reverse_sequence = {"ReverseSequence", prepare, run};

}  // namespace shrike
