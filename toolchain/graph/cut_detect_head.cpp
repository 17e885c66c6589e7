#include <algorithm>
#include <optional>
#include <set>

#include "toolchain/graph/edit.h"
#include "toolchain/graph/inference.h"
#include "toolchain/graph/passes.h"
#include "toolchain/support/error.h"

namespace shrike::graph {
namespace {

constexpr size_t kLevels = 3;

// Operators that belong to the network proper: a decoder contains none of them.
bool is_network_operator(const std::string& op) {
  static const std::set<std::string> ops = {
      "Swish",   "Relu",        "LeakyRelu",         "HardSwish",
      "MaxPool", "AveragePool", "GlobalAveragePool", "BatchNormalization",
      "Resize",  "Gemm",        "ConvTranspose",     "GlobalMaxPool"};
  return ops.count(op) > 0;
}

struct RawConv {
  std::string tensor;
  int64_t channels = 0, height = 0, width = 0;
  bool feeds_softmax = false;  // distribution focal loss: a box
  bool feeds_sigmoid = false;  // probabilities: scores

  int64_t pixels() const { return height * width; }
};

struct Level {
  RawConv box, score;
};

class HeadFinder {
 public:
  explicit HeadFinder(Graph& graph) : graph_(graph), links_(graph), inference_(graph, Strictness::kLenient) {}

  // The levels, finest first; nullopt when the graph does not end in such a head.
  std::optional<std::vector<Level>> find() {
    for (const std::string& output : graph_.outputs) {
      if (!walk_back(output)) return std::nullopt;
    }
    if (raw_.size() != 2 * kLevels) return std::nullopt;
    std::stable_sort(raw_.begin(), raw_.end(),
                     [](const RawConv& a, const RawConv& b) { return a.pixels() > b.pixels(); });
    std::vector<Level> levels;
    for (size_t i = 0; i < raw_.size(); i += 2) {
      if (raw_[i].height != raw_[i + 1].height || raw_[i].width != raw_[i + 1].width) return std::nullopt;
      levels.push_back(classify(raw_[i], raw_[i + 1]));
    }
    return consistent(levels) ? std::optional(levels) : std::nullopt;
  }

 private:
  // Collects the convolutions whose results the decoder in front of `output` reads, in the order of its
  // inputs; false when it reads anything else.
  bool walk_back(const std::string& output) {
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
        if (!add(tensor)) return false;
        continue;
      }
      if (is_network_operator(node.op)) return false;
      for (auto input = node.inputs.rbegin(); input != node.inputs.rend(); ++input) {
        if (!input->empty() && !graph_.tensor(*input).constant) open.push_back(*input);
      }
    }
    return true;
  }

  // The decoder's 1x1 convolution with the weights 0, 1, 2, ... that takes the mean of a distribution.
  bool is_expectation(const Node& conv) const {
    const Tensor& weights = graph_.tensor(conv.inputs[1]);
    if (!weights.constant || weights.shape.empty() || weights.shape[0] != 1 || conv.inputs.size() > 2)
      return false;
    for (size_t i = 0; i < weights.values.size(); ++i) {
      if (weights.values[i] != static_cast<float>(i)) return false;
    }
    return weights.values.size() > 1;
  }

  bool add(const std::string& tensor) {
    const Shape& shape = graph_.tensor(tensor).shape;
    if (!inference_.knows(tensor) || shape.size() != 4) return false;
    RawConv conv{tensor, shape[1], shape[2], shape[3]};
    look_ahead(conv);
    raw_.push_back(conv);
    return true;
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
        if (node.op == "Sigmoid") conv.feeds_sigmoid = true;
        const bool decided = node.op == "Softmax" || node.op == "Sigmoid" || node.op == "Shape";
        if (!decided) open.insert(open.end(), node.outputs.begin(), node.outputs.end());
      }
    }
  }

  static Level classify(const RawConv& first, const RawConv& second) {
    return is_box_first(first, second) ? Level{first, second} : Level{second, first};
  }

  // `first` comes before `second` in the file's Concat or outputs. Where the two are decoded apart, the
  // operators tell; where they are joined before the decoder (or not decoded at all), channel counts and the
  // order do.
  static bool is_box_first(const RawConv& first, const RawConv& second) {
    if (first.feeds_softmax != second.feeds_softmax) return first.feeds_softmax;
    if (first.feeds_sigmoid != second.feeds_sigmoid) return second.feeds_sigmoid;
    const bool first_fits = first.channels % 4 == 0;
    const bool second_fits = second.channels % 4 == 0;
    return first_fits == second_fits || first_fits;
  }

  static bool consistent(const std::vector<Level>& levels) {
    for (size_t i = 0; i < levels.size(); ++i) {
      if (levels[i].box.channels % 4 != 0 || levels[i].box.channels != levels[0].box.channels) return false;
      if (levels[i].score.channels != levels[0].score.channels) return false;
      if (i > 0 && levels[i].box.pixels() >= levels[i - 1].box.pixels()) return false;
    }
    return true;
  }

  Graph& graph_;
  Links links_;
  Inference inference_;
  std::set<std::string> seen_;
  std::vector<RawConv> raw_;
};

std::vector<std::string> head_names() {
  std::vector<std::string> names;
  for (size_t i = 0; i < kLevels; ++i) {
    names.push_back(fmt::format("box{}", i));
    names.push_back(fmt::format("score{}", i));
  }
  return names;
}

bool ends_in_named_head(const Graph& graph) {
  std::vector<std::string> wanted = head_names();
  std::vector<std::string> found = graph.outputs;
  std::sort(wanted.begin(), wanted.end());
  std::sort(found.begin(), found.end());
  return wanted == found;
}

// Two steps, so that a file that uses one of the names for another tensor does no harm.
void rename_outputs(Graph& graph, const std::vector<std::string>& names) {
  for (size_t i = 0; i < names.size(); ++i)
    rename_tensor(graph, graph.outputs[i], graph.fresh_name("head_output"));
  for (size_t i = 0; i < names.size(); ++i) {
    if (graph.tensors.count(names[i]) > 0)
      rename_tensor(graph, names[i], graph.fresh_name(names[i] + "_inner"));
    rename_tensor(graph, graph.outputs[i], names[i]);
  }
}

std::string last_nodes(const Graph& graph) {
  constexpr size_t kShown = 6;
  std::string text;
  const size_t first = graph.nodes.size() - std::min(kShown, graph.nodes.size());
  for (size_t i = first; i < graph.nodes.size(); ++i) {
    text += fmt::format("{}'{}' ({})", i == first ? "" : ", ", graph.nodes[i].name, graph.nodes[i].op);
  }
  return text;
}

}  // namespace

void cut_detect_head(Graph& graph) {
  if (ends_in_named_head(graph)) {
    graph.outputs = head_names();
    return;
  }
  const auto levels = HeadFinder(graph).find();
  if (!levels) {
    fail(
        "graph '{}': a detection head with {} levels of box and score convolutions was expected at the end, "
        "found {} "
        "as the last nodes; name the outputs yourself with --outputs NAME,...",
        graph.name, kLevels, last_nodes(graph));
  }
  graph.outputs.clear();
  for (const Level& level : *levels) {
    graph.outputs.push_back(level.box.tensor);
    graph.outputs.push_back(level.score.tensor);
  }
  remove_dead_nodes(graph);
  rename_outputs(graph, head_names());
}

}  // namespace shrike::graph
