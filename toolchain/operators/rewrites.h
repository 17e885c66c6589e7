// Operators, and forms of operators, that the chip lacks, written in those that it has: the same function, up
// to rounding. Their rows name these (Operator::rewrite).
#pragma once
#include <string>
#include <vector>

#include "toolchain/graph/graph.h"

namespace shrike::operators {

using Nodes = std::vector<graph::Node>;

// Max and Min of several tensors: Clip for a constant number, else a + Relu(b - a) and a - Relu(a - b).
Nodes rewrite_maximum(graph::Graph& graph, const graph::Node& node);
Nodes rewrite_minimum(graph::Graph& graph, const graph::Node& node);
// Two at a time; Mean multiplies by one over their number.
Nodes rewrite_sum(graph::Graph& graph, const graph::Node& node);
Nodes rewrite_mean(graph::Graph& graph, const graph::Node& node);

// ReduceMax over the picture.
Nodes rewrite_global_max_pool(graph::Graph& graph, const graph::Node& node);
// The chip divides by the kernel's area at the borders, too: there the average is multiplied by what was
// added.
Nodes rewrite_average_pool(graph::Graph& graph, const graph::Node& node);

// InsertZeros, then a convolution with the filters turned round (spec/espdl-format.md section 9).
Nodes rewrite_transposed_convolution(graph::Graph& graph, const graph::Node& node);
// Groups other than 1 and channels: one filter with zeros between the groups, or a convolution for each group
// where that is cheaper.
Nodes rewrite_grouped_convolution(graph::Graph& graph, const graph::Node& node);
// alpha and beta go into filter and bias.
Nodes rewrite_gemm(graph::Graph& graph, const graph::Node& node);

// Step by step, as long as the sequence is.
Nodes rewrite_recurrent(graph::Graph& graph, const graph::Node& node);
// Why a GRU, LSTM or RNN can't be written out, with what to do instead; else empty.
std::string recurrent_obstacle(const graph::Graph& graph, const graph::Node& node);

// Nearest of any kind: Gather along each axis, unless the chip reads the same pixels. Linear with asymmetric
// coordinates: with align_corners and one row and column more, which are cut off. Linear along axes that are
// no picture's: turned to where the chip has them.
Nodes rewrite_resize(graph::Graph& graph, const graph::Node& node);
// Why the chip doesn't compute a Resize as it is written; else empty.
std::string resize_obstacle(const graph::Graph& graph, const graph::Node& node);
// Negative pads cut, mode wrap puts copies side by side.
Nodes rewrite_pad(graph::Graph& graph, const graph::Node& node);
// Until opset 12 the axes from `axis` on were normalised together: as one.
Nodes rewrite_softmax(graph::Graph& graph, const graph::Node& node);

// Copies side by side.
Nodes rewrite_tile(graph::Graph& graph, const graph::Node& node);
Nodes rewrite_expand(graph::Graph& graph, const graph::Node& node);

// What no convolution could take: a depthwise convolution; Mul and Add without a picture.
Nodes rewrite_batch_normalization(graph::Graph& graph, const graph::Node& node);
// LayerNormalization over each channel (group of channels), then a depthwise convolution with scale and bias.
Nodes rewrite_instance_normalization(graph::Graph& graph, const graph::Node& node);
Nodes rewrite_group_normalization(graph::Graph& graph, const graph::Node& node);

}  // namespace shrike::operators
