// Transpose: output axis i is input axis perm[i]. Pure copy (spec/numerics.md section 7).
#include "ops/checks.h"
#include "ops/constants.h"
#include "ops/strided_copy.h"

namespace shrike {
namespace {

Status prepare(Prepare& node) {
  SHRIKE_RETURN_IF_ERROR(expect_operands(node, 1, 1));
  const Tensor& input = *node.inputs[0];
  Tensor& output = *node.outputs[0];
  SHRIKE_RETURN_IF_ERROR(expect_same_format(node, input, output));
  const int32_t rank = input.shape.rank;

  IntegerList perm;
  perm.count = node.attributes.integers("perm", perm.values, kMaxRank);
  if (perm.count < 0) {  // ONNX: reversed
    perm.count = rank;
    for (int32_t i = 0; i < rank; ++i) perm.values[i] = rank - 1 - i;
  }
  if (perm.count != rank) return node.error(StatusCode::kBadAttribute, "perm has not one entry per axis");
  bool used[kMaxRank];
  SHRIKE_RETURN_IF_ERROR(mark_axes(node, perm, rank, used));

  int64_t dims[kMaxRank] = {};
  int32_t axes[kMaxRank];
  for (int32_t i = 0; i < rank; ++i) {
    axes[i] = axis_position(perm.values[i], rank);  // negative entries are legal (spec/espdl-format.md 5.2)
    dims[i] = input.shape.dims[axes[i]];
  }
  SHRIKE_RETURN_IF_ERROR(set_shape(node, &output, dims, rank));

  StridedCopy* copy = new_parameters<StridedCopy>(node);
  if (copy == nullptr) return node.arena_status();
  copy->block = size_of(input.type);
  ptrdiff_t from[kMaxRank], to[kMaxRank];
  dense_strides(input.shape, copy->block, from);
  dense_strides(output.shape, copy->block, to);
  for (int32_t i = 0; i < rank; ++i) copy->add_axis(output.shape.dims[i], from[axes[i]], to[i]);
  simplify(copy);
  if (copy->rank == 0) node.in_place = InPlace::kAlias;  // only axes of one moved
  return {};
}

void run(const Run& node) {
  run_copy(*static_cast<const StridedCopy*>(node.parameters), node.inputs[0]->data, node.outputs[0]->data,
           node.workers);
}

}  // namespace

extern const Operator op_transpose = {"Transpose", prepare, run};

}  // namespace shrike
