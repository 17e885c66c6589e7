#include <cmath>
#include <optional>
#include <set>

#include "toolchain/graph/edit.h"
#include "toolchain/graph/passes.h"
#include "toolchain/operators/affine.h"
#include "toolchain/operators/operator.h"

namespace shrike::graph {
namespace {

using operators::Affine;

// The values of a constant that has at most one axis longer than 1, and that one is the channel axis of
// `output`.
std::optional<std::vector<double>> per_channel(const Tensor& constant, const Shape& output) {
  if (!constant.constant || constant.type != ElementType::kFloat || output.size() < 2) return std::nullopt;
  const auto channels = static_cast<size_t>(output[1]);
  if (constant.shape.size() > output.size()) return std::nullopt;
  if (constant.elements() == 1) return std::vector<double>(channels, constant.values[0]);
  const size_t lead = output.size() - constant.shape.size();
  for (size_t i = 0; i < constant.shape.size(); ++i) {
    if (constant.shape[i] != 1 && lead + i != 1) return std::nullopt;
  }
  if (constant.values.size() != channels) return std::nullopt;
  return std::vector<double>(constant.values.begin(), constant.values.end());
}

// What `node` does to its input `x` when it is an affine map per channel with constants, e.g. a constant Add.
std::optional<Affine> affine_of(const Graph& graph, const Node& node, const std::string& x) {
  if (operators::is_batch_normalization(node)) {
    return node.inputs[0] == x && node.outputs.size() == 1
               ? std::optional(operators::batch_normalization(graph, node))
               : std::nullopt;
  }
  const bool commutes = node.op == "Add" || node.op == "Mul";
  if ((!commutes && node.op != "Sub" && node.op != "Div") || node.inputs.size() != 2) return std::nullopt;
  if (!commutes && node.inputs[0] != x) return std::nullopt;
  const Tensor& other = graph.tensor(node.inputs[node.inputs[0] == x ? 1 : 0]);
  const auto values = per_channel(other, graph.tensor(x).shape);
  if (!values || graph.tensor(node.outputs[0]).shape != graph.tensor(x).shape) return std::nullopt;
  Affine affine{std::vector<double>(values->size(), 1.0), std::vector<double>(values->size(), 0.0)};
  for (size_t c = 0; c < values->size(); ++c) {
    const double value = (*values)[c];
    if (node.op == "Add") affine.shift[c] = value;
    if (node.op == "Sub") affine.shift[c] = -value;
    if (node.op == "Mul") affine.scale[c] = value;
    if (node.op == "Div") affine.scale[c] = 1.0 / value;
    if (!std::isfinite(affine.scale[c])) return std::nullopt;
  }
  return affine;
}

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
    const auto affine = affine_of(graph, graph.nodes[static_cast<size_t>(next)], x);
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
