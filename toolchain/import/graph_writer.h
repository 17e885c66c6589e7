// Internal to the import: an IR graph written node by node, for formats that are not ONNX. Tensors are named
// after their node as PyTorch's ONNX export names them: node "/a/Conv" makes "/a/Conv_output_0".
#pragma once
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "toolchain/graph/edit.h"
#include "toolchain/graph/graph.h"

namespace shrike::graph {

using Attributes = std::map<std::string, Attribute>;

class GraphWriter {
 public:
  // `file` begins the sentences of errors.
  explicit GraphWriter(const std::string& file);

  std::string input(const std::string& name, Shape shape);
  std::string constant(const std::string& name, Shape shape, std::vector<float> values);
  std::string integers(const std::string& name, std::vector<int64_t> values);
  // The node's only output; `name` is made unique.
  std::string node(const std::string& op, const std::string& name, std::vector<std::string> inputs,
                   Attributes attributes = {});
  std::vector<std::string> node(const std::string& op, const std::string& name,
                                std::vector<std::string> inputs, Attributes attributes, size_t outputs);
  // `tensor` becomes a graph output; with a `name` it is renamed where it can be (inputs and outputs keep
  // theirs).
  void output(const std::string& tensor, const std::string& name = "");

  Graph& graph() { return graph_; }
  // The finished graph: constants with several readers are parted, everything is checked.
  Graph finish();

 private:
  Graph graph_;
  FreshNames names_;
  const std::string& file_;
};

}  // namespace shrike::graph
