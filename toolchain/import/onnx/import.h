// ONNX files into the IR.
#pragma once
#include <string>

#include "toolchain/graph/graph.h"

namespace shrike::graph {

// Reads an ONNX file (opset 7 to 24) into the IR. Constant nodes become constants, constants with several
// readers are duplicated, older forms become the newest (normalize.h), quantised models float ones
// (dequantize.h); nothing else is changed. float16 and double become float,
// integers and booleans int64. Weights may lie in files beside the model (external_data.h). Throws Error
// naming the file and, where there is one, the node.
Graph import_onnx(const std::string& path);
// `folder`: where files of weights may lie; "": nowhere.
Graph import_onnx_bytes(const std::string& bytes, const std::string& name_for_messages,
                        const std::string& folder = "");
// The folder that holds the file `path`; "." when it names none.
std::string folder_of(const std::string& path);

}  // namespace shrike::graph
