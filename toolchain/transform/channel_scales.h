// Which channels of a float network may be scaled without changing its function: a factor that one layer's
// weights put in and other layers' weights take out again, with nothing but scale-equivariant nodes between.
#pragma once
#include <cstdint>
#include <vector>

#include "toolchain/graph/graph.h"

namespace shrike::quantize {

enum class Side { kInput, kOutput };

// One channel that a layer (Conv or Gemm with constant weights) reads or writes. Scaling the set by s > 0
// multiplies this channel by s^power (power 1 or -1).
struct ScaledChannel {
  int node = 0;  // index into graph.nodes
  Side side = Side::kOutput;
  int64_t channel = 0;
  int power = 1;
};
// Two or more channels that can only be scaled together. At least one of them is written.
using ScaleSet = std::vector<ScaledChannel>;

// All sets that are free, in the order of the nodes. Followed through Relu, LeakyRelu, PRelu, pooling,
// Resize, Add, Sub, Concat, nodes that only move elements, and MatMul: in q.k the factor of q's column is the
// inverse of that of k's row; through v.p the factor of v's row passes. Everything else, and what the graph
// shows outside, fixes its channels. Needs shapes.
std::vector<ScaleSet> find_scale_sets(graph::Graph& graph);

}  // namespace shrike::quantize
