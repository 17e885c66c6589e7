#include "toolchain/measure/behind.h"

#include <algorithm>

#include "toolchain/graph/activation.h"
#include "toolchain/heads/head.h"
#include "toolchain/operators/operator.h"
#include "toolchain/pipeline/recipe.h"

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

std::optional<Behind> behind_or_decoded(const graph::Graph& graph, const graph::Links& links,
                                        const std::string& tensor) {
  if (!graph.is_output(tensor) || links.consumers.contains(tensor)) return behind(graph, links, tensor);
  if (!heads::is_class_logits(graph, tensor)) return std::nullopt;
  return Behind{nullptr, [](float logit) { return std::max(logit, recipe::kBackgroundLogit); },
                recipe::kBackgroundLogit};
}

}  // namespace shrike::quantize
