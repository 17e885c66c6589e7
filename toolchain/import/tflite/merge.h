// Internal to the .tflite import.
#pragma once
#include "toolchain/graph/graph.h"

namespace shrike::graph::tflite {

// Older converters write a grouped convolution as a Split into single channels, a convolution for each, and a
// Concat (spec/importers.md section B8). It becomes one depthwise convolution again.
void merge_split_convolutions(Graph& graph);

}  // namespace shrike::graph::tflite
