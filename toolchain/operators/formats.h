// Which formats a node's data may have, beyond its role.
#pragma once
#include "toolchain/graph/graph.h"

namespace shrike::operators {

// The node wants its data inputs in the format of its output: joins, and PRelu at 16 bit, which keeps
// positive numbers as they are (spec/numerics.md 13.1).
bool wants_output_format(const graph::Node& node, int bits);
// How many bits RequantizeLinear can shift to the left: it multiplies by 2^k in the width of the wider side
// (spec/numerics.md section 6.2).
constexpr int most_left_shift(int from_bits, int to_bits) {
  return from_bits == 8 && to_bits == 8 ? 6 : 14;
}

}  // namespace shrike::operators
