// Small graphs written by hand, for tests of the engine.
#pragma once
#include <string>
#include <utility>
#include <vector>

#include "toolchain/engine/engine.h"
#include "toolchain/graph/graph.h"

namespace shrike::tests {

class GraphBuilder {
 public:
  GraphBuilder& input(const std::string& name, graph::Shape shape, graph::Format format = {}) {
    variable(name, std::move(shape), std::move(format));
    graph_.inputs.push_back(name);
    return *this;
  }
  GraphBuilder& variable(const std::string& name, graph::Shape shape, graph::Format format = {}) {
    graph::Tensor& tensor = graph_.tensors[name];
    tensor.name = name;
    tensor.shape = std::move(shape);
    tensor.format = std::move(format);
    return *this;
  }
  GraphBuilder& constant(const std::string& name, graph::Shape shape, std::vector<float> values,
                         graph::Format format = {}) {
    variable(name, std::move(shape), std::move(format));
    graph_.tensors[name].constant = true;
    graph_.tensors[name].values = std::move(values);
    return *this;
  }
  GraphBuilder& integers(const std::string& name, std::vector<int64_t> values) {
    variable(name, {static_cast<int64_t>(values.size())});
    graph_.tensors[name].constant = true;
    graph_.tensors[name].type = graph::ElementType::kInt64;
    graph_.tensors[name].integers = std::move(values);
    return *this;
  }
  GraphBuilder& node(const std::string& op, std::vector<std::string> inputs, std::vector<std::string> outputs,
                     std::map<std::string, graph::Attribute> attributes = {}) {
    for (const std::string& output : outputs) {
      if (!graph_.tensors.contains(output)) variable(output, {});
    }
    graph_.nodes.push_back({op + "_" + std::to_string(graph_.nodes.size()), op, std::move(inputs), outputs,
                            std::move(attributes)});
    graph_.outputs = std::move(outputs);
    return *this;
  }
  GraphBuilder& outputs(std::vector<std::string> names) {
    graph_.outputs = std::move(names);
    return *this;
  }
  const graph::Graph& graph() const { return graph_; }
  graph::Tensor& tensor(const std::string& name) { return graph_.tensors.at(name); }

 private:
  graph::Graph graph_;
};

// 0, 1, 2, ...
inline std::vector<float> counting(int64_t count, float first = 0) {
  std::vector<float> values;
  for (int64_t i = 0; i < count; ++i) values.push_back(first + static_cast<float>(i));
  return values;
}

// The single output of `builder` for its inputs.
inline engine::Array run(const GraphBuilder& builder, const std::map<std::string, engine::Array>& inputs,
                         const engine::EngineOptions& options = {}) {
  engine::Engine engine(builder.graph(), options);
  return engine.run(inputs).at(builder.graph().outputs.at(0));
}

inline engine::EngineOptions fake_quantized(bool half_even = true) {
  engine::EngineOptions options;
  options.precision = engine::Precision::kFakeQuantized;
  options.half_even = half_even;
  return options;
}

}  // namespace shrike::tests
