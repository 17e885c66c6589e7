#include "toolchain/espdl/fusion.h"

#include "toolchain/operators/operator.h"

namespace shrike::espdl {

std::map<size_t, size_t> fused_relus(const graph::Graph& graph) {
  const graph::Links links(graph);
  std::map<size_t, size_t> result;
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    const operators::Operator* row = operators::find(graph.nodes[i].op);
    if (row == nullptr || row->lower_with_relu == nullptr) continue;
    const std::string& output = graph.nodes[i].outputs[0];
    const auto readers = links.consumers.find(output);
    if (readers == links.consumers.end() || readers->second.size() != 1 || graph.is_output(output)) continue;
    const size_t reader = static_cast<size_t>(readers->second[0]);
    if (graph.nodes[reader].op == "Relu") result[i] = reader;
  }
  return result;
}

const std::string& written_output(const graph::Graph& graph, const std::map<size_t, size_t>& relus,
                                  size_t node) {
  const auto relu = relus.find(node);
  return graph.nodes[relu == relus.end() ? node : relu->second].outputs.at(0);
}

void clear_unwritten_formats(graph::Graph& graph) {
  for (const auto& [node, relu] : fused_relus(graph)) graph.tensor(graph.nodes[node].outputs[0]).format = {};
}

}  // namespace shrike::espdl
