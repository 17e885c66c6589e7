#include "toolchain/graph/rewrite.h"

#include <utility>

#include "toolchain/graph/passes.h"
#include "toolchain/operators/operator.h"

namespace shrike::graph {
namespace {

// Replaces what its row rewrites; false when nothing is left to do.
bool rewrite_once(Graph& graph) {
  std::vector<Node> result;
  bool changed = false;
  for (const Node& node : graph.nodes) {
    const operators::Operator* row = operators::find(node.op);
    std::vector<Node> replacement;
    if (row != nullptr && row->rewrite != nullptr) replacement = row->rewrite(graph, node);
    changed = changed || !replacement.empty();
    if (replacement.empty()) replacement.push_back(node);
    for (Node& added : replacement) result.push_back(std::move(added));
  }
  graph.nodes = std::move(result);
  return changed;
}

}  // namespace

void rewrite_for_chip(Graph& graph) {
  while (rewrite_once(graph)) {
    remove_dead_nodes(graph);
    infer_shapes(graph);
  }
}

}  // namespace shrike::graph
