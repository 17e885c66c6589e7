// One convolution that makes what a head wants apart becomes several; exact.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "toolchain/graph/graph.h"

namespace shrike::heads {

// Replaces the convolution that makes `tensor` by one for each list of its output channels and returns the
// names of their results, in the order of the lists. Everything that read `tensor` must be dead afterwards.
// Only for convolutions of one group with constant weights: else empty, and the graph is as before.
std::vector<std::string> split_conv(graph::Graph& graph, const std::string& tensor,
                                    const std::vector<std::vector<int64_t>>& channels);

}  // namespace shrike::heads
