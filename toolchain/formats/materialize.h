// From the plan to the graph that is written.
#pragma once
#include "shrike/tensor.h"
#include "toolchain/formats/plan.h"
#include "toolchain/graph/graph.h"

namespace shrike::quantize {

// Softmax yields floats on the chip; inserts the QuantizeLinear that brings its result back (before
// calibration, so that the quantised tensor has statistics).
void insert_quantize_nodes(graph::Graph& graph);

// The graph with formats set, constants quantised and RequantizeLinear nodes where formats meet; one node per
// (tensor, format) however many consumers want it.
graph::Graph materialize(const graph::Graph& graph, const Plan& plan, Target target);

}  // namespace shrike::quantize
