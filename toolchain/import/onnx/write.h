// The IR into ONNX files.
#pragma once
#include <string>

#include "toolchain/graph/graph.h"

namespace shrike::graph {

// A float graph as an ONNX file of opset 13 (higher where an operator needs it); shapes and metadata are
// written, formats are not. Swish becomes Sigmoid and Mul. Throws Error naming the node that ONNX has no
// operator for. Deterministic.
std::string onnx_bytes(const Graph& graph);

}  // namespace shrike::graph
