// Scales and offsets around activations that the chip evaluates by a table.
//
// Formats are powers of two without an offset, so a tensor's range fills its 256 codes only by luck. A table
// holds any function of a code, though, and a convolution's weights and bias take any factor and shift:
//
//   convolution       x' = t x + a                   its weights times t, its bias times t plus a
//   table             y' = s f((x' - a) / t) + b
//   its readers       weights of the channel divided by s, the bias takes up b
//
// The float network computes the same function, the chip executes the same nodes, and ranges end where t, a,
// s and b put them. Where a reader pads, b needs a Pad in front of it that writes the shifted zero, because a
// padded zero no longer stands for zero. Members of an Add share one s, and what it adds is shifted by the
// sum of their b. Convolutions without activation have s only; those whose outputs are the logits of a head's
// distributions have b only, which the softmax behind them does not see.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "toolchain/graph/graph.h"

namespace shrike::quantize {

struct Rescale {
  float input_scale = 1, input_offset = 0;    // t, a
  float output_scale = 1, output_offset = 0;  // s, b
  bool operator==(const Rescale&) const = default;
};
// By name of the activation node, or of the convolution that has none.
using Rescaling = std::map<std::string, Rescale>;

// Changes weights, biases and attributes as above and notes scale and offset of every channel in
// Tensor::scales and Tensor::offsets. Throws Error when a node is missing or a reader can't take them up.
void rescale(graph::Graph& graph, const Rescaling& rescaling);

// For the file's metadata: what `shrike analyze` needs to see the same float network.
inline constexpr const char* kRescalingKey = "shrike.rescaling";
std::string rescaling_text(const Rescaling& rescaling);  // JSON
Rescaling parse_rescaling(const std::string& text);      // throws Error; empty text: none

}  // namespace shrike::quantize
