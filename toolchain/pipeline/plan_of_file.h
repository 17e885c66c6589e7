// The way back from a file to the decisions that it holds, so that work can go on from them.
#pragma once
#include "toolchain/formats/plan.h"
#include "toolchain/graph/graph.h"
#include "toolchain/host/integer_model.h"

namespace shrike::quantize {

// The plan of a file that this program wrote for `graph` (pipeline/float_graph.h makes it of the model).
// Throws Error naming the file and the node or tensor where the graph with that plan would be written
// otherwise.
Plan plan_of_file(const host::IntegerModel& file, const graph::Graph& graph);

}  // namespace shrike::quantize
