// What the chip has: asked of a graph before the first picture is read, and printed for docs/operators.md.
#pragma once
#include <functional>
#include <string>

#include "toolchain/graph/graph.h"

namespace shrike::operators {

// Throws Error that names every node of a prepared graph that can't be computed on the chip, each with why
// and what to do instead. `bits` gives the width at which a node is wanted.
void check_supported(const graph::Graph& graph, const std::function<int(const graph::Node&)>& bits);

// Throws Error that names every node whose operator nobody knows.
void check_known(const graph::Graph& graph);

// docs/operators.md: all rows.
std::string support_document();

}  // namespace shrike::operators
