// Shape rules that several families share.
#pragma once
#include "toolchain/graph/inference.h"

namespace shrike::operators {

void same_shape(const graph::RuleContext& context);
// The shapes of all inputs broadcast together; throws Error when they don't fit.
graph::Shape broadcast_inputs(const graph::RuleContext& context);

}  // namespace shrike::operators
