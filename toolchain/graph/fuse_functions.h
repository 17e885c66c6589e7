// What exporters write in several nodes, as the one operator that it is.
#pragma once
#include "toolchain/graph/graph.h"

namespace shrike::graph {

// Element-wise nodes that together compute y = f(x) of one tensor, with constant numbers: a table on the
// chip, rounded once. x * Clip(x + 3, 0, 6) / 6 becomes HardSwish, 0.5 x (1 + Erf(x / sqrt 2)) Gelu, x *
// Tanh(Softplus(x)) Mish; the rows say which function it is by its values. What none of them is becomes
// operator Function.
void fuse_functions(Graph& graph);

// (x - mean) / sqrt(variance + epsilon), scaled and shifted: LayerNormalization over the last axes,
// InstanceNormalization over a picture's.
void fuse_normalizations(Graph& graph);

}  // namespace shrike::graph
