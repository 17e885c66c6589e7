// Layerwise equalisation: moves magnitude between layers that are connected by scale-equivariant nodes, so
// that the weights of a layer with one exponent become alike (spec/quantizer.md section 11). A pass over the
// float graph, before calibration.
#pragma once
#include <string>
#include <vector>

#include "toolchain/graph/graph.h"

namespace shrike::quantize {

struct EqualizeOptions {
  int equalization_iterations = 10;
  double equalization_threshold = 0.5;
};

// Layers whose channels are scaled together, e.g. a Conv and the Conv that reads it behind a Relu.
struct EqualizedLayers {
  std::vector<std::string> layers;  // in the graph's order
  int channels = 0;                 // that may be scaled without changing the network's function
  int scaled = 0;                   // that were
};

// With u the largest weight that a factor multiplies and d the largest that it divides, every free channel is
// scaled by the power of two nearest to sqrt(d / u), at most 8 times or an eighth; channels with
// u + d < EqualizeOptions::equalization_threshold stay. Repeated EqualizeOptions::equalization_iterations
// times or until nothing changes. Powers of two keep every bit of the float network's results.
std::vector<EqualizedLayers> equalize(graph::Graph& graph, const EqualizeOptions& options);

}  // namespace shrike::quantize
