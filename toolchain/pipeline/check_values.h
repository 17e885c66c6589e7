// What no quantisation can make sense of is refused before the work.
#pragma once
#include "toolchain/graph/graph.h"

namespace shrike::quantize {

// Throws Error naming node and constant for one that is not finite or larger than any format reaches (2^31),
// and naming the tensor for one without elements. Bounds of Clip and the fill value of Pad may be infinite:
// they saturate. Needs shapes.
void check_values(const graph::Graph& graph);

}  // namespace shrike::quantize
