#include "toolchain/import/tflite/merge.h"

#include <set>
#include <string>
#include <vector>

#include "toolchain/graph/edit.h"

namespace shrike::graph::tflite {
namespace {

class Merger {
 public:
  explicit Merger(Graph& graph) : graph_(graph), links_(graph) {}

  void run() {
    for (size_t i = 0; i < graph_.nodes.size(); ++i) {
      if (graph_.nodes[i].op == "Concat") try_merge(i);
    }
    if (!dead_.empty()) erase_nodes(graph_, dead_);
  }

 private:
  // The node that makes `tensor`, when it is read once and is no output; -1 otherwise.
  int private_producer(const std::string& tensor, const char* op) const {
    const auto made = links_.producer.find(tensor);
    const auto read = links_.consumers.find(tensor);
    if (made == links_.producer.end() || read == links_.consumers.end() || read->second.size() != 1)
      return -1;
    return graph_.nodes[static_cast<size_t>(made->second)].op == op && !graph_.is_output(tensor)
               ? made->second
               : -1;
  }

  void try_merge(size_t concat) {
    const std::vector<std::string> parts = graph_.nodes[concat].inputs;
    if (parts.size() < 2 || graph_.nodes[concat].integer("axis", 0) != 1) return;
    std::vector<int> convolutions;
    int split = -1;
    for (size_t i = 0; i < parts.size(); ++i) {
      const int index = private_producer(parts[i], "Conv");
      if (index < 0) return;
      const Node& conv = graph_.nodes[static_cast<size_t>(index)];
      const int source = private_producer(conv.inputs[0], "Split");
      if (source < 0 || (i > 0 && source != split)) return;
      split = source;
      const Node& origin = graph_.nodes[static_cast<size_t>(split)];
      const Node& first = graph_.nodes[static_cast<size_t>(i == 0 ? index : convolutions[0])];
      const Shape& filters = graph_.tensor(conv.inputs[1]).shape;
      const bool fits = origin.outputs.size() == parts.size() && origin.outputs[i] == conv.inputs[0] &&
                        origin.integer("axis", 0) == 1 && conv.attributes == first.attributes &&
                        filters[0] == 1 && filters[1] == 1 && graph_.tensor(first.inputs[1]).shape == filters;
      if (!fits) return;
      convolutions.push_back(index);
    }
    merge(concat, split, convolutions);
  }

  // The depthwise convolution takes the place of the Concat.
  void merge(size_t concat, int split, const std::vector<int>& convolutions) {
    const auto count = static_cast<int64_t>(convolutions.size());
    std::vector<float> weights, biases;
    for (const int index : convolutions) {
      const Node& conv = graph_.nodes[static_cast<size_t>(index)];
      const std::vector<float>& own = graph_.tensor(conv.inputs[1]).values;
      weights.insert(weights.end(), own.begin(), own.end());
      biases.push_back(conv.inputs.size() > 2 ? graph_.tensor(conv.inputs[2]).values.at(0) : 0);
    }
    const Node first = graph_.nodes[static_cast<size_t>(convolutions[0])];
    Shape filters = graph_.tensor(first.inputs[1]).shape;
    filters[0] = count;
    Node& node = graph_.nodes[concat];
    node.op = "Conv";
    node.attributes = first.attributes;
    node.attributes["group"] = count;
    node.inputs = {graph_.nodes[static_cast<size_t>(split)].inputs[0],
                   add_constant(graph_, node.name + "/weight", filters, std::move(weights)),
                   add_constant(graph_, node.name + "/bias", {count}, std::move(biases))};
    dead_.insert(split);
    dead_.insert(convolutions.begin(), convolutions.end());
  }

  Graph& graph_;
  Links links_;
  std::set<int> dead_;
};

}  // namespace

void merge_split_convolutions(Graph& graph) {
  Merger(graph).run();
}

}  // namespace shrike::graph::tflite
