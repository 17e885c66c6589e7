// Internal to the ONNX import: what older opsets and exporters write becomes the newest form (constant
// inputs, binary sums), so that nothing behind the import has to know about opsets.
#pragma once
#include <cstdint>
#include <string>

#include "toolchain/graph/graph.h"

namespace shrike::graph {

// Attributes to inputs: Split (split), Squeeze, Unsqueeze, Reduce* (axes), Slice (starts, ends, axes), Clip
// (min, max), Pad (pads, value), TopK (k), Upsample (scales, -> Resize), Resize of opset 10. Softmax before
// opset 13 (default axis, flattening). Sum, Mean, Max, Min of any number of inputs become chains of two.
// Inputs and outputs that only training uses go (Dropout, BatchNormalization, MaxPool, LayerNormalization).
// Throws Error, naming the node, where the file asks for something else: training mode, antialiasing, blocks
// of quantisation.
void normalize(Graph& graph, int64_t opset, const std::string& file);

}  // namespace shrike::graph
