#include "toolchain/graph/edit.h"
#include "toolchain/graph/passes.h"
#include "toolchain/operators/affine.h"
#include "toolchain/operators/operator.h"

namespace shrike::graph {
namespace {

using operators::Affine;

// Weights and bias are constants that belong to this node alone.
bool can_absorb(const Graph& graph, const Node& node, const Affine& affine) {
  if (!operators::has_role(node.op, operators::Role::kWeighted)) return false;
  const Tensor& weights = graph.tensor(node.inputs[1]);
  if (!weights.constant || weights.type != ElementType::kFloat) return false;
  if (node.real("alpha", 1) != 1 || node.real("beta", 1) != 1) return false;  // of Gemm
  const auto channels = static_cast<int64_t>(affine.scale.size());
  const Shape& output = graph.tensor(node.outputs[0]).shape;
  if (output.size() < 2 || output[1] != channels) return false;
  if (node.inputs.size() < 3 || node.inputs[2].empty()) return true;
  const Tensor& bias = graph.tensor(node.inputs[2]);
  return bias.constant && bias.shape == Shape{channels};
}

void absorb(Graph& graph, Node& node, const Affine& affine) {
  Tensor& weights = graph.tensor(node.inputs[1]);
  const operators::FilterLayout layout = operators::filter_layout(node, weights.shape);
  for (int64_t n = 0; n < layout.outputs; ++n) {
    for (int64_t k = 0; k < layout.taps; ++k) {
      float& weight = weights.values[layout.index(n, k)];
      weight = static_cast<float>(weight * affine.scale[static_cast<size_t>(n)]);
    }
  }
  const size_t channels = affine.scale.size();
  if (node.inputs.size() < 3 || node.inputs[2].empty()) {
    node.inputs.resize(3);
    node.inputs[2] = add_constant(graph, node.name + "/bias", {static_cast<int64_t>(channels)},
                                  std::vector<float>(channels, 0.0f));
  }
  Tensor& bias = graph.tensor(node.inputs[2]);
  for (size_t c = 0; c < channels; ++c) {
    bias.values[c] = static_cast<float>(bias.values[c] * affine.scale[c] + affine.shift[c]);
  }
}

bool fold_one(Graph& graph) {
  const Links links(graph);
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    Node& node = graph.nodes[i];
    const std::string& x = node.outputs[0];
    const auto users = links.consumers.find(x);
    if (users == links.consumers.end() || users->second.size() != 1 || graph.is_output(x)) continue;
    const int next = users->second[0];
    if (!operators::has_role(node.op, operators::Role::kWeighted)) continue;
    const auto affine = operators::affine_of(graph, graph.nodes[static_cast<size_t>(next)], x);
    if (!affine || !can_absorb(graph, node, *affine)) continue;
    absorb(graph, node, *affine);
    bypass(graph, next, x);  // always possible: x is made by a node and is no graph output
    erase_nodes(graph, {next});
    return true;
  }
  return false;
}

}  // namespace

void fold_batch_norm(Graph& graph) {
  while (fold_one(graph)) {
  }
}

}  // namespace shrike::graph
