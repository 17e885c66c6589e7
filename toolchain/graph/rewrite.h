// What the chip lacks, in terms of what it has.
#pragma once
#include "toolchain/graph/graph.h"

namespace shrike::graph {

// Replaces nodes by others that do the same, as the rows of their operators say (operators/rewrites.h). Needs
// shapes and explicit attributes, and leaves both.
void rewrite_for_chip(Graph& graph);

}  // namespace shrike::graph
