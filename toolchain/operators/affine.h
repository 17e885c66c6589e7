// Nodes that are an affine map of every channel: BatchNormalization, arithmetic with constants.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "toolchain/graph/graph.h"
#include "toolchain/operators/operator.h"

namespace shrike::operators {

// y = scale[c] * x + shift[c] for every channel c.
struct Affine {
  std::vector<double> scale, shift;
};

bool is_batch_normalization(const graph::Node& node);
// Throws Error for training mode and for statistics that are not constant.
Affine batch_normalization(const graph::Graph& graph, const graph::Node& node);

// What the node does to its input `x` (known shape) where that is an affine map of every channel of axis 1
// and leaves the shape; nothing for others, and where a scale isn't finite.
std::optional<Affine> affine_of(const graph::Graph& graph, const graph::Node& node, const std::string& x);
// The same for one constant number, which stands in either slot; the other slot is `slot`.
std::optional<Line> line_of(const graph::Graph& graph, const graph::Node& node, size_t slot);

}  // namespace shrike::operators
