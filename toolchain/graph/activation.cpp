#include "toolchain/graph/activation.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "toolchain/support/error.h"

namespace shrike::graph {
namespace {

float sigmoid(float x) {
  return 1.0f / (1.0f + std::exp(-x));
}

float constant_scalar(const Graph& graph, const Node& node, size_t index, float fallback) {
  if (node.inputs.size() <= index || node.inputs[index].empty()) return fallback;
  const Tensor& tensor = graph.tensor(node.inputs[index]);
  if (!tensor.constant || tensor.values.size() != 1) {
    fail("node '{}' ({}): input {} must be a constant with one element", node.name, node.op, index);
  }
  return tensor.values[0];
}

std::function<float(float)> plain_function(const Graph& graph, const Node& node);

}  // namespace

bool is_activation(const std::string& op) {
  static const std::set<std::string> kOps = {"Swish",       "Sigmoid", "Relu", "LeakyRelu", "HardSwish",
                                             "HardSigmoid", "Tanh",    "Elu",  "Gelu",      "Exp",
                                             "Log",         "Sqrt",    "Clip", "PRelu"};
  return kOps.contains(op);
}

std::function<float(float)> activation_function(const Graph& graph, const Node& node) {
  const auto function = plain_function(graph, node);
  if (!node.attributes.contains(kInputScale)) return function;
  const float t = node.real(kInputScale, 1), a = node.real(kInputOffset, 0);
  const float s = node.real(kOutputScale, 1), b = node.real(kOutputOffset, 0);
  return [=](float x) { return s * function((x - a) / t) + b; };
}

namespace {

std::function<float(float)> plain_function(const Graph& graph, const Node& node) {
  const std::string& op = node.op;
  if (op == "Swish") return [](float x) { return x * sigmoid(x); };
  if (op == "Sigmoid") return sigmoid;
  if (op == "Relu") return [](float x) { return std::max(x, 0.0f); };
  if (op == "Tanh") return [](float x) { return std::tanh(x); };
  if (op == "Exp") return [](float x) { return std::exp(x); };
  if (op == "Log") return [](float x) { return std::log(x); };
  if (op == "Sqrt") return [](float x) { return std::sqrt(x); };
  if (op == "Gelu") return [](float x) { return 0.5f * x * (1.0f + std::erf(x * 0.70710678f)); };
  if (op == "HardSwish") return [](float x) { return x * std::clamp(x / 6.0f + 0.5f, 0.0f, 1.0f); };
  if (op == "HardSigmoid") {
    const float alpha = node.real("alpha", 0.2f), beta = node.real("beta", 0.5f);
    return [=](float x) { return std::clamp(alpha * x + beta, 0.0f, 1.0f); };
  }
  if (op == "LeakyRelu") {
    const float alpha = node.real("alpha", 0.01f);
    return [=](float x) { return x >= 0 ? x : alpha * x; };
  }
  if (op == "Elu") {
    const float alpha = node.real("alpha", 1.0f);
    return [=](float x) { return x >= 0 ? x : alpha * (std::exp(x) - 1.0f); };
  }
  if (op == "PRelu") {
    const float slope = constant_scalar(graph, node, 1, 0.0f);
    return [=](float x) { return x >= 0 ? x : slope * x; };
  }
  if (op == "Clip") {
    const float low = constant_scalar(graph, node, 1, std::numeric_limits<float>::lowest());
    const float high = constant_scalar(graph, node, 2, std::numeric_limits<float>::max());
    return [=](float x) { return std::min(std::max(x, low), high); };
  }
  fail("node '{}': {} is not an activation function", node.name, op);
}

}  // namespace
}  // namespace shrike::graph
