// Which formats a node's data may have, beyond its role.
#pragma once
#include "toolchain/graph/graph.h"

namespace shrike::operators {

// The node wants its data inputs in the format of its output: joins, and PRelu at 16 bit, which keeps
// positive numbers as they are (spec/numerics.md 13.1).
bool wants_output_format(const graph::Node& node, int bits);

}  // namespace shrike::operators
