#include "toolchain/heads/frontier.h"

#include <algorithm>

namespace shrike::heads {
namespace {

using graph::Node;

// Operators that belong to the network proper: a decoder contains none of them.
bool is_network_operator(const std::string& op) {
  static const std::set<std::string> ops = {
      "Swish",   "Relu",        "LeakyRelu",         "HardSwish",
      "MaxPool", "AveragePool", "GlobalAveragePool", "BatchNormalization",
      "Resize",  "Gemm",        "ConvTranspose",     "GlobalMaxPool"};
  return ops.count(op) > 0;
}

class Walk {
 public:
  explicit Walk(graph::Graph& graph)
      : graph_(graph), links_(graph), inference_(graph, graph::Strictness::kLenient) {}

  std::optional<Frontier> run(const std::vector<std::string>& outputs) {
    for (const std::string& output : outputs) {
      if (!back_from(output)) return std::nullopt;
    }
    return frontier_;
  }

 private:
  // Collects the convolutions whose results the decoder in front of `output` reads, in the order of its
  // inputs; false when it reads anything else.
  bool back_from(const std::string& output) {
    std::vector<std::string> open = {output};
    while (!open.empty()) {
      const std::string tensor = open.back();
      open.pop_back();
      if (!seen_.insert(tensor).second) continue;
      const auto made_by = links_.producer.find(tensor);
      if (made_by == links_.producer.end()) return false;  // a graph input
      const Node& node = graph_.nodes[static_cast<size_t>(made_by->second)];
      if (node.op == "Shape") continue;  // sizes, not data
      if (node.op == "Conv" && !is_expectation(node)) {
        if (!add(tensor, node)) return false;
        continue;
      }
      if (is_network_operator(node.op) || joins_branches(node) || is_attention(node)) return false;
      frontier_.tail.insert(node.op);
      for (auto input = node.inputs.rbegin(); input != node.inputs.rend(); ++input) {
        if (!input->empty() && !graph_.tensor(*input).constant) open.push_back(*input);
      }
    }
    return true;
  }

  // A residual network ends so, too: what two convolutions made is added up. A decoder adds constants, and
  // sides of one box.
  bool joins_branches(const Node& node) const {
    if (node.op != "Add" && node.op != "Sub") return false;
    std::set<std::string> sources[2];
    for (size_t i = 0; i < 2; ++i) sources[i] = convolutions_behind(node.inputs[i]);
    if (sources[0].empty() || sources[1].empty()) return false;
    for (const std::string& tensor : sources[0]) {
      if (sources[1].count(tensor) > 0) return false;
    }
    return true;
  }

  // Products of two variables; a decoder multiplies by a matrix of its own at most (the ramp of bins).
  bool is_attention(const Node& node) const {
    return node.op == "MatMul" &&
           std::none_of(node.inputs.begin(), node.inputs.end(),
                        [&](const auto& input) { return graph_.tensor(input).constant; });
  }

  std::set<std::string> convolutions_behind(const std::string& from) const {
    std::vector<std::string> open = {from};
    std::set<std::string> seen, found;
    while (!open.empty()) {
      const std::string tensor = open.back();
      open.pop_back();
      const auto made_by = links_.producer.find(tensor);
      if (!seen.insert(tensor).second || made_by == links_.producer.end()) continue;
      const Node& node = graph_.nodes[static_cast<size_t>(made_by->second)];
      if (node.op == "Shape") continue;
      if (node.op == "Conv" && !is_expectation(node)) {
        found.insert(tensor);
        continue;
      }
      open.insert(open.end(), node.inputs.begin(), node.inputs.end());
    }
    return found;
  }

  // The decoder's 1x1 convolution with the weights 0, 1, 2, ... that takes the mean of a distribution.
  bool is_expectation(const Node& conv) const {
    const graph::Tensor& weights = graph_.tensor(conv.inputs[1]);
    if (!weights.constant || weights.shape.empty() || weights.shape[0] != 1 || conv.inputs.size() > 2) {
      return false;
    }
    for (size_t i = 0; i < weights.values.size(); ++i) {
      if (weights.values[i] != static_cast<float>(i)) return false;
    }
    return weights.values.size() > 1;
  }

  bool add(const std::string& tensor, const Node& node) {
    const graph::Shape& shape = graph_.tensor(tensor).shape;
    if (!inference_.knows(tensor) || shape.size() != 4) return false;
    RawConv conv{tensor, node.inputs[0], shape[1], shape[2], shape[3]};
    look_ahead(conv);
    conv.feeds_turn = reaches_turn(conv.tensor);
    frontier_.convs.push_back(conv);
    return true;
  }

  bool reaches_turn(const std::string& from) const {
    std::vector<std::string> open = {from};
    std::set<std::string> seen;
    while (!open.empty()) {
      const std::string tensor = open.back();
      open.pop_back();
      const auto users = links_.consumers.find(tensor);
      if (!seen.insert(tensor).second || users == links_.consumers.end()) continue;
      for (const int user : users->second) {
        const Node& node = graph_.nodes[static_cast<size_t>(user)];
        if (node.op == "Cos" || node.op == "Sin") return true;
        open.insert(open.end(), node.outputs.begin(), node.outputs.end());
      }
    }
    return false;
  }

  void look_ahead(RawConv& conv) const {
    std::vector<std::string> open = {conv.tensor};
    std::set<std::string> seen;
    while (!open.empty()) {
      const std::string tensor = open.back();
      open.pop_back();
      const auto users = links_.consumers.find(tensor);
      if (!seen.insert(tensor).second || users == links_.consumers.end()) continue;
      for (const int user : users->second) {
        const Node& node = graph_.nodes[static_cast<size_t>(user)];
        if (node.op == "Softmax") conv.feeds_softmax = true;
        if (node.op == "Softmax" && may_be_over_bins(node, conv.channels)) conv.feeds_bins = true;
        if (node.op == "Sigmoid") conv.feeds_sigmoid = true;
        const bool decided = node.op == "Softmax" || node.op == "Sigmoid" || node.op == "Shape";
        if (!decided) open.insert(open.end(), node.outputs.begin(), node.outputs.end());
      }
    }
  }

  // A distribution for each side of a box: as many bins as there are channels a side. Softmax over all
  // channels, or over places, is something else.
  bool may_be_over_bins(const Node& softmax, int64_t channels) const {
    if (!inference_.knows(softmax.inputs[0])) return true;
    const graph::Shape& shape = graph_.tensor(softmax.inputs[0]).shape;
    const int64_t rank = static_cast<int64_t>(shape.size());
    const int64_t axis = softmax.integer("axis", -1) + (softmax.integer("axis", -1) < 0 ? rank : 0);
    return axis >= 0 && axis < rank && kSides * shape[static_cast<size_t>(axis)] == channels;
  }

  graph::Graph& graph_;
  graph::Links links_;
  graph::Inference inference_;
  std::set<std::string> seen_;
  Frontier frontier_;
};

}  // namespace

bool Frontier::is_raw() const {
  static const std::set<std::string> movers = {"Concat",  "Reshape",   "Transpose",
                                               "Flatten", "Unsqueeze", "Squeeze"};
  for (const std::string& op : tail) {
    if (movers.count(op) == 0) return false;
  }
  return true;
}

std::optional<Frontier> find_frontier(graph::Graph& graph, const std::vector<std::string>& outputs) {
  return Walk(graph).run(outputs);
}

}  // namespace shrike::heads
