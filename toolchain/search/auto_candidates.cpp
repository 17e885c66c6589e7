#include "toolchain/search/auto_candidates.h"

#include <algorithm>
#include <set>

#include "toolchain/formats/formats.h"
#include "toolchain/operators/operator.h"
#include "toolchain/pipeline/settings_file.h"
#include "toolchain/rounding/weights.h"

namespace shrike::quantize {
namespace {

bool computes(const graph::Graph& graph, const graph::Node& node) {
  static const std::set<std::string> kOps = {"MatMul", "Add", "Sub", "Mul", "Concat"};
  return has_weights(graph, node) || kOps.contains(node.op);
}

// Tensors whose whole copy group must stay at 8 bit.
std::set<int> narrow_groups(const graph::Graph& graph, const FormatGroups& groups) {
  std::set<int> narrow;
  for (const std::string& output : graph.outputs) narrow.insert(groups.group_of.at(output));
  for (const graph::Node& node : graph.nodes) {
    if (node.op == "Resize") narrow.insert(groups.group_of.at(node.inputs[0]));
  }
  return narrow;
}

const graph::Node* activation_behind(const graph::Graph& graph, const graph::Links& links,
                                     const graph::Node& node) {
  const auto consumers = links.consumers.find(node.outputs[0]);
  if (consumers == links.consumers.end() || consumers->second.size() != 1) return nullptr;
  const graph::Node& next = graph.nodes[static_cast<size_t>(consumers->second[0])];
  return operators::is_function(graph, next) ? &next : nullptr;
}

}  // namespace

std::vector<WideUnit> wide_units(const graph::Graph& graph, const Settings& settings) {
  const std::map<std::string, int> bits = choose_bits(graph, settings);
  const FormatGroups groups = find_groups(graph);
  const std::set<int> narrow = narrow_groups(graph, groups);
  const graph::Links links(graph);
  const auto may_widen = [&](const graph::Node& node) {
    return bits.at(node.outputs[0]) == 8 && !narrow.contains(groups.group_of.at(node.outputs[0]));
  };
  std::vector<WideUnit> units;
  for (const graph::Node& node : graph.nodes) {
    if (!computes(graph, node) || !may_widen(node)) continue;
    WideUnit unit{{node.name}};
    if (const graph::Node* activation = activation_behind(graph, links, node);
        activation != nullptr && may_widen(*activation)) {
      unit.nodes.push_back(activation->name);
    }
    units.push_back(std::move(unit));
  }
  return units;
}

std::vector<std::vector<Option>> option_alternatives(const Settings& settings) {
  const std::vector<std::pair<std::string, std::vector<std::string>>> tried = {
      {"calibration", {"direct", "mse", "percentile", "kl", "minmax"}},
      {"add-alignment", {"joint", "output", "input", "large"}},
      {"concat-alignment", {"joint", "output", "input", "large"}},
      {"exponent-search", {"off", "on"}}};
  std::vector<std::vector<Option>> alternatives;
  for (const auto& [name, values] : tried) {
    const auto field = std::find_if(setting_fields().begin(), setting_fields().end(),
                                    [&](const SettingField& candidate) { return candidate.name == name; });
    std::vector<Option> others;
    for (const std::string& value : values) {
      if (value != field->get(settings)) others.emplace_back(name, value);
    }
    alternatives.push_back(std::move(others));
  }
  return alternatives;
}

}  // namespace shrike::quantize
