// ONNX files into the IR.
#pragma once
#include <string>

#include "toolchain/graph/graph.h"

namespace shrike::graph {

// Reads an ONNX file (opset 11 to 20) into the IR. Constant nodes become constants, constants with several
// readers are duplicated, attributes of older opsets become the constant inputs of newer ones (Split,
// Squeeze, Unsqueeze, Slice, Clip, Pad, Reduce*, Resize); nothing else is changed. float16 and double become
// float, integers and booleans int64. Throws Error naming the file and, where there is one, the node.
Graph import_onnx(const std::string& path);
Graph import_onnx_bytes(const std::string& bytes, const std::string& name_for_messages);

}  // namespace shrike::graph
