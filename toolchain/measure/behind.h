// Noise behind an activation: what the function flattens anyway costs nothing, so a tensor that an activation
// alone reads is judged by what comes out of it.
#pragma once
#include <array>
#include <functional>
#include <optional>
#include <string>

#include "toolchain/graph/graph.h"

namespace shrike::quantize {

// The function of one variable that alone reads `tensor`, or null: another reader, or the outside, sees the
// tensor itself.
const graph::Node* activation_behind(const graph::Graph& graph, const graph::Links& links,
                                     const std::string& tensor);

struct Behind {
  const graph::Node* node = nullptr;  // null: a decoder outside the graph
  std::function<float(float)> function;
  float offset = 0;  // that transform/rescale.h makes the function add: no part of the signal
};
std::optional<Behind> behind(const graph::Graph& graph, const graph::Links& links, const std::string& tensor);
// The same, and of class logits at an output the floor below which all is background to their decoder.
std::optional<Behind> behind_or_decoded(const graph::Graph& graph, const graph::Links& links,
                                        const std::string& tensor);

// One entry for each 8-bit code, counted from the lowest: what comes out of the function for it.
using CodeTable = std::array<float, 256>;

}  // namespace shrike::quantize
