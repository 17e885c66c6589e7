// Horizontal layer split: large weights are shared out between a layer and a clone of it, so that both halves
// get finer weight steps (spec/quantizer.md section 11). A pass over the float graph, before calibration.
#pragma once
#include <string>
#include <vector>

#include "toolchain/graph/graph.h"

namespace shrike::quantize {

// Which part of a weight above the threshold the clone of a split layer gets: half, or a share drawn from
// 0..1.
enum class SplitMethod { kBalance, kRandom };

struct SplitOptions {
  std::vector<std::string> split_layers;  // names of layers to divide
  SplitMethod split_method = SplitMethod::kBalance;
  double split_threshold = 2.0;
};

struct SplitReport {
  std::vector<std::string> split;      // layers that were divided, in the graph's order
  std::vector<std::string> unchanged;  // layers without a weight above the threshold
};

// Divides the layers of SplitOptions::split_layers (Conv, ConvTranspose, Gemm, MatMul with constant weights).
// Layer NAME keeps its bias and the rest of every weight above the threshold; NAME/split, without a bias,
// takes the other part; the Add NAME/join sums both into the tensor that the layer wrote before, so that
// everything behind the layer keeps its names. Throws Error for a name that no such layer has, with the
// nearest.
SplitReport split_layers(graph::Graph& graph, const SplitOptions& options);

}  // namespace shrike::quantize
