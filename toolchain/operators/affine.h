// BatchNormalization for inference: an affine map of every channel.
#pragma once
#include <vector>

#include "toolchain/graph/graph.h"

namespace shrike::operators {

// y = scale[c] * x + shift[c] for every channel c.
struct Affine {
  std::vector<double> scale, shift;
};

bool is_batch_normalization(const graph::Node& node);
// Throws Error for training mode and for statistics that are not constant.
Affine batch_normalization(const graph::Graph& graph, const graph::Node& node);

}  // namespace shrike::operators
