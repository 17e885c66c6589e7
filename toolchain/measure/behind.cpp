#include "toolchain/measure/behind.h"

#include "toolchain/graph/activation.h"
#include "toolchain/operators/operator.h"

namespace shrike::quantize {

const graph::Node* activation_behind(const graph::Graph& graph, const graph::Links& links,
                                     const std::string& tensor) {
  const auto readers = links.consumers.find(tensor);
  if (readers == links.consumers.end() || readers->second.size() != 1 || graph.is_output(tensor) ||
      graph.tensor(tensor).constant) {
    return nullptr;
  }
  const graph::Node& reader = graph.nodes[static_cast<size_t>(readers->second[0])];
  return operators::is_function(graph, reader) && reader.inputs[0] == tensor ? &reader : nullptr;
}

std::optional<Behind> behind(const graph::Graph& graph, const graph::Links& links,
                             const std::string& tensor) {
  const graph::Node* const node = activation_behind(graph, links, tensor);
  if (node == nullptr) return std::nullopt;
  return Behind{node, graph::activation_function(graph, *node), node->real(graph::kOutputOffset, 0)};
}

}  // namespace shrike::quantize
