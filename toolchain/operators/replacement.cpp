#include "toolchain/operators/replacement.h"

#include <algorithm>
#include <utility>

namespace shrike::operators {

std::string Replacement::add(const std::string& op, std::vector<std::string> inputs, Attributes attributes) {
  return add_parts(op, std::move(inputs), 1, std::move(attributes))[0];
}

std::vector<std::string> Replacement::add_parts(const std::string& op, std::vector<std::string> inputs,
                                                size_t outputs, Attributes attributes) {
  graph::Node added;
  added.op = op;
  added.inputs = std::move(inputs);
  added.attributes = std::move(attributes);
  for (size_t i = 0; i < outputs; ++i) {
    const std::string output = names_.take(node_.name + "/" + op);
    graph_.tensors[output].name = output;
    added.outputs.push_back(output);
  }
  added.name = added.outputs[0];
  nodes_.push_back(added);
  return added.outputs;
}

std::string Replacement::constant(const std::string& stem, graph::Shape shape, std::vector<float> values) {
  return graph::add_constant(graph_, names_, node_.name + "/" + stem, std::move(shape), std::move(values));
}

std::string Replacement::constant(const std::string& stem, std::vector<int64_t> values) {
  const auto count = static_cast<int64_t>(values.size());
  return graph::add_constant(graph_, names_, node_.name + "/" + stem, {count}, std::move(values));
}

std::vector<graph::Node> Replacement::finish() {
  graph::Node& last = nodes_.back();
  graph_.tensors.erase(last.outputs[0]);
  last.outputs = {node_.outputs[0]};
  last.name = node_.name;
  return std::move(nodes_);
}

std::vector<graph::Node> Replacement::finish(const std::vector<std::string>& results) {
  for (size_t i = 0; i < results.size(); ++i) {
    const std::string& wanted = node_.outputs[i];
    if (results[i].empty() || wanted.empty()) continue;
    for (graph::Node& node : nodes_) {
      std::replace(node.inputs.begin(), node.inputs.end(), results[i], wanted);
      std::replace(node.outputs.begin(), node.outputs.end(), results[i], wanted);
    }
    graph_.tensors.erase(results[i]);
  }
  nodes_.back().name = node_.name;
  return std::move(nodes_);
}

}  // namespace shrike::operators
