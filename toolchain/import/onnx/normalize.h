// Internal to the ONNX import: attribute forms of older opsets become the newest form (constant inputs), so
// that nothing behind the import has to know about opsets.
#pragma once
#include <cstdint>

#include "toolchain/graph/graph.h"

namespace shrike::graph {

// Split (split), Squeeze, Unsqueeze, Reduce* (axes), Slice (starts, ends, axes), Clip (min, max), Pad (pads,
// value), Upsample (scales, -> Resize), Resize of opset 10, Softmax (default axis), Dropout (ratio).
void normalize_node(Graph& graph, Node& node, int64_t opset);

}  // namespace shrike::graph
