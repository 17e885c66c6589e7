// Which channels (axis 1) of what a node reads and writes are one and the same channel of the network.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>

#include "toolchain/graph/graph.h"

namespace shrike::quantize {

// Of a tensor; 0: it has no axis 1.
int64_t channel_count(const graph::Graph& graph, const std::string& tensor);

struct ChannelTie {
  size_t input = 0;  // index into Node::inputs
  int64_t input_channel = 0;
  size_t output = 0;  // index into Node::outputs
  int64_t output_channel = 0;
};

// Calls visit for every channel that the node hands on from a variable: functions, pooling, element-wise
// arithmetic of two variables, depthwise convolutions, Split and Concat of channels. False, without a call,
// where channels are mixed, or where it matters which one is which. Needs shapes.
bool for_each_tie(const graph::Graph& graph, const graph::Node& node,
                  const std::function<void(const ChannelTie&)>& visit);

// The same of Split and Concat along the channels alone, a Concat's constants included.
bool for_each_part_tie(const graph::Graph& graph, const graph::Node& node,
                       const std::function<void(const ChannelTie&)>& visit);

// Every output channel is a sum over all input channels with constant filters [O, I, k...].
bool is_dense_convolution(const graph::Graph& graph, const graph::Node& node);
// Every output channel is made of the input channel of the same number, with constant filters.
bool is_depthwise_convolution(const graph::Graph& graph, const graph::Node& node);

}  // namespace shrike::quantize
