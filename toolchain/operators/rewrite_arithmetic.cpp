#include <cmath>

#include "toolchain/operators/replacement.h"
#include "toolchain/operators/rewrites.h"

namespace shrike::operators {
namespace {

using graph::Graph;
using graph::Node;
using graph::Shape;
using graph::Tensor;

bool is_number(const Tensor& tensor) {
  return tensor.constant && tensor.type == graph::ElementType::kFloat && tensor.elements() == 1;
}

// One input only: nothing to compute.
std::string pass_on(Replacement& nodes, const Node& node) {
  return nodes.add("Identity", {node.inputs[0]});
}

// The inputs with a variable in front: what is constant meets it second.
std::vector<std::string> variables_first(const Graph& graph, const Node& node) {
  std::vector<std::string> order;
  for (const bool constant : {false, true}) {
    for (const std::string& input : node.inputs) {
      if (graph.tensor(input).constant == constant) order.push_back(input);
    }
  }
  return order;
}

Nodes extreme(Graph& graph, const Node& node, bool maximum) {
  Replacement nodes(graph, node);
  const std::vector<std::string> inputs = variables_first(graph, node);
  std::string total = inputs[0];
  if (inputs.size() == 1) pass_on(nodes, node);
  for (size_t i = 1; i < inputs.size(); ++i) {
    const Tensor& other = graph.tensor(inputs[i]);
    if (is_number(other) && other.shape.size() <= graph.tensor(node.outputs[0]).shape.size()) {
      const std::string bound = nodes.constant("bound", {}, {other.values[0]});
      total = maximum ? nodes.add("Clip", {total, bound}) : nodes.add("Clip", {total, "", bound});
      continue;
    }
    const std::string difference =
        maximum ? nodes.add("Sub", {inputs[i], total}) : nodes.add("Sub", {total, inputs[i]});
    total = nodes.add(maximum ? "Add" : "Sub", {total, nodes.add("Relu", {difference})});
  }
  return nodes.finish();
}

std::string add_all(Replacement& nodes, const std::vector<std::string>& inputs) {
  std::string total = inputs[0];
  for (size_t i = 1; i < inputs.size(); ++i) total = nodes.add("Add", {total, inputs[i]});
  return total;
}

}  // namespace

Nodes rewrite_maximum(Graph& graph, const Node& node) {
  return extreme(graph, node, true);
}

Nodes rewrite_minimum(Graph& graph, const Node& node) {
  return extreme(graph, node, false);
}

Nodes rewrite_sum(Graph& graph, const Node& node) {
  Replacement nodes(graph, node);
  if (node.inputs.size() == 1) {
    pass_on(nodes, node);
  } else {
    add_all(nodes, node.inputs);
  }
  return nodes.finish();
}

Nodes rewrite_mean(Graph& graph, const Node& node) {
  Replacement nodes(graph, node);
  if (node.inputs.size() == 1) {
    pass_on(nodes, node);
  } else {
    const float share = 1.0f / static_cast<float>(node.inputs.size());
    nodes.add("Mul", {add_all(nodes, node.inputs), nodes.constant("share", {}, {share})});
  }
  return nodes.finish();
}

Nodes rewrite_gemm(Graph& graph, const Node& node) {
  const float alpha = node.real("alpha", 1.0f), beta = node.real("beta", 1.0f);
  const Tensor& filter = graph.tensor(node.inputs[1]);
  const bool has_bias = node.inputs.size() > 2 && !node.inputs[2].empty();
  const int64_t outputs = filter.shape.at(node.integer("transB", 0) != 0 ? 0 : 1);
  const Shape bias_shape = has_bias ? graph.tensor(node.inputs[2]).shape : Shape{outputs};
  const bool by_output = bias_shape == Shape{outputs} || bias_shape == Shape{1, outputs};
  if ((alpha == 1.0f && beta == 1.0f && by_output) || !filter.constant) return {};
  Replacement nodes(graph, node);
  const auto scaled = [&](const std::string& stem, size_t index, float factor) {
    Tensor constant = graph.tensor(node.inputs[index]);
    for (float& value : constant.values) value *= factor;
    return nodes.constant(stem, constant.shape, constant.values);
  };
  std::vector<std::string> inputs = {node.inputs[0], scaled("filter", 1, alpha)};
  std::string added;  // a bias that is not one number an output
  if (has_bias) {
    const Tensor& bias = graph.tensor(node.inputs[2]);
    if (!bias.constant) return {};
    if (by_output) {
      inputs.push_back(scaled("bias", 2, beta));
    } else if (bias.elements() == 1) {
      inputs.push_back(nodes.constant(
          "bias", {outputs}, std::vector<float>(static_cast<size_t>(outputs), beta * bias.values[0])));
    } else {
      added = scaled("added", 2, beta);
    }
  }
  Replacement::Attributes attributes = node.attributes;
  attributes.erase("alpha");
  attributes.erase("beta");
  const std::string product = nodes.add("Gemm", inputs, attributes);
  if (!added.empty()) nodes.add("Add", {product, added});
  return nodes.finish();
}

}  // namespace shrike::operators
