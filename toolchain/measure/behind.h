// Noise behind an activation: what the function flattens anyway costs nothing, so a tensor that an activation
// alone reads is judged by what comes out of it.
#pragma once
#include <array>
#include <functional>
#include <optional>
#include <string>
#include <vector>

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

// Sum of the squared differences between `wanted` and what the table has for the samples' codes.
// code_of(float) is an index into the table.
template <typename CodeOf>
double squared_error(const std::vector<float>& samples, const std::vector<float>& wanted,
                     const CodeTable& table, const CodeOf& code_of) {
  constexpr size_t kLanes = 4;  // sums that don't wait for each other
  double totals[kLanes] = {};
  const auto squared = [&](size_t i) {
    const float difference = table[code_of(samples[i])] - wanted[i];
    return static_cast<double>(difference * difference);
  };
  size_t i = 0;
  for (; i + kLanes <= samples.size(); i += kLanes) {
    for (size_t lane = 0; lane < kLanes; ++lane) totals[lane] += squared(i + lane);
  }
  for (; i < samples.size(); ++i) totals[0] += squared(i);
  return (totals[0] + totals[1]) + (totals[2] + totals[3]);
}

}  // namespace shrike::quantize
