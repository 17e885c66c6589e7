// TensorFlow Lite files (.tflite) into the IR.
#pragma once
#include <string>
#include <vector>

#include "toolchain/graph/graph.h"

namespace shrike::graph {

// Float, float16, dynamic-range and fully quantised files: weights become the floats they mean, ranges of
// quantised activations hints (graph/range_hints.h). Images [N,H,W,C] become [N,C,H,W]; Transposes stay only
// where the network itself moves axes. Names are made here ("images", "Conv_12"), outputs are output0,
// output1, ... Metadata of Ultralytics' exporter are kept. `file` begins the sentences of errors. Throws
// Error.
Graph import_tflite(const std::string& bytes, const std::string& file);
// The operators that it knows, sorted.
std::vector<std::string> tflite_operators();

}  // namespace shrike::graph
