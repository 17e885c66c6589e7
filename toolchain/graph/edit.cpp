#include "toolchain/graph/edit.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "toolchain/support/error.h"
#include "toolchain/support/model_limits.h"

namespace shrike::graph {
namespace {

Tensor& new_constant(Graph& graph, const std::string& name, Shape shape, ElementType type) {
  Tensor& tensor = graph.tensors[name];
  tensor.name = name;
  tensor.shape = std::move(shape);
  tensor.type = type;
  tensor.constant = true;
  return tensor;
}

}  // namespace

FreshNames::FreshNames(const Graph& graph) {
  for (const auto& [name, tensor] : graph.tensors) used_.insert(name);
  for (const Node& node : graph.nodes) used_.insert(node.name);
}

std::string FreshNames::take(const std::string& stem) {
  if (used_.insert(stem).second) return stem;
  int& next = next_.try_emplace(stem, 1).first->second;
  for (;; ++next) {
    std::string candidate = fmt::format("{}_{}", stem, next);
    if (used_.insert(candidate).second) return candidate;
  }
}

std::string add_constant(Graph& graph, const std::string& stem, Shape shape, std::vector<float> values) {
  Tensor& tensor = new_constant(graph, graph.fresh_name(stem), std::move(shape), ElementType::kFloat);
  tensor.values = std::move(values);
  return tensor.name;
}

std::string add_constant(Graph& graph, const std::string& stem, Shape shape, std::vector<int64_t> values) {
  Tensor& tensor = new_constant(graph, graph.fresh_name(stem), std::move(shape), ElementType::kInt64);
  tensor.integers = std::move(values);
  return tensor.name;
}

std::string add_constant(Graph& graph, FreshNames& names, const std::string& stem, Shape shape,
                         std::vector<float> values) {
  Tensor& tensor = new_constant(graph, names.take(stem), std::move(shape), ElementType::kFloat);
  tensor.values = std::move(values);
  return tensor.name;
}

std::string add_constant(Graph& graph, FreshNames& names, const std::string& stem, Shape shape,
                         std::vector<int64_t> values) {
  Tensor& tensor = new_constant(graph, names.take(stem), std::move(shape), ElementType::kInt64);
  tensor.integers = std::move(values);
  return tensor.name;
}

std::string add_variable(Graph& graph, const std::string& like, const std::string& stem) {
  Tensor tensor = graph.tensor(like);
  tensor.name = graph.fresh_name(stem);
  return graph.tensors.emplace(tensor.name, tensor).first->first;
}

void replace_uses(Graph& graph, std::string from, std::string to) {
  for (Node& node : graph.nodes) std::replace(node.inputs.begin(), node.inputs.end(), from, to);
  std::replace(graph.outputs.begin(), graph.outputs.end(), from, to);
}

void rename_tensor(Graph& graph, std::string from, std::string to) {
  if (from == to) return;
  auto handle = graph.tensors.extract(from);
  handle.key() = to;
  handle.mapped().name = to;
  graph.tensors.insert(std::move(handle));
  replace_uses(graph, from, to);
  for (Node& node : graph.nodes) std::replace(node.outputs.begin(), node.outputs.end(), from, to);
  std::replace(graph.inputs.begin(), graph.inputs.end(), from, to);
}

bool bypass(Graph& graph, int node, std::string input) {
  const std::string output = graph.nodes[node].outputs.front();
  if (!graph.is_output(output)) {
    replace_uses(graph, output, input);
    return true;
  }
  const bool keeps_its_name = graph.is_output(input) || graph.producer(input) < 0;
  if (keeps_its_name) return false;
  const std::string parked = graph.fresh_name(output);
  rename_tensor(graph, output, parked);
  replace_uses(graph, parked, input);
  rename_tensor(graph, input, output);
  return true;
}

void erase_nodes(Graph& graph, const std::set<int>& dead) {
  std::vector<Node> kept;
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    if (dead.count(static_cast<int>(i)) == 0) kept.push_back(std::move(graph.nodes[i]));
  }
  graph.nodes = std::move(kept);
  std::set<std::string> named(graph.inputs.begin(), graph.inputs.end());
  named.insert(graph.outputs.begin(), graph.outputs.end());
  for (const Node& node : graph.nodes) {
    named.insert(node.inputs.begin(), node.inputs.end());
    named.insert(node.outputs.begin(), node.outputs.end());
  }
  std::erase_if(graph.tensors, [&](const auto& entry) { return named.count(entry.first) == 0; });
}

void split_shared_constants(Graph& graph) {
  FreshNames names(graph);
  std::set<std::string> used;
  int64_t copied = 0;
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    for (size_t k = 0; k < graph.nodes[i].inputs.size(); ++k) {
      const std::string name = graph.nodes[i].inputs[k];
      if (name.empty() || !graph.tensor(name).constant || used.insert(name).second) continue;
      copied += graph.tensor(name).elements();
      if (copied > model_limits::kAllComputedElements) {
        fail(
            "the constant '{}' and others are read by so many nodes that their copies have more than {} "
            "elements; is this a "
            "detector?",
            name, model_limits::kAllComputedElements);
      }
      Tensor copy = graph.tensor(name);
      copy.name = names.take(name);
      used.insert(copy.name);
      graph.nodes[i].inputs[k] = copy.name;
      graph.tensors[copy.name] = std::move(copy);
    }
  }
}

}  // namespace shrike::graph
