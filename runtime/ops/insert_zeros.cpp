// InsertZeros: spreads the pixels of [N,H,W,C] or [N,W,C] apart by `stride`, zeros between (the first half of
// a transposed convolution). Copies integers; the chip ignores exponents that differ (spec/numerics.md
// section 7).
#include <string.h>

#include "ops/checks.h"
#include "ops/constants.h"
#include "ops/strided_copy.h"

namespace shrike {
namespace {

Status prepare(Prepare& node) {
  SHRIKE_RETURN_IF_ERROR(expect_operands(node, 1, 1));
  const Tensor& input = *node.inputs[0];
  Tensor& output = *node.outputs[0];
  SHRIKE_RETURN_IF_ERROR(expect_same_type(node, input, output));
  const Shape& shape = input.shape;
  if (shape.rank != 3 && shape.rank != 4)
    return node.error(StatusCode::kBadShape, "the input is not NHWC or NWC");

  const int32_t spatial = shape.rank - 2;
  int64_t strides[kMaxRank], padding[kMaxRank] = {};
  if (node.attributes.integers("stride", strides, kMaxRank) != spatial) {
    return node.error(StatusCode::kBadAttribute, "stride has not one entry per spatial axis");
  }
  const int32_t paddings = node.attributes.integers("output_padding", padding, kMaxRank);
  if (paddings >= 0 && paddings != spatial) {
    return node.error(StatusCode::kBadAttribute, "output_padding has not one entry per spatial axis");
  }
  int64_t dims[kMaxRank] = {shape.dims[0]};
  int64_t steps[kMaxRank] = {1, 1, 1, 1};
  for (int32_t i = 0; i < spatial; ++i) {
    if (strides[i] < 1 || strides[i] > 65536 || padding[i] < 0 || padding[i] > 65536) {
      return node.error(StatusCode::kBadAttribute, "stride or output_padding is out of range");
    }
    steps[i + 1] = strides[i];
    dims[i + 1] = shape.dims[i + 1] + (strides[i] - 1) * (shape.dims[i + 1] - 1) + padding[i];
  }
  dims[shape.rank - 1] = shape.dims[shape.rank - 1];
  SHRIKE_RETURN_IF_ERROR(set_shape(node, &output, dims, shape.rank));

  StridedCopy* copy = new_parameters<StridedCopy>(node);
  if (copy == nullptr) return node.arena_status();
  copy->block = size_of(input.type);
  ptrdiff_t from[kMaxRank], to[kMaxRank];
  dense_strides(shape, copy->block, from);
  dense_strides(output.shape, copy->block, to);
  for (int32_t i = 0; i < shape.rank; ++i) {
    copy->add_axis(shape.dims[i], from[i], to[i] * static_cast<ptrdiff_t>(steps[i]));
  }
  simplify(copy);
  return {};
}

void run(const Run& node) {
  Tensor& output = *node.outputs[0];
  memset(output.data, 0, byte_count(output));
  run_copy(*static_cast<const StridedCopy*>(node.parameters), node.inputs[0]->data, output.data,
           node.workers);
}

}  // namespace

extern const Operator op_insert_zeros = {"InsertZeros", prepare, run};

}  // namespace shrike
