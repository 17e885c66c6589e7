// Internal: brings nodes into an order in which every tensor is made before it is read.
#pragma once
#include <string>

#include "toolchain/graph/graph.h"

namespace shrike::graph {

// Stable: nodes that are in order already keep their place. Throws Error that begins with `where` when nodes
// form a cycle.
void sort_topologically(Graph& graph, const std::string& where);

}  // namespace shrike::graph
