// Internal to the ONNX import: models that were quantised already, in the QDQ format.
#pragma once
#include <map>
#include <string>

#include "toolchain/graph/graph.h"

namespace shrike::graph {

// Integers that a QuantizeLinear can make, by the ONNX type of its zero point.
struct IntegerRange {
  int64_t lowest = 0;
  int64_t highest = 255;
};

// Weights behind DequantizeLinear become their float values, weights behind both become what they are rounded
// to; both operators on activations become Identity and leave their range as a hint (graph/range_hints.h).
// `ranges`: the constants of 8- and 16-bit types. Nodes are in topological order. Throws Error for operators
// that compute on integers themselves.
void dequantize(Graph& graph, const std::map<std::string, IntegerRange>& ranges, const std::string& file);

}  // namespace shrike::graph
