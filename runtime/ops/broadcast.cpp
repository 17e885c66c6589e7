#include "ops/broadcast.h"

#include "ops/checks.h"

namespace shrike {

Status plan_broadcast(const Prepare& node, const Tensor& a, const Tensor& b, Tensor* output,
                      Broadcast* plan) {
  const int32_t rank = a.shape.rank > b.shape.rank ? a.shape.rank : b.shape.rank;
  int64_t dims[kMaxRank] = {};
  int32_t a_dims[kMaxRank], b_dims[kMaxRank];
  for (int32_t i = 0; i < rank; ++i) {
    const int32_t from_a = i - (rank - a.shape.rank), from_b = i - (rank - b.shape.rank);
    a_dims[i] = from_a < 0 ? 1 : a.shape.dims[from_a];
    b_dims[i] = from_b < 0 ? 1 : b.shape.dims[from_b];
    if (a_dims[i] != b_dims[i] && a_dims[i] != 1 && b_dims[i] != 1) {
      return node.error(StatusCode::kBadShape, "operand shapes can't be broadcast");
    }
    dims[i] = a_dims[i] > b_dims[i] ? a_dims[i] : b_dims[i];
  }
  SHRIKE_RETURN_IF_ERROR(set_shape(node, output, dims, rank));

  // From the innermost axis outwards: start a new axis only where one operand changes between real and
  // broadcast.
  *plan = {};
  int32_t merged = 0;
  int32_t size[kMaxRank];
  int64_t a_step[kMaxRank], b_step[kMaxRank];
  int64_t a_count = 1, b_count = 1;
  for (int32_t i = rank - 1; i >= 0; --i) {
    if (dims[i] == 1) continue;
    const bool a_real = a_dims[i] != 1, b_real = b_dims[i] != 1;
    const bool joins =
        merged > 0 && (a_step[merged - 1] != 0) == a_real && (b_step[merged - 1] != 0) == b_real;
    if (joins) {
      size[merged - 1] *= static_cast<int32_t>(dims[i]);
    } else {
      size[merged] = static_cast<int32_t>(dims[i]);
      a_step[merged] = a_real ? a_count : 0;
      b_step[merged] = b_real ? b_count : 0;
      ++merged;
    }
    a_count *= a_dims[i];
    b_count *= b_dims[i];
  }
  if (merged == 0) return {};
  plan->inner = size[0];
  plan->a_inner = static_cast<int32_t>(a_step[0]);
  plan->b_inner = static_cast<int32_t>(b_step[0]);
  plan->rank = merged - 1;
  for (int32_t i = 0; i < plan->rank; ++i) {
    plan->dims[i] = size[merged - 1 - i];
    plan->a_step[i] = a_step[merged - 1 - i];
    plan->b_step[i] = b_step[merged - 1 - i];
    plan->rows *= plan->dims[i];
  }
  return {};
}

Status expect_arithmetic(const Prepare& node) {
  SHRIKE_RETURN_IF_ERROR(expect_operands(node, 2, 2));
  const Tensor& a = *node.inputs[0];
  const Tensor& b = *node.inputs[1];
  const Tensor& output = *node.outputs[0];
  if (!is_integer_8_or_16(a.type) && a.type != DataType::kFloat32) {
    return node.error(StatusCode::kUnsupportedType, "operands are not INT8, INT16 or FLOAT");
  }
  SHRIKE_RETURN_IF_ERROR(expect_same_type(node, a, b));
  SHRIKE_RETURN_IF_ERROR(expect_same_type(node, a, output));
  SHRIKE_RETURN_IF_ERROR(expect_exponents(node, a, b));
  return expect_exponents(node, a, output);
}

}  // namespace shrike
