// Nodes that take another node's place, built one after the other.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "toolchain/graph/edit.h"
#include "toolchain/graph/graph.h"

namespace shrike::operators {

class Replacement {
 public:
  using Attributes = std::map<std::string, graph::Attribute>;

  Replacement(graph::Graph& graph, const graph::Node& node) : graph_(graph), node_(node), names_(graph) {}

  // Adds a node and returns its output's name.
  std::string add(const std::string& op, std::vector<std::string> inputs, Attributes attributes = {});
  // The same with several outputs.
  std::vector<std::string> add_parts(const std::string& op, std::vector<std::string> inputs, size_t outputs,
                                     Attributes attributes = {});
  std::string constant(const std::string& stem, graph::Shape shape, std::vector<float> values);
  std::string constant(const std::string& stem, std::vector<int64_t> values);

  // The nodes. The last one has the replaced node's name, so that options that name layers go on to work, and
  // makes its output.
  std::vector<graph::Node> finish();
  // The same for a node with several outputs: `results` are the tensors, each made by a node of its own, that
  // stand for them; empty where nobody asks.
  std::vector<graph::Node> finish(const std::vector<std::string>& results);

 private:
  graph::Graph& graph_;
  const graph::Node& node_;
  graph::FreshNames names_;
  std::vector<graph::Node> nodes_;
};

}  // namespace shrike::operators
