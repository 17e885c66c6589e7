// What has to be computed to see one layer quantised and everything else in float.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "toolchain/integer/network.h"
#include "toolchain/measure/behind.h"

namespace shrike::analyze {

struct Layer {
  std::string name, op;
  std::vector<std::string> tensors;  // what it produces, in both networks
  // Integer side: float tensors rounded into the file's variables, then the file's nodes that run, in order.
  // None for a graph input: it is only rounded.
  std::vector<std::string> feeds;
  std::vector<int32_t> file_nodes;
  std::vector<std::string> reads;  // comparable variables that the layer's own node reads
  // It reads parameters, and the float network can compute it from what it reads: their noise can be told
  // from the input's.
  bool has_weights = false;
  // The activation that alone reads tensors[0], if any. Noise is judged behind it.
  std::optional<quantize::Behind> behind;
  // Float side: first node that sees a difference, what those nodes read that does not change, and the
  // indices of the graph outputs that change.
  int first = 0;
  std::vector<std::string> given;
  std::vector<size_t> reached;
};

// Conv, ConvTranspose, Gemm, MatMul.
bool is_computing(const std::string& op);

enum class Scope { kComputing, kEveryNode };

// The file's nodes in order whose results the float graph has too. kEveryNode: also the graph inputs,
// activation functions, joins, pooling and data movement. RequantizeLinear is no layer: it counts for the
// node that reads it.
std::vector<Layer> find_layers(const quantize::IntegerNetwork& file, const graph::Graph& graph, Scope scope);

}  // namespace shrike::analyze
