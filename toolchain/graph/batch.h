// One image at a time.
#pragma once
#include "toolchain/graph/graph.h"

namespace shrike::graph {

// The devices and their files know one image at a time. Inputs [N,C,H,W] with the same fixed N > 1 get N = 1,
// and so do the constants of Reshape, Expand and Resize that carry it as their first size.
void set_batch_to_one(Graph& graph);

}  // namespace shrike::graph
