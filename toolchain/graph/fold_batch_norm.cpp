#include <cmath>
#include <optional>
#include <set>

#include "toolchain/graph/edit.h"
#include "toolchain/graph/passes.h"
#include "toolchain/operators/operator.h"
#include "toolchain/support/error.h"

namespace shrike::graph {
namespace {

// y = scale[c] * x + shift[c] for every output channel c.
struct Affine {
  std::vector<double> scale, shift;
};

const std::vector<float>& constant_values(const Graph& graph, const Node& node, size_t slot) {
  const Tensor& tensor = graph.tensor(node.inputs.at(slot));
  if (!tensor.constant || tensor.type != ElementType::kFloat) {
    fail("node '{}' ({}): '{}' was expected to be a float constant; export the model for inference",
         node.name, node.op, tensor.name);
  }
  return tensor.values;
}

Affine batch_norm(const Graph& graph, const Node& node) {
  if (node.inputs.size() != 5) {
    fail("node '{}' (BatchNormalization): five inputs were expected, found {}", node.name,
         node.inputs.size());
  }
  if (node.integer("training_mode", 0) != 0) {
    fail("node '{}' (BatchNormalization) is in training mode; export the model for inference", node.name);
  }
  const auto& gamma = constant_values(graph, node, 1);
  const auto& beta = constant_values(graph, node, 2);
  const auto& mean = constant_values(graph, node, 3);
  const auto& variance = constant_values(graph, node, 4);
  const double epsilon = node.real("epsilon", 1e-5f);
  Affine affine;
  for (size_t c = 0; c < gamma.size(); ++c) {
    const double spread = variance.at(c) + epsilon;
    if (!(spread > 0))
      fail("node '{}' (BatchNormalization): the variance of channel {} is negative", node.name, c);
    affine.scale.push_back(gamma[c] / std::sqrt(spread));
    affine.shift.push_back(beta.at(c) - mean.at(c) * affine.scale.back());
  }
  return affine;
}

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
  if (node.op == "BatchNormalization") {
    return node.inputs[0] == x && node.outputs.size() == 1 ? std::optional(batch_norm(graph, node))
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

// A BatchNormalization that no convolution can take becomes a depthwise 1x1 convolution.
void to_depthwise(Graph& graph, Node& node) {
  const Affine affine = batch_norm(graph, node);
  const auto channels = static_cast<int64_t>(affine.scale.size());
  const size_t spatial = graph.tensor(node.inputs[0]).shape.size() - 2;
  Shape shape(spatial + 2, 1);
  shape[0] = channels;
  Node conv{node.name, "Conv", {node.inputs[0]}, node.outputs, {}};
  conv.inputs.push_back(add_constant(graph, node.name + "/weight", shape,
                                     std::vector<float>(affine.scale.begin(), affine.scale.end())));
  conv.inputs.push_back(add_constant(graph, node.name + "/bias", {channels},
                                     std::vector<float>(affine.shift.begin(), affine.shift.end())));
  conv.attributes["group"] = channels;
  conv.attributes["kernel_shape"] = std::vector<int64_t>(spatial, 1);
  conv.attributes["pads"] = std::vector<int64_t>(2 * spatial, 0);
  conv.attributes["strides"] = std::vector<int64_t>(spatial, 1);
  conv.attributes["dilations"] = std::vector<int64_t>(spatial, 1);
  node = std::move(conv);
}

}  // namespace

void fold_batch_norm(Graph& graph) {
  while (fold_one(graph)) {
  }
  for (Node& node : graph.nodes) {
    if (node.op != "BatchNormalization" || node.outputs.size() != 1) continue;
    if (graph.tensor(node.inputs[0]).shape.size() > 2) to_depthwise(graph, node);
  }
  erase_nodes(graph, {});
}

}  // namespace shrike::graph
