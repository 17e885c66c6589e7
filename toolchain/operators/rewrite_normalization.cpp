#include <cmath>

#include "toolchain/operators/affine.h"
#include "toolchain/operators/replacement.h"
#include "toolchain/operators/rewrites.h"
#include "toolchain/support/error.h"

namespace shrike::operators {
namespace {

using graph::ElementType;
using graph::Graph;
using graph::Node;
using graph::Shape;
using graph::Tensor;
using Ints = std::vector<int64_t>;

const std::vector<float>& constant_values(const Graph& graph, const Node& node, size_t slot) {
  const Tensor& tensor = graph.tensor(node.inputs.at(slot));
  if (!tensor.constant || tensor.type != ElementType::kFloat) {
    fail("node '{}' ({}): '{}' was expected to be a float constant; export the model for inference",
         node.name, node.op, tensor.name);
  }
  return tensor.values;
}

// One factor and one summand for every channel of a picture: a depthwise convolution of one pixel.
void scale_channels(Replacement& nodes, const std::string& picture, const Shape& shape,
                    std::vector<float> scale, std::vector<float> shift) {
  Shape filter(shape.size(), 1);
  filter[0] = shape[1];
  const size_t axes = shape.size() - 2;
  const std::string weight = nodes.constant("weight", filter, std::move(scale)),
                    bias = nodes.constant("bias", Shape{shape[1]}, std::move(shift));
  nodes.add("Conv", {picture, weight, bias},
            {{"group", shape[1]},
             {"kernel_shape", Ints(axes, 1)},
             {"strides", Ints(axes, 1)},
             {"dilations", Ints(axes, 1)},
             {"pads", Ints(2 * axes, 0)}});
}

// Normalises each of `groups` equal parts of a picture's channels; then scale and bias, one per channel.
Nodes normalize_groups(Graph& graph, const Node& node, int64_t groups) {
  const Shape shape = graph.tensor(node.inputs[0]).shape;
  if (shape.size() < 3 || shape[0] != 1 || groups < 1 || shape[1] % groups != 0) return {};
  for (size_t i = 1; i < node.inputs.size(); ++i) {
    const Tensor& constant = graph.tensor(node.inputs[i]);
    if (!constant.constant || constant.elements() != shape[1]) return {};
  }
  const int64_t length = graph::element_count(shape) / groups;
  Replacement nodes(graph, node);
  const std::string rows =
      nodes.add("Reshape", {node.inputs[0], nodes.constant("rows", Ints{1, groups, length})});
  const std::string ones =
      nodes.constant("ones", Shape{length}, std::vector<float>(static_cast<size_t>(length), 1.0f));
  const std::string normal = nodes.add("LayerNormalization", {rows, ones},
                                       {{"axis", int64_t{-1}}, {"epsilon", node.real("epsilon", 1e-5f)}});
  const std::string picture = nodes.add("Reshape", {normal, nodes.constant("shape", shape)});
  scale_channels(nodes, picture, shape, graph.tensor(node.inputs[1]).values,
                 graph.tensor(node.inputs[2]).values);
  return nodes.finish();
}

}  // namespace

bool is_batch_normalization(const Node& node) {
  return node.op == "BatchNormalization";
}

Affine batch_normalization(const Graph& graph, const Node& node) {
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

Nodes rewrite_batch_normalization(Graph& graph, const Node& node) {
  if (node.outputs.size() != 1) return {};
  const Affine affine = batch_normalization(graph, node);
  const Shape& shape = graph.tensor(node.inputs[0]).shape;
  const std::vector<float> scale(affine.scale.begin(), affine.scale.end()),
      shift(affine.shift.begin(), affine.shift.end());
  Replacement nodes(graph, node);
  if (shape.size() > 2) {
    scale_channels(nodes, node.inputs[0], shape, scale, shift);
    return nodes.finish();
  }
  const std::string product =
      nodes.add("Mul", {node.inputs[0], nodes.constant("scale", Shape{shape[1]}, scale)});
  nodes.add("Add", {product, nodes.constant("shift", Shape{shape[1]}, shift)});
  return nodes.finish();
}

Nodes rewrite_instance_normalization(Graph& graph, const Node& node) {
  return normalize_groups(graph, node, graph.tensor(node.inputs[0]).shape.at(1));
}

Nodes rewrite_group_normalization(Graph& graph, const Node& node) {
  return normalize_groups(graph, node, node.integer("num_groups", 1));
}

}  // namespace shrike::operators
