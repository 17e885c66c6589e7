#include <algorithm>

#include "toolchain/graph/nearest.h"
#include "toolchain/graph/passes.h"
#include "toolchain/support/error.h"

namespace shrike::graph {
namespace {

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

}  // namespace

void cut_at(Graph& graph, const std::vector<std::string>& names) {
  std::vector<std::string> outputs;
  for (const std::string& name : names) {
    const std::string output = output_for(graph, name);
    if (std::find(outputs.begin(), outputs.end(), output) != outputs.end()) {
      fail("--outputs: '{}' is named twice; name every output once", name);
    }
    outputs.push_back(output);
  }
  if (outputs.empty()) fail("--outputs: at least one tensor or node was expected");
  graph.outputs = outputs;
  remove_dead_nodes(graph);
}

}  // namespace shrike::graph
