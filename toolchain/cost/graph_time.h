// What the chip will take for a network that is not yet lowered, roughly: for decisions that trade time.
#pragma once
#include <cstdint>
#include <vector>

#include "shrike/tensor.h"
#include "toolchain/graph/graph.h"

namespace shrike::quantize {

// Milliseconds at 8 bit, node by node as cost_model.h counts them; convolutions and what is moved. Only for
// chips with a cost model. Needs shapes.
double graph_time(const graph::Graph& graph, Target target);

// Of a Pad before the tensor's padded reader.
double pad_time(const graph::Tensor& tensor, const std::vector<int64_t>& pads, Target target);

// What it takes more when a convolution, and the function of its output (null: none), are divided into groups
// of `sizes` output channels that a Concat puts together; less than nothing where filters fit the cache then.
double division_time(const graph::Graph& graph, const graph::Node& convolution, const graph::Node* function,
                     const std::vector<int64_t>& sizes, Target target);

}  // namespace shrike::quantize
