#include <set>

#include "toolchain/graph/edit.h"
#include "toolchain/graph/passes.h"

namespace shrike::graph {
namespace {

// The input of `mul` that is Sigmoid of the other one; -1 if there is none.
int gate_slot(const Graph& graph, const Links& links, const Node& mul) {
  if (mul.op != "Mul" || mul.inputs.size() != 2) return -1;
  for (int slot = 0; slot < 2; ++slot) {
    const std::string& gate = mul.inputs[static_cast<size_t>(slot)];
    const auto made_by = links.producer.find(gate);
    if (made_by == links.producer.end()) continue;
    const Node& sigmoid = graph.nodes[static_cast<size_t>(made_by->second)];
    const bool of_other =
        sigmoid.op == "Sigmoid" && sigmoid.inputs[0] == mul.inputs[static_cast<size_t>(1 - slot)];
    if (of_other && links.consumers.at(gate).size() == 1 && !graph.is_output(gate)) return slot;
  }
  return -1;
}

}  // namespace

void fuse_swish(Graph& graph) {
  const Links links(graph);
  std::set<int> fused;
  for (Node& node : graph.nodes) {
    const int gate = gate_slot(graph, links, node);
    if (gate < 0) continue;
    const std::string x = node.inputs[static_cast<size_t>(1 - gate)];
    fused.insert(links.producer.at(node.inputs[static_cast<size_t>(gate)]));
    const auto made_by = links.producer.find(x);
    const std::string owner =
        made_by == links.producer.end() ? x : graph.nodes[static_cast<size_t>(made_by->second)].name;
    const std::string name = graph.fresh_name(owner + "/Swish");
    node = Node{name, "Swish", {x}, node.outputs, {}};
  }
  erase_nodes(graph, fused);
}

}  // namespace shrike::graph
