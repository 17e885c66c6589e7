// StreamingCache: puts the last window_size - 1 frames of earlier runs (zeros at first) in front of the input
// along `frame_axis`, and remembers the newest ones (spec/espdl-format.md section 8). All axes before the
// frame axis are one, so frames are contiguous.
#include <string.h>

#include "ops/checks.h"
#include "ops/constants.h"

namespace shrike {
namespace {

struct Parameters {
  uint8_t* state;
  size_t state_bytes;
};

Status prepare(Prepare& node) {
  SHRIKE_RETURN_IF_ERROR(expect_operands(node, 1, 1));
  const Tensor& input = *node.inputs[0];
  Tensor& output = *node.outputs[0];
  SHRIKE_RETURN_IF_ERROR(expect_same_format(node, input, output));
  const Shape& shape = input.shape;
  const int64_t window = node.attributes.integer("window_size", 1);
  const int32_t axis = axis_position(node.attributes.integer("frame_axis", 1), shape.rank);
  if (axis < 0) return node.error(StatusCode::kBadAttribute, "frame_axis is out of range");
  if (window < 1 || window > 65536)
    return node.error(StatusCode::kBadAttribute, "window_size is out of range");
  if (product(shape, 0, axis) != 1) {
    return node.error(StatusCode::kBadShape, "an axis before frame_axis is larger than one");
  }
  int64_t dims[kMaxRank] = {};
  for (int32_t i = 0; i < shape.rank; ++i) dims[i] = shape.dims[i];
  dims[axis] += window - 1;
  SHRIKE_RETURN_IF_ERROR(set_shape(node, &output, dims, shape.rank));

  Parameters* parameters = new_parameters<Parameters>(node);
  if (parameters == nullptr) return node.arena_status();
  parameters->state_bytes = static_cast<size_t>(output.bytes() - input.bytes());
  if (parameters->state_bytes == 0) return {};
  parameters->state = static_cast<uint8_t*>(node.allocate(parameters->state_bytes));
  if (parameters->state == nullptr) return node.arena_status();
  return {};
}

void run(const Run& node) {
  const Parameters& parameters = *static_cast<const Parameters*>(node.parameters);
  const Tensor& input = *node.inputs[0];
  uint8_t* output = static_cast<uint8_t*>(node.outputs[0]->data);
  const size_t old = parameters.state_bytes;
  if (old != 0) memcpy(output, parameters.state, old);
  memcpy(output + old, input.data, byte_count(input));
  if (old != 0)
    memcpy(parameters.state, output + byte_count(input), old);  // the newest window_size - 1 frames
}

void reset(void* parameters) {
  const Parameters& cache = *static_cast<const Parameters*>(parameters);
  if (cache.state_bytes != 0) memset(cache.state, 0, cache.state_bytes);
}

}  // namespace

extern const Operator op_streaming_cache = {"StreamingCache", prepare, run, reset};

}  // namespace shrike
