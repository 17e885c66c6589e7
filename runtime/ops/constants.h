// Constant operands of a node (axes, sizes, bounds, indices), read with every check a hostile file needs.
#pragma once
#include "ops/op.h"

namespace shrike {

// The input at `index`, or null when the node has none there.
inline const Tensor* optional_input(const Prepare& node, int32_t index) {
  if (index >= node.input_count || !node.inputs[index]->present()) return nullptr;
  return node.inputs[index];
}

// An INT64 constant of any length, or null.
inline const int64_t* constant_int64(const Tensor* tensor) {
  if (tensor == nullptr || !tensor->constant || tensor->type != DataType::kInt64) return nullptr;
  return static_cast<const int64_t*>(tensor->data);
}

// A short list of integers: at most kMaxRank entries.
struct IntegerList {
  int32_t count = 0;
  int64_t values[kMaxRank] = {};
};

// Reads input `index` as a constant list of at most kMaxRank INT64 values (a scalar counts as one).
inline Status read_list(const Prepare& node, int32_t index, IntegerList* list) {
  const Tensor* tensor = optional_input(node, index);
  const int64_t* values = constant_int64(tensor);
  if (values == nullptr) {
    return node.error(StatusCode::kBadAttribute,
                      "an axes, sizes or bounds operand is not a constant of type INT64");
  }
  if (tensor->shape.rank > 1 || tensor->shape.elements() > kMaxRank) {
    return node.error(StatusCode::kBadShape,
                      "an axes, sizes or bounds operand has more entries than axes exist");
  }
  list->count = static_cast<int32_t>(tensor->shape.elements());
  for (int32_t i = 0; i < list->count; ++i) list->values[i] = values[i];
  return {};
}

// Position of `axis` (negative: from the end) among `rank` axes, or -1.
inline int32_t axis_position(int64_t axis, int32_t rank) {
  if (axis < -rank || axis >= rank) return -1;
  return static_cast<int32_t>(axis < 0 ? axis + rank : axis);
}

// Marks the axes in `list` (each once, in range) in `marked[kMaxRank]`.
inline Status mark_axes(const Prepare& node, const IntegerList& list, int32_t rank, bool* marked) {
  for (int32_t i = 0; i < kMaxRank; ++i) marked[i] = false;
  for (int32_t i = 0; i < list.count; ++i) {
    const int32_t axis = axis_position(list.values[i], rank);
    if (axis < 0) return node.error(StatusCode::kBadAttribute, "an axis is out of range");
    if (marked[axis]) return node.error(StatusCode::kBadAttribute, "an axis is named twice");
    marked[axis] = true;
  }
  return {};
}

// Axes from the constant input `index` or, in files of older exporters, from the attribute `axes`.
// `found` tells whether either exists.
inline Status read_axes(const Prepare& node, int32_t index, IntegerList* list, bool* found) {
  *found = true;
  if (optional_input(node, index) != nullptr) return read_list(node, index, list);
  const int32_t count = node.attributes.integers("axes", list->values, kMaxRank);
  *found = count >= 0;
  if (count > kMaxRank) return node.error(StatusCode::kBadAttribute, "axes names more axes than exist");
  list->count = count < 0 ? 0 : count;
  return {};
}

}  // namespace shrike
