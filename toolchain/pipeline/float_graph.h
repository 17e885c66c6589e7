// The float network that a file is compared with.
#pragma once
#include <string>

#include "toolchain/graph/graph.h"
#include "toolchain/host/integer_model.h"
#include "toolchain/pipeline/settings.h"

namespace shrike::quantize {

// The float graph that the file was made from: `settings` says which function-preserving transformations were
// applied; target, size and outputs are the file's. A file that still multiplies the attention's product by
// 1/sqrt(d), as ESP-PPQ's do, is compared with a graph that does too.
graph::Graph float_graph_of(const std::string& model_path, const host::IntegerModel& file, Settings settings);

}  // namespace shrike::quantize
