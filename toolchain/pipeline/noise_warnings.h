// A file whose outputs are mostly noise is written, because that was asked for, but not without a word.
#pragma once
#include <string>
#include <vector>

#include "toolchain/graph/graph.h"

namespace shrike::quantize {

// Noise to signal above which an output is of little use; the tutorial's rule of thumb for networks that keep
// their accuracy (spec/quantizer.md section 19).
inline constexpr double kUsefulNoise = 0.1;
// The same of class logits, where what rises above the background alone is signal.
inline constexpr double kUsefulLogitNoise = 0.3;

// One sentence when outputs (noise in the order of graph.outputs) have more noise than that: which, how
// much, and the tensors to cut the network at instead.
std::vector<std::string> noise_warnings(const graph::Graph& graph, const std::vector<double>& noise);

// Tensors before an output that can be quantised apart: the operands of the last Concat, sum or product of
// unlike tensors, seen through nodes that only move data or apply a function; empty when a layer makes the
// output.
std::vector<std::string> tensors_to_cut_at(const graph::Graph& graph, const std::string& output);

}  // namespace shrike::quantize
