#include "toolchain/graph/graph.h"

#include <algorithm>
#include <set>

#include "toolchain/support/error.h"

namespace shrike::graph {
namespace {

template <typename T>
T attribute_or(const Node& node, const std::string& key, const T& fallback, const char* kind) {
  const auto found = node.attributes.find(key);
  if (found == node.attributes.end()) return fallback;
  const T* value = std::get_if<T>(&found->second);
  if (value == nullptr) {
    fail("node '{}' ({}): attribute '{}' was expected to be {}; export the model again", node.name, node.op,
         key, kind);
  }
  return *value;
}

}  // namespace

int64_t element_count(const Shape& shape) {
  int64_t count = 1;
  for (const int64_t dim : shape) count *= dim;
  return count;
}

int64_t Node::integer(const std::string& key, int64_t fallback) const {
  return attribute_or(*this, key, fallback, "an integer");
}

float Node::real(const std::string& key, float fallback) const {
  return attribute_or(*this, key, fallback, "a float");
}

std::string Node::text(const std::string& key, const std::string& fallback) const {
  return attribute_or(*this, key, fallback, "a string");
}

std::vector<int64_t> Node::integers(const std::string& key, const std::vector<int64_t>& fallback) const {
  return attribute_or(*this, key, fallback, "a list of integers");
}

Tensor& Graph::tensor(const std::string& tensor_name) {
  const auto found = tensors.find(tensor_name);
  if (found == tensors.end()) fail("graph '{}' has no tensor '{}'", name, tensor_name);
  return found->second;
}

const Tensor& Graph::tensor(const std::string& tensor_name) const {
  return const_cast<Graph*>(this)->tensor(tensor_name);
}

int Graph::producer(const std::string& tensor_name) const {
  for (size_t i = 0; i < nodes.size(); ++i) {
    const auto& made = nodes[i].outputs;
    if (std::find(made.begin(), made.end(), tensor_name) != made.end()) return static_cast<int>(i);
  }
  return -1;
}

std::vector<int> Graph::consumers(const std::string& tensor_name) const {
  std::vector<int> found;
  for (size_t i = 0; i < nodes.size(); ++i) {
    const auto& used = nodes[i].inputs;
    if (std::find(used.begin(), used.end(), tensor_name) != used.end()) found.push_back(static_cast<int>(i));
  }
  return found;
}

bool Graph::is_output(const std::string& tensor_name) const {
  return std::find(outputs.begin(), outputs.end(), tensor_name) != outputs.end();
}

std::string Graph::fresh_name(const std::string& stem) const {
  std::set<std::string> node_names;
  for (const Node& node : nodes) node_names.insert(node.name);
  std::string candidate = stem;
  for (int i = 1; tensors.count(candidate) > 0 || node_names.count(candidate) > 0; ++i) {
    candidate = fmt::format("{}_{}", stem, i);
  }
  return candidate;
}

Links::Links(const Graph& graph) {
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    const int index = static_cast<int>(i);
    for (const std::string& output : graph.nodes[i].outputs) {
      if (!output.empty()) producer[output] = index;
    }
    for (const std::string& input : graph.nodes[i].inputs) {
      if (input.empty()) continue;
      std::vector<int>& users = consumers[input];
      if (users.empty() || users.back() != index) users.push_back(index);
    }
  }
}

void check(const Graph& graph) {
  std::set<std::string> defined;
  for (const std::string& input : graph.inputs) {
    if (graph.tensor(input).constant) fail("graph input '{}' is a constant", input);
    if (!defined.insert(input).second) fail("graph input '{}' is listed twice", input);
  }
  for (const auto& [name, tensor] : graph.tensors) {
    if (name != tensor.name) fail("tensor '{}' is registered under the name '{}'", tensor.name, name);
    if (!tensor.constant) continue;
    defined.insert(name);
    const size_t stored = tensor.type == ElementType::kFloat ? tensor.values.size() : tensor.integers.size();
    if (static_cast<int64_t>(stored) != tensor.elements()) {
      fail("constant '{}' holds {} values, its shape asks for {}", name, stored, tensor.elements());
    }
  }
  std::set<std::string> node_names;
  for (const Node& node : graph.nodes) {
    if (node.name.empty()) fail("a {} node has no name", node.op);
    if (!node_names.insert(node.name).second) fail("two nodes have the name '{}'", node.name);
    for (const std::string& input : node.inputs) {
      if (input.empty() || defined.count(input) > 0) continue;
      fail("node '{}' ({}) reads '{}', which no earlier node, input or constant provides", node.name, node.op,
           input);
    }
    for (const std::string& output : node.outputs) {
      if (output.empty()) continue;
      graph.tensor(output);
      if (!defined.insert(output).second)
        fail("tensor '{}' is defined again by node '{}'", output, node.name);
    }
  }
  for (const std::string& output : graph.outputs) {
    if (defined.count(output) == 0) fail("graph output '{}' is made by no node", output);
  }
}

}  // namespace shrike::graph
