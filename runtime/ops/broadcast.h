// Broadcasting of two operands in stored order (spec/numerics.md 5). Axes along which both operands behave
// alike are merged, so that most tensors become one long row.
#pragma once
#include "ops/op.h"

namespace shrike {

struct Broadcast {
  int32_t rank = 0;  // outer axes; the innermost one is `inner`
  int32_t dims[kMaxRank];
  int64_t a_step[kMaxRank], b_step[kMaxRank];  // elements
  int32_t inner = 1;
  int32_t a_inner = 1, b_inner = 1;  // 1: contiguous, 0: one value for the whole row
  int64_t rows = 1;                  // product of dims
};

// Gives `output` the common shape. Either operand may have the higher rank.
Status plan_broadcast(const Prepare& node, const Tensor& a, const Tensor& b, Tensor* output, Broadcast* plan);

// Calls row(a offset, b offset, output offset), in elements, for every row of `inner` elements.
template <typename Row>
inline void for_each_row(const Broadcast& plan, const Row& row) {
  int32_t index[kMaxRank] = {};
  int64_t a = 0, b = 0;
  for (int64_t i = 0; i < plan.rows; ++i) {
    row(a, b, i * plan.inner);
    for (int32_t axis = plan.rank - 1; axis >= 0; --axis) {
      a += plan.a_step[axis];
      b += plan.b_step[axis];
      if (++index[axis] < plan.dims[axis]) break;
      a -= plan.a_step[axis] * plan.dims[axis];
      b -= plan.b_step[axis] * plan.dims[axis];
      index[axis] = 0;
    }
  }
}

// output[i] = function(a, b) over the whole broadcast.
template <typename In, typename Out, typename Function>
inline void broadcast_apply(const Broadcast& plan, const Run& node, const Function& function) {
  const In* a = static_cast<const In*>(node.inputs[0]->data);
  const In* b = static_cast<const In*>(node.inputs[1]->data);
  Out* output = static_cast<Out*>(node.outputs[0]->data);
  for_each_row(plan, [&](int64_t a_offset, int64_t b_offset, int64_t offset) {
    const In* x = a + a_offset;
    const In* y = b + b_offset;
    for (int32_t i = 0; i < plan.inner; ++i) {
      output[offset + i] = function(x[i * plan.a_inner], y[i * plan.b_inner]);
    }
  });
}

// Operand types an arithmetic operator may have: INT8, INT16 or FLOAT, the same on both sides and in the
// output.
Status expect_arithmetic(const Prepare& node);

}  // namespace shrike
