#include <fmt/format.h>
#include <fmt/ranges.h>

#include "toolchain/graph/graph.h"

namespace shrike::graph {
namespace {

std::string format_text(const Tensor& tensor) {
  if (tensor.format.is_float()) return tensor.type == ElementType::kInt64 ? "int64" : "float";
  if (!tensor.format.per_channel())
    return fmt::format("s{}*2^{}", tensor.format.bits, tensor.format.exponent);
  return fmt::format("s{}*2^[{}]", tensor.format.bits, fmt::join(tensor.format.channel_exponents, ","));
}

std::string tensor_text(const Graph& graph, const std::string& name) {
  if (name.empty()) return "-";
  const Tensor& tensor = graph.tensor(name);
  return fmt::format("{} [{}] {}", name, shape_text(tensor.shape, ","), format_text(tensor));
}

struct AttributeText {
  std::string operator()(int64_t value) const { return fmt::format("{}", value); }
  std::string operator()(float value) const { return fmt::format("{}", value); }
  std::string operator()(const std::string& value) const { return fmt::format("\"{}\"", value); }
  std::string operator()(const std::vector<int64_t>& value) const {
    return fmt::format("[{}]", fmt::join(value, ","));
  }
  std::string operator()(const std::vector<float>& value) const {
    return fmt::format("[{}]", fmt::join(value, ","));
  }
};

std::string node_text(const Graph& graph, const Node& node) {
  std::vector<std::string> inputs, outputs, attributes;
  for (const std::string& input : node.inputs) inputs.push_back(tensor_text(graph, input));
  for (const std::string& output : node.outputs) outputs.push_back(tensor_text(graph, output));
  for (const auto& [key, value] : node.attributes) {
    attributes.push_back(fmt::format("{}={}", key, std::visit(AttributeText{}, value)));
  }
  return fmt::format("{} {} ({}) -> ({}){}{}\n", node.op, node.name, fmt::join(inputs, "; "),
                     fmt::join(outputs, "; "), attributes.empty() ? "" : " ", fmt::join(attributes, " "));
}

}  // namespace

std::string shape_text(const Shape& shape, const std::string& separator) {
  std::vector<std::string> sizes;
  for (const int64_t size : shape) sizes.push_back(size == kUnknownDim ? "?" : std::to_string(size));
  return fmt::format("{}", fmt::join(sizes, separator));
}

std::string to_text(const Graph& graph) {
  std::string text = fmt::format("graph {}\n", graph.name);
  for (const std::string& input : graph.inputs) text += fmt::format("input {}\n", tensor_text(graph, input));
  for (const Node& node : graph.nodes) text += node_text(graph, node);
  for (const std::string& output : graph.outputs)
    text += fmt::format("output {}\n", tensor_text(graph, output));
  return text;
}

}  // namespace shrike::graph
