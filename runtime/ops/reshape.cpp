// Reshape, Flatten, Squeeze, Unsqueeze, Identity: the same elements under another shape. A copy in practice;
// where a file's exponents differ, rule RQ (spec/numerics.md section 7).
#include "ops/checks.h"
#include "ops/constants.h"
#include "ops/format_change.h"

namespace shrike {
namespace {

// Common tail: `dims` must hold as many elements as the input.
Status finish(Prepare& node, const int64_t* dims, int32_t rank) {
  Tensor& output = *node.outputs[0];
  const Tensor& input = *node.inputs[0];
  SHRIKE_RETURN_IF_ERROR(set_shape(node, &output, dims, rank));
  if (output.shape.elements() != input.shape.elements()) {
    return node.error(StatusCode::kBadShape, "the new shape holds another number of elements");
  }
  FormatChange* change = new_parameters<FormatChange>(node);
  if (change == nullptr) return node.arena_status();
  SHRIKE_RETURN_IF_ERROR(prepare_format_change(node, input, output, change));
  if (input.type == output.type) node.in_place = change->shift == 0 ? InPlace::kAlias : InPlace::kOverwrite;
  return {};
}

Status prepare_reshape(Prepare& node) {
  SHRIKE_RETURN_IF_ERROR(expect_operands(node, 2, 2));
  const Shape& from = node.inputs[0]->shape;
  IntegerList wanted;
  SHRIKE_RETURN_IF_ERROR(read_list(node, 1, &wanted));
  const bool zero_is_literal = node.attributes.integer("allowzero", 0) != 0;

  int32_t inferred = -1;
  int64_t known = 1;
  for (int32_t i = 0; i < wanted.count; ++i) {
    int64_t& size = wanted.values[i];
    if (size == 0 && !zero_is_literal && i < from.rank) size = from.dims[i];
    if (size == -1 && inferred < 0) {
      inferred = i;
      continue;
    }
    if (size < 1 || size > kMaxTensorBytes) {
      return node.error(StatusCode::kBadShape, "a dimension of the new shape is less than one or too large");
    }
    known *= size;
    if (known > kMaxTensorBytes) return node.error(StatusCode::kBadShape, "a tensor would exceed 2 GiB");
  }
  if (inferred >= 0) wanted.values[inferred] = from.elements() / known;
  return finish(node, wanted.values, wanted.count);
}

Status prepare_flatten(Prepare& node) {
  SHRIKE_RETURN_IF_ERROR(expect_operands(node, 1, 1));
  const Shape& from = node.inputs[0]->shape;
  int64_t axis = node.attributes.integer("axis", 1);
  if (axis < -from.rank || axis > from.rank)
    return node.error(StatusCode::kBadAttribute, "axis is out of range");
  if (axis < 0) axis += from.rank;
  const int32_t split = static_cast<int32_t>(axis);
  const int64_t dims[2] = {product(from, 0, split), product(from, split, from.rank)};
  return finish(node, dims, 2);
}

Status prepare_squeeze(Prepare& node) {
  SHRIKE_RETURN_IF_ERROR(expect_operands(node, 1, 2));
  const Shape& from = node.inputs[0]->shape;
  IntegerList axes;
  bool named = false;
  bool dropped[kMaxRank];
  SHRIKE_RETURN_IF_ERROR(read_axes(node, 1, &axes, &named));
  SHRIKE_RETURN_IF_ERROR(mark_axes(node, axes, from.rank, dropped));
  int64_t dims[kMaxRank] = {};
  int32_t rank = 0;
  for (int32_t i = 0; i < from.rank; ++i) {
    if (named ? dropped[i] : from.dims[i] == 1) continue;
    dims[rank++] = from.dims[i];
  }
  return finish(node, dims, rank);  // a dropped axis that is not one shows up as another element count
}

Status prepare_unsqueeze(Prepare& node) {
  SHRIKE_RETURN_IF_ERROR(expect_operands(node, 1, 2));
  const Shape& from = node.inputs[0]->shape;
  IntegerList axes;
  bool named = false;
  bool inserted[kMaxRank];
  SHRIKE_RETURN_IF_ERROR(read_axes(node, 1, &axes, &named));
  if (!named) return node.error(StatusCode::kBadAttribute, "axes are missing");
  const int32_t rank = from.rank + axes.count;
  if (rank > kMaxRank) return node.error(StatusCode::kBadShape, "a tensor would have more than six axes");
  SHRIKE_RETURN_IF_ERROR(mark_axes(node, axes, rank, inserted));
  int64_t dims[kMaxRank] = {};
  for (int32_t i = 0, next = 0; i < rank; ++i) dims[i] = inserted[i] ? 1 : from.dims[next++];
  return finish(node, dims, rank);
}

Status prepare_identity(Prepare& node) {
  SHRIKE_RETURN_IF_ERROR(expect_operands(node, 1, 1));
  const Shape& from = node.inputs[0]->shape;
  int64_t dims[kMaxRank] = {};
  for (int32_t i = 0; i < from.rank; ++i) dims[i] = from.dims[i];
  return finish(node, dims, from.rank);
}

void run(const Run& node) {
  run_format_change(*static_cast<const FormatChange*>(node.parameters), *node.inputs[0], *node.outputs[0],
                    node);
}

}  // namespace

extern const Operator op_reshape = {"Reshape", prepare_reshape, run};
extern const Operator op_flatten = {"Flatten", prepare_flatten, run};
extern const Operator op_squeeze = {"Squeeze", prepare_squeeze, run};
extern const Operator op_unsqueeze = {"Unsqueeze", prepare_unsqueeze, run};
extern const Operator op_identity = {"Identity", prepare_identity, run};

}  // namespace shrike
