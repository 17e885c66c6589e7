// ScatterND with constant indices [..., K]: slices of `updates` replace (or are added to, multiplied with)
// the slices of `data` that the K leading coordinates name. Integers are combined as they are and saturate
// (spec/numerics.md section 7).
#include <string.h>

#include "ops/checks.h"
#include "ops/constants.h"
#include "ops/numeric.h"

namespace shrike {
namespace {

enum class Reduction : uint8_t { kNone, kAdd, kMul };

struct Parameters {
  Reduction reduction;
  int32_t count;           // slices
  int32_t slice;           // elements per slice
  const int32_t* offsets;  // first element of each slice in the output
};

Status read_reduction(const Prepare& node, Reduction* reduction) {
  const Text text = node.attributes.text("reduction");
  if (text.size == 0 || text == "none")
    *reduction = Reduction::kNone;
  else if (text == "add")
    *reduction = Reduction::kAdd;
  else if (text == "mul")
    *reduction = Reduction::kMul;
  else
    return node.error(StatusCode::kBadAttribute, "reduction is not none, add or mul");
  if (*reduction != Reduction::kNone && !is_integer_8_or_16(node.inputs[0]->type)) {
    return node.error(StatusCode::kUnsupportedType, "a reduction needs INT8 or INT16");
  }
  return {};
}

Status prepare(Prepare& node) {
  SHRIKE_RETURN_IF_ERROR(expect_operands(node, 3, 3));
  const Tensor& data = *node.inputs[0];
  const Tensor& indices = *node.inputs[1];
  const Tensor& updates = *node.inputs[2];
  SHRIKE_RETURN_IF_ERROR(expect_same_format(node, data, *node.outputs[0]));
  SHRIKE_RETURN_IF_ERROR(expect_same_format(node, data, updates));
  const int64_t* values = constant_int64(&indices);
  if (values == nullptr)
    return node.error(StatusCode::kBadAttribute, "indices are not a constant of type INT64");
  if (indices.shape.rank < 1) return node.error(StatusCode::kBadShape, "indices have no axis of coordinates");
  const int32_t depth = indices.shape.dims[indices.shape.rank - 1];
  const int32_t batch_rank = indices.shape.rank - 1;
  bool fits = depth <= data.shape.rank && updates.shape.rank == batch_rank + data.shape.rank - depth;
  for (int32_t i = 0; fits && i < updates.shape.rank; ++i) {
    const int32_t wanted = i < batch_rank ? indices.shape.dims[i] : data.shape.dims[depth + i - batch_rank];
    fits = updates.shape.dims[i] == wanted;
  }
  if (!fits)
    return node.error(StatusCode::kBadShape, "shapes of data, indices and updates do not fit together");

  Parameters* parameters = new_parameters<Parameters>(node);
  if (parameters == nullptr) return node.arena_status();
  SHRIKE_RETURN_IF_ERROR(read_reduction(node, &parameters->reduction));
  parameters->count = static_cast<int32_t>(product(indices.shape, 0, batch_rank));
  parameters->slice = static_cast<int32_t>(product(data.shape, depth, data.shape.rank));
  int32_t* offsets = static_cast<int32_t*>(
      node.allocate(static_cast<size_t>(parameters->count) * sizeof(int32_t), alignof(int32_t)));
  if (offsets == nullptr) return node.arena_status();
  for (int32_t i = 0; i < parameters->count; ++i) {
    int64_t offset = 0;
    for (int32_t k = 0; k < depth; ++k) {
      const int64_t size = data.shape.dims[k];
      int64_t position = values[static_cast<int64_t>(i) * depth + k];
      if (position < -size || position >= size)
        return node.error(StatusCode::kBadAttribute, "an index is out of range");
      if (position < 0) position += size;
      offset = offset * size + position;
    }
    offsets[i] = static_cast<int32_t>(offset * parameters->slice);
  }
  parameters->offsets = offsets;
  node.outputs[0]->shape = data.shape;
  return {};
}

template <typename T>
void combine(const Parameters& parameters, const void* updates, void* output) {
  const T* update = static_cast<const T*>(updates);
  for (int32_t i = 0; i < parameters.count; ++i, update += parameters.slice) {
    T* target = static_cast<T*>(output) + parameters.offsets[i];
    for (int32_t k = 0; k < parameters.slice; ++k) {
      const int32_t a = target[k], b = update[k];
      target[k] = saturate<T>(parameters.reduction == Reduction::kAdd ? a + b : a * b);
    }
  }
}

void run(const Run& node) {
  const Parameters& parameters = *static_cast<const Parameters*>(node.parameters);
  Tensor& output = *node.outputs[0];
  const Tensor& updates = *node.inputs[2];
  memcpy(output.data, node.inputs[0]->data, byte_count(output));
  if (parameters.reduction == Reduction::kNone) {
    const size_t element = size_of(output.type);
    const size_t bytes = static_cast<size_t>(parameters.slice) * element;
    const uint8_t* update = static_cast<const uint8_t*>(updates.data);
    for (int32_t i = 0; i < parameters.count; ++i, update += bytes) {
      memcpy(static_cast<uint8_t*>(output.data) + static_cast<size_t>(parameters.offsets[i]) * element,
             update, bytes);
    }
  } else if (output.type == DataType::kInt8) {
    combine<int8_t>(parameters, updates.data, output.data);
  } else {
    combine<int16_t>(parameters, updates.data, output.data);
  }
}

}  // namespace

extern const Operator op_scatter_nd = {"ScatterND", prepare, run};

}  // namespace shrike
