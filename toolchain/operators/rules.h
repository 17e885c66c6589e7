// Shape rules that several families share.
#pragma once
#include "toolchain/graph/inference.h"

namespace shrike::operators {

void same_shape(const graph::RuleContext& context);
// The shapes of all inputs broadcast together; throws Error when they don't fit.
graph::Shape broadcast_inputs(const graph::RuleContext& context);

// True for a reduction that names no axes and says that this means none (instead of all).
bool reduces_no_axes(const graph::Graph& graph, const graph::Node& node);

}  // namespace shrike::operators
