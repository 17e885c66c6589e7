#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "toolchain/graph/edit.h"
#include "toolchain/graph/inference.h"
#include "toolchain/graph/passes.h"
#include "toolchain/operators/affine.h"
#include "toolchain/operators/evaluate.h"
#include "toolchain/operators/operator.h"

namespace shrike::graph {
namespace {

using Edge = std::pair<int, size_t>;  // node, input slot; node -1: graph output

bool only_moves(const Node& node) {
  const operators::Operator* row = operators::find(node.op);
  return row != nullptr && row->source != nullptr;
}

// Which output channels of a convolution arrive at every place that computes with them, found by sending the
// channel numbers through the Reshape, Split, Transpose, ... nodes behind it. This covers every way of
// cutting q, k and v out.
class ChannelTrace {
 public:
  ChannelTrace(Graph& graph, const Links& links, Inference& inference, int convolution)
      : graph_(graph), links_(links), inference_(inference) {
    const std::string& output = graph.nodes[static_cast<size_t>(convolution)].outputs[0];
    const Shape& shape = graph.tensor(output).shape;
    const int64_t channels = shape[1];
    int64_t pixels = 1;
    for (size_t i = 2; i < shape.size(); ++i) pixels *= shape[i];
    std::vector<int64_t> labels(static_cast<size_t>(graph.tensor(output).elements()));
    for (size_t i = 0; i < labels.size(); ++i) labels[i] = static_cast<int64_t>(i) / pixels % channels;
    follow({output, std::move(labels)});
  }

  // The channels that this edge reads, unless some other edge reads one of them, too.
  std::optional<std::set<int64_t>> exclusive(const Edge& edge) const {
    const auto found = arrivals_.find(edge);
    if (found == arrivals_.end()) return std::nullopt;
    for (const auto& [other, channels] : arrivals_) {
      if (other == edge) continue;
      const bool shared = std::any_of(channels.begin(), channels.end(),
                                      [&](int64_t channel) { return found->second.count(channel) > 0; });
      if (shared) return std::nullopt;
    }
    return found->second;
  }

 private:
  using Labelled = std::pair<std::string, std::vector<int64_t>>;

  // Every tensor behind the convolution is reached once: nodes that only move have one data input.
  void follow(Labelled start) {
    std::vector<Labelled> open = {std::move(start)};
    while (!open.empty()) {
      const auto [tensor, labels] = std::move(open.back());
      open.pop_back();
      if (graph_.is_output(tensor)) arrivals_[{-1, 0}].insert(labels.begin(), labels.end());
      const auto users = links_.consumers.find(tensor);
      if (users == links_.consumers.end()) continue;
      for (const int user : users->second) {
        const Node& node = graph_.nodes[static_cast<size_t>(user)];
        for (size_t slot = 0; slot < node.inputs.size(); ++slot) {
          if (node.inputs[slot] != tensor) continue;
          const bool moved = slot == 0 && only_moves(node) && pass_through(node, labels, open);
          if (!moved) arrivals_[{user, slot}].insert(labels.begin(), labels.end());
        }
      }
    }
  }

  bool pass_through(const Node& node, const std::vector<int64_t>& labels, std::vector<Labelled>& open) {
    if (!inference_.knows(node.outputs[0])) return false;
    const RuleContext context(inference_, node);
    for (size_t slot = 0; slot < node.outputs.size(); ++slot) {
      const auto source = operators::copied_from(context, slot, graph_.tensor(node.outputs[slot]).shape);
      if (!source) return false;
      std::vector<int64_t> moved;
      for (const int64_t index : *source) moved.push_back(labels[static_cast<size_t>(index)]);
      open.emplace_back(node.outputs[slot], std::move(moved));
    }
    return true;
  }

  Graph& graph_;
  const Links& links_;
  Inference& inference_;
  std::map<Edge, std::set<int64_t>> arrivals_;
};

class Folder {
 public:
  explicit Folder(Graph& graph) : graph_(graph), links_(graph), inference_(graph, Strictness::kLenient) {}

  // Folds one multiplier; false when there is none left.
  bool fold_one() {
    for (size_t i = 0; i < graph_.nodes.size(); ++i) {
      const int index = static_cast<int>(i);
      const auto multiplier = scaled(graph_.nodes[i]);
      if (!multiplier) continue;
      const auto [slot, factor] = *multiplier;
      const std::string x = graph_.nodes[i].inputs[slot];
      const int product = producer(x, operators::Role::kMatrix);
      const bool scores = product >= 0 && links_.consumers.at(x).size() == 1 && !graph_.is_output(x);
      // Behind q.k the factor may go into q or, if q is used elsewhere, into k.
      const bool folded = scores
                              ? fold_into({product, 0}, factor) || fold_into({product, 1}, factor)
                              : feeds_matmul(graph_.nodes[i].outputs[0]) && fold_into({index, slot}, factor);
      if (!folded || !bypass(graph_, index, x)) continue;
      erase_nodes(graph_, {index});
      return true;
    }
    return false;
  }

 private:
  int producer(const std::string& tensor, operators::Role role) const {
    const auto found = links_.producer.find(tensor);
    if (found == links_.producer.end()) return -1;
    return operators::has_role(graph_.nodes[static_cast<size_t>(found->second)].op, role) ? found->second
                                                                                          : -1;
  }

  struct Scaled {
    size_t slot;  // of x
    float factor;
  };

  // x and the number in x * number or x / number; nothing for other nodes.
  std::optional<Scaled> scaled(const Node& node) const {
    if (node.inputs.size() != 2 || graph_.is_output(node.outputs[0])) return std::nullopt;
    for (size_t slot = 0; slot < 2; ++slot) {
      const Tensor& x = graph_.tensor(node.inputs[slot]);
      if (x.constant || x.shape != graph_.tensor(node.outputs[0]).shape) continue;
      const auto line = operators::line_of(graph_, node, slot);
      if (!line || line->shift != 0 || line->scale == 0 || !std::isfinite(line->scale)) continue;
      return Scaled{slot, static_cast<float>(line->scale)};
    }
    return std::nullopt;
  }

  // A MatMul reads the tensor, directly or behind nodes that only move.
  bool feeds_matmul(const std::string& tensor) const {
    std::vector<std::string> open = {tensor};
    while (!open.empty()) {
      const auto users = links_.consumers.find(open.back());
      open.pop_back();
      if (users == links_.consumers.end()) continue;
      for (const int user : users->second) {
        const Node& node = graph_.nodes[static_cast<size_t>(user)];
        if (operators::has_role(node.op, operators::Role::kMatrix)) return true;
        if (only_moves(node)) open.insert(open.end(), node.outputs.begin(), node.outputs.end());
      }
    }
    return false;
  }

  int convolution_behind(const Edge& edge) const {
    std::string tensor = graph_.nodes[static_cast<size_t>(edge.first)].inputs[edge.second];
    for (;;) {
      const auto made_by = links_.producer.find(tensor);
      if (made_by == links_.producer.end()) return -1;
      const Node& node = graph_.nodes[static_cast<size_t>(made_by->second)];
      if (operators::has_role(node.op, operators::Role::kWeighted))
        return operators::output_channel_axis(node) == 0 ? made_by->second : -1;
      if (!only_moves(node)) return -1;
      tensor = node.inputs[0];
    }
  }

  // Multiplies the output channels of the convolution that `edge` reads, if nothing else reads them.
  bool fold_into(const Edge& edge, float factor) {
    const int index = convolution_behind(edge);
    if (index < 0) return false;
    Node& conv = graph_.nodes[static_cast<size_t>(index)];
    Tensor& weights = graph_.tensor(conv.inputs[1]);
    if (!weights.constant || !inference_.knows(conv.outputs[0])) return false;
    const auto channels = ChannelTrace(graph_, links_, inference_, index).exclusive(edge);
    if (!channels) return false;
    const size_t row = weights.values.size() / static_cast<size_t>(weights.shape[0]);
    const bool has_bias = conv.inputs.size() > 2 && !conv.inputs[2].empty();
    if (has_bias && !graph_.tensor(conv.inputs[2]).constant) return false;
    for (const int64_t channel : *channels) {
      const auto c = static_cast<size_t>(channel);
      for (size_t i = c * row; i < (c + 1) * row; ++i) weights.values[i] *= factor;
      if (has_bias) graph_.tensor(conv.inputs[2]).values[c] *= factor;
    }
    return true;
  }

  Graph& graph_;
  Links links_;
  Inference inference_;
};

}  // namespace

void fold_attention_scale(Graph& graph) {
  while (Folder(graph).fold_one()) {
  }
}

}  // namespace shrike::graph
