// Exporters of channel-last frameworks turn pictures around at the entry of the graph: [N,H,W,C] and a
// Transpose.
#include <optional>

#include "toolchain/graph/edit.h"
#include "toolchain/graph/passes.h"
#include "toolchain/operators/affine.h"

namespace shrike::graph {
namespace {

bool makes_channels_first(const Node& node) {
  return node.op == "Transpose" && node.integers("perm") == std::vector<int64_t>{0, 3, 1, 2};
}

// Element by element with one number, whatever the order of axes: the turn may come before it.
bool ignores_order(const Graph& graph, const Node& node) {
  return node.op == "Cast" || operators::line_of(graph, node, 0).has_value();
}

// The nodes from the input to its Transpose, the Transpose last; nothing when the input is read in any other
// way.
std::optional<std::vector<int>> way_to_transpose(const Graph& graph, const std::string& input) {
  std::vector<int> way;
  std::string at = input;
  for (;;) {
    const std::vector<int> users = graph.consumers(at);
    if (users.size() != 1 || graph.is_output(at)) return std::nullopt;
    const Node& node = graph.nodes[static_cast<size_t>(users[0])];
    way.push_back(users[0]);
    if (makes_channels_first(node)) return way;
    if (!ignores_order(graph, node)) return std::nullopt;
    at = node.outputs[0];
  }
}

void turn(Shape& shape) {
  if (shape.size() == 4) shape = {shape[0], shape[3], shape[1], shape[2]};
}

}  // namespace

void fold_entry(Graph& graph) {
  for (const std::string& input : graph.inputs) {
    if (graph.tensor(input).shape.size() != 4) continue;
    const auto way = way_to_transpose(graph, input);
    if (!way) continue;
    turn(graph.tensor(input).shape);
    for (const int node : *way) {
      if (node != way->back()) turn(graph.tensor(graph.nodes[static_cast<size_t>(node)].outputs[0]).shape);
    }
    const Node transpose = graph.nodes[static_cast<size_t>(way->back())];
    if (bypass(graph, way->back(), transpose.inputs[0])) erase_nodes(graph, {way->back()});
  }
}

}  // namespace shrike::graph
