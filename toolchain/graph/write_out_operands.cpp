#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "toolchain/graph/edit.h"
#include "toolchain/graph/passes.h"

namespace shrike::graph {
namespace {

// Counted from the front; empty where one of them does not exist.
std::vector<size_t> positions(const std::vector<int64_t>& axes, size_t rank) {
  std::vector<size_t> result;
  for (const int64_t axis : axes) {
    const int64_t position = axis < 0 ? axis + static_cast<int64_t>(rank) : axis;
    if (position < 0 || position >= static_cast<int64_t>(rank)) return {};
    result.push_back(static_cast<size_t>(position));
  }
  return result;
}

bool has_constant(const Graph& graph, const Node& node, size_t slot, size_t elements) {
  return slot < node.inputs.size() && !node.inputs[slot].empty() &&
         graph.tensor(node.inputs[slot]).constant &&
         static_cast<size_t>(graph.tensor(node.inputs[slot]).elements()) == elements;
}

void write_out_resize(Graph& graph, Node& node) {
  const Shape shape = graph.tensor(node.inputs[0]).shape;
  const std::vector<size_t> axes = positions(node.integers("axes"), shape.size());
  if (axes.empty()) return;
  if (has_constant(graph, node, 3, axes.size())) {
    Shape sizes = shape;
    for (size_t i = 0; i < axes.size(); ++i) sizes[axes[i]] = graph.tensor(node.inputs[3]).integers[i];
    node.inputs[3] = add_constant(graph, node.name + "/sizes", {static_cast<int64_t>(sizes.size())}, sizes);
  } else if (has_constant(graph, node, 2, axes.size())) {
    std::vector<float> scales(shape.size(), 1.0f);
    for (size_t i = 0; i < axes.size(); ++i) scales[axes[i]] = graph.tensor(node.inputs[2]).values[i];
    const auto count = static_cast<int64_t>(scales.size());
    node.inputs[2] = add_constant(graph, node.name + "/scales", {count}, std::move(scales));
  } else {
    return;
  }
  node.attributes.erase("axes");
}

void write_out_pad(Graph& graph, Node& node) {
  if (node.inputs.size() < 4) return;
  const size_t rank = graph.tensor(node.inputs[0]).shape.size();
  const Tensor& named = graph.tensor(node.inputs[3]);
  if (!named.constant) return;
  const std::vector<size_t> axes = positions(named.integers, rank);
  if (axes.empty() || !has_constant(graph, node, 1, 2 * axes.size())) return;
  const std::vector<int64_t> given = graph.tensor(node.inputs[1]).integers;
  std::vector<int64_t> pads(2 * rank, 0);
  for (size_t i = 0; i < axes.size(); ++i) {
    pads[axes[i]] = given[i];
    pads[rank + axes[i]] = given[axes.size() + i];
  }
  const auto count = static_cast<int64_t>(pads.size());
  node.inputs[1] = add_constant(graph, node.name + "/pads", {count}, std::move(pads));
  node.inputs.resize(node.inputs[2].empty() ? 2 : 3);
}

void write_out_power(Graph& graph, Node& node) {
  if (node.inputs.size() != 2 || graph.tensor(node.inputs[0]).type != ElementType::kFloat) return;
  const Tensor exponent = graph.tensor(node.inputs[1]);
  if (!exponent.constant || exponent.type != ElementType::kInt64) return;
  node.inputs[1] = add_constant(graph, node.name + "/exponent", exponent.shape,
                                std::vector<float>(exponent.integers.begin(), exponent.integers.end()));
}

}  // namespace

void write_out_operands(Graph& graph) {
  static const std::map<std::string, void (*)(Graph&, Node&)> kWriters = {
      {"Pad", write_out_pad}, {"Pow", write_out_power}, {"Resize", write_out_resize}};
  for (Node& node : graph.nodes) {
    if (const auto writer = kWriters.find(node.op); writer != kWriters.end()) writer->second(graph, node);
  }
}

}  // namespace shrike::graph
