#include <map>
#include <set>

#include "toolchain/graph/edit.h"
#include "toolchain/graph/inference.h"
#include "toolchain/graph/passes.h"
#include "toolchain/operators/operator.h"
#include "toolchain/operators/rules.h"

namespace shrike::graph {
namespace {

bool is_float_cast(const Graph& graph, const Node& node) {
  if (node.op != "Cast" || graph.tensor(node.inputs[0]).type != ElementType::kFloat) return false;
  if (node.inputs.size() > 1) return graph.tensor(node.inputs[1]).type == ElementType::kFloat;
  return is_float_type(node.integer("to", 1));
}

// A reduction over no axes that leaves each number as it is.
bool reduces_nothing(const Graph& graph, const Node& node) {
  return operators::reduces_no_axes(graph, node) && operators::find(node.op)->keeps_a_single_number;
}

bool does_nothing(const Graph& graph, const Node& node) {
  return node.op == "Identity" || (node.op == "Dropout" && node.outputs.size() == 1) ||
         is_float_cast(graph, node) || reduces_nothing(graph, node);
}

}  // namespace

void fold_constants(Graph& graph) {
  const Inference inference(graph, Strictness::kLenient);
  std::set<int> folded;
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    const Node& node = graph.nodes[i];
    bool known = true;
    for (const std::string& output : node.outputs) {
      known = known && inference.computed().count(output) > 0 && !graph.is_output(output);
    }
    if (!known) continue;
    for (const std::string& output : node.outputs) graph.tensors[output] = inference.computed().at(output);
    folded.insert(static_cast<int>(i));
  }
  erase_nodes(graph, folded);
  split_shared_constants(graph);
}

void remove_identities(Graph& graph) {
  std::map<std::string, std::string> replaced;  // output of an identity -> what it copies
  std::set<int> bypassed;
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    Node& node = graph.nodes[i];
    for (std::string& input : node.inputs) {
      if (const auto found = replaced.find(input); found != replaced.end()) input = found->second;
    }
    if (!does_nothing(graph, node) || graph.is_output(node.outputs[0])) continue;
    replaced[node.outputs[0]] = node.inputs[0];
    bypassed.insert(static_cast<int>(i));
  }
  // What is left makes graph outputs, whose names have to stay.
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    const int index = static_cast<int>(i);
    if (bypassed.count(index) > 0 || !does_nothing(graph, graph.nodes[i])) continue;
    if (bypass(graph, index, graph.nodes[i].inputs[0])) bypassed.insert(index);
  }
  erase_nodes(graph, bypassed);
  split_shared_constants(graph);
}

void remove_dead_nodes(Graph& graph) {
  std::set<std::string> needed(graph.outputs.begin(), graph.outputs.end());
  std::set<int> dead;
  for (size_t i = graph.nodes.size(); i-- > 0;) {
    const Node& node = graph.nodes[i];
    bool alive = false;
    for (const std::string& output : node.outputs) alive = alive || needed.count(output) > 0;
    if (alive) needed.insert(node.inputs.begin(), node.inputs.end());
    if (!alive) dead.insert(static_cast<int>(i));
  }
  erase_nodes(graph, dead);
}

}  // namespace shrike::graph
