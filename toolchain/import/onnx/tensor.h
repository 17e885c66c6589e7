// Internal to the ONNX import: TensorProto -> Tensor.
#pragma once

#include <string>

#include "toolchain/graph/graph.h"
#include "toolchain/import/onnx/external_data.h"
#include "toolchain/import/onnx/proto.h"

namespace shrike::graph {

// float16, bfloat16, double become float; bool and all integer types become int64. `where` is the beginning
// of an error sentence ("m.onnx: initializer 'w'"). External data are read through `files`.
Tensor read_tensor(const onnx::TensorProto& proto, const std::string& where, ExternalData& files);

// "FLOAT", "INT64", ... or the number when it is unknown.
std::string element_type_name(int type);

}  // namespace shrike::graph
