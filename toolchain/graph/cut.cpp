#include <algorithm>
#include <set>

#include "toolchain/graph/edit.h"
#include "toolchain/graph/nearest.h"
#include "toolchain/graph/passes.h"
#include "toolchain/operators/operator.h"
#include "toolchain/support/error.h"

namespace shrike::graph {
namespace {

bool is_made(const Graph& graph, const std::string& name) {
  return std::any_of(graph.nodes.begin(), graph.nodes.end(), [&](const Node& node) {
    return node.name == name ||
           std::find(node.outputs.begin(), node.outputs.end(), name) != node.outputs.end();
  });
}

std::string output_for(const Graph& graph, const std::string& name) {
  for (const Node& node : graph.nodes) {
    if (std::find(node.outputs.begin(), node.outputs.end(), name) != node.outputs.end()) return name;
  }
  for (const Node& node : graph.nodes) {
    if (node.name == name) return node.outputs[0];
  }
  std::vector<std::string> candidates;
  for (const Node& node : graph.nodes) {
    candidates.push_back(node.name);
    candidates.insert(candidates.end(), node.outputs.begin(), node.outputs.end());
  }
  fail("--outputs: a tensor or node of the model was expected, found '{}'; did you mean '{}'?", name,
       nearest_name(name, candidates));
}

// "box0=/model.23/Conv" gives the tensor a name; a name that holds a '=' itself is taken as it is.
struct Wanted {
  std::string name, tensor;
};
Wanted parse(const Graph& graph, const std::string& text) {
  const size_t equals = text.find('=');
  if (equals == std::string::npos || is_made(graph, text)) return {"", text};
  if (equals == 0) fail("--outputs: NAME=NODE was expected, found '{}'", text);
  return {text.substr(0, equals), text.substr(equals + 1)};
}

// Operators that choose among their inputs' values: what comes out is positions and survivors, which no
// integer network computes. Their data inputs are slots 0, and 1 of NonMaxSuppression.
bool is_selection(const Node& node) {
  static const std::set<std::string> ops = {"NonMaxSuppression", "TopK",  "ArgMax", "ArgMin",
                                            "NonZero",           "Unique"};
  return ops.count(node.op) > 0;
}

}  // namespace

void cut_at(Graph& graph, const std::vector<std::string>& names) {
  std::vector<std::string> outputs;
  std::vector<std::pair<std::string, std::string>> renamed;
  for (const std::string& text : names) {
    const Wanted wanted = parse(graph, text);
    const std::string output = output_for(graph, wanted.tensor);
    if (std::find(outputs.begin(), outputs.end(), output) != outputs.end()) {
      fail("--outputs: '{}' is named twice; name every output once", text);
    }
    outputs.push_back(output);
    if (!wanted.name.empty() && wanted.name != output) renamed.emplace_back(output, wanted.name);
  }
  if (outputs.empty()) fail("--outputs: at least one tensor or node was expected");
  graph.outputs = outputs;
  remove_dead_nodes(graph);
  for (const auto& [tensor, name] : renamed) {
    if (graph.tensors.count(name) > 0) rename_tensor(graph, name, graph.fresh_name(name + "_inner"));
    rename_tensor(graph, tensor, name);
  }
}

std::vector<std::string> cut_selection(Graph& graph) {
  std::set<std::string> selected;  // tensors that depend on a choice
  std::string first;
  for (const Node& node : graph.nodes) {
    const bool depends = is_selection(node) ||
                         std::any_of(node.inputs.begin(), node.inputs.end(),
                                     [&](const std::string& input) { return selected.count(input) > 0; });
    if (!depends) continue;
    if (first.empty()) first = fmt::format("'{}' ({})", node.name, node.op);
    selected.insert(node.outputs.begin(), node.outputs.end());
  }
  std::vector<std::string> outputs;
  const auto add = [&](const std::string& tensor) {
    const bool is_data = !tensor.empty() && !graph.tensor(tensor).constant && graph.producer(tensor) >= 0 &&
                         graph.tensor(tensor).type == ElementType::kFloat;
    if (is_data && std::find(outputs.begin(), outputs.end(), tensor) == outputs.end())
      outputs.push_back(tensor);
  };
  bool any = false;
  for (const std::string& output : graph.outputs) {
    any = any || selected.count(output) > 0;
    if (selected.count(output) == 0) add(output);
  }
  if (!any) return {};
  for (const Node& node : graph.nodes) {
    const bool made_by_choice = !node.outputs.empty() && selected.count(node.outputs[0]) > 0;
    const operators::Operator* row = operators::find(node.op);
    if (!made_by_choice || (row != nullptr && row->values_read == 0)) continue;
    for (const std::string& input : node.inputs) {
      if (!input.empty() && selected.count(input) == 0) add(input);
    }
  }
  if (outputs.empty()) return {};
  graph.outputs = outputs;
  remove_dead_nodes(graph);
  return {fmt::format(
      "{} chooses among results, which a chip's integer network can't: the graph is cut before it, its "
      "outputs are {}",
      first, fmt::join(outputs, ", "))};
}

}  // namespace shrike::graph
