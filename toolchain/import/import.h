// The one door through which float networks come in.
#pragma once
#include <string>

#include "toolchain/graph/graph.h"

namespace shrike::graph {

// Reads the model file at `path` into the IR: float tensors in ONNX order, shapes not yet inferred, nothing
// folded (graph/passes.h goes on from there). The format is told by the file's content, never by its name.
// Throws Error naming the file and what can be done about it.
Graph import_model(const std::string& path);

}  // namespace shrike::graph
