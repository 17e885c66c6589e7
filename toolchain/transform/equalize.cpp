#include "toolchain/transform/equalize.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "toolchain/operators/operator.h"
#include "toolchain/transform/channel_scales.h"

namespace shrike::quantize {
namespace {

// log2 of the largest factor of one iteration; ESP-PPQ's limit is 10.
constexpr int kLargestStep = 3;

// Calls visit(float&) for every weight of the layer that belongs to the channel on this side.
template <typename Visit>
void for_each_weight(graph::Graph& graph, const ScaledChannel& place, const Visit& visit) {
  const graph::Node& node = graph.nodes[static_cast<size_t>(place.node)];
  graph::Tensor& weight = graph.tensor(node.inputs[1]);
  const operators::FilterLayout layout = operators::filter_layout(node, weight.shape);
  const auto visit_taps = [&](int64_t output, int64_t first, int64_t end) {
    for (int64_t tap = first; tap < end; ++tap) visit(weight.values[layout.index(output, tap)]);
  };
  if (place.side == Side::kOutput) return visit_taps(place.channel, 0, layout.taps);
  // The taps of an output are those of its group's inputs, one input after the other.
  const int64_t kernel = layout.taps / layout.inputs,
                group_outputs = layout.outputs / node.integer("group", 1);
  const int64_t group = place.channel / layout.inputs, input = place.channel % layout.inputs;
  for (int64_t i = 0; i < group_outputs; ++i)
    visit_taps(group * group_outputs + i, input * kernel, (input + 1) * kernel);
}

// The power with which the set's factor enters the layer's weights.
int weight_power(const ScaledChannel& place) {
  return place.side == Side::kOutput ? place.power : -place.power;
}

// Places of depthwise layers whose factor comes in and goes out again: their weights don't change.
bool cancels(const ScaleSet& set, const graph::Graph& graph, const ScaledChannel& place) {
  const graph::Node& node = graph.nodes[static_cast<size_t>(place.node)];
  const operators::FilterLayout layout = operators::filter_layout(node, graph.tensor(node.inputs[1]).shape);
  if (layout.inputs != 1 || layout.outputs != node.integer("group", 1)) return false;
  return std::any_of(set.begin(), set.end(), [&](const ScaledChannel& other) {
    return other.node == place.node && other.side != place.side && other.channel == place.channel &&
           other.power == place.power;
  });
}

// log2 of the factor that brings the two sides of the set nearest to each other.
int wanted_step(graph::Graph& graph, const ScaleSet& set, double threshold) {
  float multiplied = 0, divided = 0;
  for (const ScaledChannel& place : set) {
    if (cancels(set, graph, place)) continue;
    float& largest = weight_power(place) > 0 ? multiplied : divided;
    for_each_weight(graph, place, [&](const float& w) { largest = std::max(largest, std::fabs(w)); });
  }
  if (multiplied == 0 || divided == 0 || multiplied + divided < threshold) return 0;
  const double step = std::nearbyint(0.5 * std::log2(static_cast<double>(divided) / multiplied));
  return static_cast<int>(std::clamp<double>(step, -kLargestStep, kLargestStep));
}

void apply(graph::Graph& graph, const ScaleSet& set, int step) {
  for (const ScaledChannel& place : set) {
    const float factor = std::ldexp(1.0f, step * weight_power(place));
    for_each_weight(graph, place, [&](float& w) { w *= factor; });
    const graph::Node& node = graph.nodes[static_cast<size_t>(place.node)];
    const bool has_bias = node.inputs.size() > 2 && !node.inputs[2].empty();
    if (place.side == Side::kOutput && has_bias)
      graph.tensor(node.inputs[2]).values[static_cast<size_t>(place.channel)] *= factor;
  }
}

}  // namespace

std::vector<EqualizedLayers> equalize(graph::Graph& graph, const EqualizeOptions& options) {
  const std::vector<ScaleSet> sets = find_scale_sets(graph);
  std::vector<int> exponent(sets.size(), 0);
  for (int iteration = 0; iteration < options.equalization_iterations; ++iteration) {
    bool changed = false;
    for (size_t i = 0; i < sets.size(); ++i) {
      const int step = wanted_step(graph, sets[i], options.equalization_threshold);
      if (step == 0) continue;
      apply(graph, sets[i], step);
      exponent[i] += step;
      changed = true;
    }
    if (!changed) break;
  }

  std::map<std::set<int>, EqualizedLayers> by_layers;
  for (size_t i = 0; i < sets.size(); ++i) {
    std::set<int> nodes;
    for (const ScaledChannel& place : sets[i]) nodes.insert(place.node);
    EqualizedLayers& entry = by_layers[nodes];
    ++entry.channels;
    entry.scaled += exponent[i] != 0;
  }
  std::vector<EqualizedLayers> report;
  for (auto& [nodes, entry] : by_layers) {
    for (const int node : nodes) entry.layers.push_back(graph.nodes[static_cast<size_t>(node)].name);
    report.push_back(std::move(entry));
  }
  return report;
}

}  // namespace shrike::quantize
