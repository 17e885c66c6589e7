// What model.cpp and inspect.cpp share.
#pragma once
#include "model/state.h"

namespace shrike {

inline bool within(int32_t index, int32_t count) {
  return index >= 0 && index < count;
}

TensorView view(const Tensor& tensor);
// `table`: as in Run.
void run_node(ModelState& state, const NodeState& node, const int8_t* table);

}  // namespace shrike
