#include "toolchain/import/graph_writer.h"

#include "toolchain/support/error.h"
#include "toolchain/support/model_limits.h"

namespace shrike::graph {

GraphWriter::GraphWriter(const std::string& file) : names_(graph_), file_(file) {}

std::string GraphWriter::input(const std::string& name, Shape shape) {
  const std::string unique = names_.take(name);
  Tensor& tensor = graph_.tensors[unique];
  tensor.name = unique;
  tensor.shape = std::move(shape);
  graph_.inputs.push_back(unique);
  return unique;
}

std::string GraphWriter::constant(const std::string& name, Shape shape, std::vector<float> values) {
  return add_constant(graph_, names_, name, std::move(shape), std::move(values));
}

std::string GraphWriter::integers(const std::string& name, std::vector<int64_t> values) {
  const auto count = static_cast<int64_t>(values.size());
  return add_constant(graph_, names_, name, {count}, std::move(values));
}

std::string GraphWriter::node(const std::string& op, const std::string& name, std::vector<std::string> inputs,
                              Attributes attributes) {
  return node(op, name, std::move(inputs), std::move(attributes), 1)[0];
}

std::vector<std::string> GraphWriter::node(const std::string& op, const std::string& name,
                                           std::vector<std::string> inputs, Attributes attributes,
                                           size_t outputs) {
  if (static_cast<int64_t>(graph_.nodes.size()) >= model_limits::kNodes)
    fail("{}: at most {} nodes were expected; is this a detector?", file_, model_limits::kNodes);
  Node node{names_.take(name), op, std::move(inputs), {}, std::move(attributes)};
  for (size_t i = 0; i < outputs; ++i) {
    const std::string made = names_.take(fmt::format("{}_output_{}", node.name, i));
    graph_.tensors[made].name = made;
    node.outputs.push_back(made);
  }
  graph_.nodes.push_back(node);
  return node.outputs;
}

void GraphWriter::output(const std::string& tensor, const std::string& name) {
  graph_.outputs.push_back(tensor);
  const int producer = graph_.producer(tensor);
  if (name.empty() || producer < 0 || graph_.tensors.count(name) > 0) return;
  for (size_t i = 0; i + 1 < graph_.outputs.size(); ++i) {
    if (graph_.outputs[i] == tensor) return;
  }
  rename_tensor(graph_, tensor, names_.take(name));
}

Graph GraphWriter::finish() {
  split_shared_constants(graph_);
  check(graph_);
  return std::move(graph_);
}

}  // namespace shrike::graph
