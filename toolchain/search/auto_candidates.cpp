#include "toolchain/search/auto_candidates.h"

#include <algorithm>
#include <set>

#include "toolchain/formats/plan.h"
#include "toolchain/formats/widths.h"
#include "toolchain/measure/behind.h"
#include "toolchain/operators/operator.h"
#include "toolchain/pipeline/settings_file.h"

namespace shrike::quantize {
namespace {

// Moving anything else to 16 bit alone gains nothing: functions follow the node before them.
bool computes(const graph::Node& node) {
  using operators::Role;
  const operators::Operator* row = operators::find(node.op);
  return row != nullptr &&
         (row->role == Role::kWeighted || row->role == Role::kMatrix || row->role == Role::kSum ||
          row->role == Role::kProduct || row->role == Role::kConcat);
}

// Tensors whose whole copy group must stay at 8 bit.
std::set<int> narrow_groups(const graph::Graph& graph, const FormatGroups& groups) {
  std::set<int> narrow;
  for (const std::string& output : graph.outputs) narrow.insert(groups.group_of.at(output));
  for (const graph::Node& node : graph.nodes) {
    const operators::Operator* row = operators::find(node.op);
    if (row != nullptr && row->support.int8 && !row->support.int16)
      narrow.insert(groups.group_of.at(node.inputs[0]));
  }
  return narrow;
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
    if (!computes(node) || !may_widen(node)) continue;
    WideUnit unit{{node.name}};
    if (const graph::Node* activation = activation_behind(graph, links, node.outputs[0]);
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
