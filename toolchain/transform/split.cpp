#include "toolchain/transform/split.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <set>
#include <string_view>
#include <utility>

#include "toolchain/graph/edit.h"
#include "toolchain/graph/nearest.h"
#include "toolchain/operators/operator.h"
#include "toolchain/rounding/weights.h"
#include "toolchain/support/error.h"

namespace shrike::quantize {
namespace {

bool can_split(const graph::Graph& graph, const graph::Node& node) {
  return operators::is_weighted(graph, node) && graph.tensor(node.inputs[1]).constant;
}

void check_names(const graph::Graph& graph, const std::set<std::string>& wanted) {
  std::vector<std::string> layers;
  for (const graph::Node& node : graph.nodes) {
    if (can_split(graph, node)) layers.push_back(node.name);
  }
  for (const std::string& name : wanted) {
    if (std::find(layers.begin(), layers.end(), name) == layers.end()) {
      fail("split-layers: a layer with constant weights was expected, found '{}'; did you mean '{}'?", name,
           nearest_name(name, layers));
    }
  }
}

// Numbers in [0, 1), the same on every machine (the standard's distributions are not). The sequence depends
// on the layer's name alone: other layers in the list change nothing. FNV-1a starts it, splitmix64 continues.
class Shares {
 public:
  explicit Shares(std::string_view name) {
    for (const char c : name) state_ = (state_ ^ static_cast<uint8_t>(c)) * 0x100000001b3u;
  }

  float next() {
    state_ += 0x9e3779b97f4a7c15u;
    uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    return std::ldexp(static_cast<float>(z >> 40), -24);
  }

 private:
  uint64_t state_ = 0xcbf29ce484222325u;
};

// Takes the clone's part out of `weights` and returns it; empty when no weight is above the threshold.
std::vector<float> take_part(const std::string& layer, const SplitOptions& options,
                             std::vector<float>& weights) {
  Shares shares(layer);
  std::vector<float> taken(weights.size(), 0.0f);
  bool any = false;
  for (size_t i = 0; i < weights.size(); ++i) {
    if (!(std::fabs(weights[i]) > options.split_threshold)) continue;
    any = true;
    taken[i] = weights[i] * (options.split_method == SplitMethod::kBalance ? 0.5f : shares.next());
    weights[i] -= taken[i];
  }
  return any ? taken : std::vector<float>();
}

// The clone and the Add that go behind `layer`, whose output is renamed.
std::pair<graph::Node, graph::Node> divide(graph::Graph& graph, graph::Node& layer,
                                           std::vector<float> taken) {
  const std::string sum = layer.outputs[0];
  graph::Node clone = layer;
  clone.name = graph.fresh_name(layer.name + "/split");
  clone.inputs.resize(2);
  clone.inputs[1] = graph::add_constant(graph, layer.inputs[1] + "/split",
                                        graph.tensor(layer.inputs[1]).shape, std::move(taken));
  clone.outputs[0] = graph::add_variable(graph, sum, sum + "/split");
  layer.outputs[0] = graph::add_variable(graph, sum, sum + "/rest");
  graph::Node join;
  join.name = graph.fresh_name(layer.name + "/join");
  join.op = "Add";
  join.inputs = {layer.outputs[0], clone.outputs[0]};
  join.outputs = {sum};
  return {std::move(clone), std::move(join)};
}

}  // namespace

SplitReport split_layers(graph::Graph& graph, const SplitOptions& options) {
  const std::set<std::string> wanted(options.split_layers.begin(), options.split_layers.end());
  check_names(graph, wanted);
  SplitReport report;
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    const std::string name = graph.nodes[i].name;
    if (!wanted.contains(name)) continue;
    std::vector<float> taken = take_part(name, options, graph.tensor(graph.nodes[i].inputs[1]).values);
    if (taken.empty()) {
      report.unchanged.push_back(name);
      continue;
    }
    auto [clone, join] = divide(graph, graph.nodes[i], std::move(taken));
    const auto behind = graph.nodes.begin() + static_cast<std::ptrdiff_t>(i) + 1;
    graph.nodes.insert(graph.nodes.insert(behind, std::move(join)), std::move(clone));
    report.split.push_back(name);
    i += 2;
  }
  return report;
}

}  // namespace shrike::quantize
