#include "toolchain/graph/fuse_functions.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <set>

#include "toolchain/graph/edit.h"
#include "toolchain/operators/expression.h"
#include "toolchain/operators/operator.h"

namespace shrike::graph {
namespace {

constexpr size_t kMostNodes = 24;                // longest function that is looked for
constexpr size_t kLongest = 2000;                // characters of its text
constexpr float kLargestNumber = 2147483648.0f;  // beyond 2^31 no format reaches

// The nodes between one tensor and the node `end`, if they compute a function of that tensor alone.
class Region {
 public:
  Region(const Graph& graph, const Links& links, int end) : graph_(graph), links_(links), end_(end) {}

  // Every tensor that may be the variable: behind which all nodes up to the end are element-wise.
  std::vector<std::string> roots() const {
    std::vector<std::string> found, open = {output(end_)};
    std::set<std::string> seen;
    while (!open.empty() && seen.size() < kMostNodes) {
      const std::string tensor = open.back();
      open.pop_back();
      if (!seen.insert(tensor).second) continue;
      const auto made_by = links_.producer.find(tensor);
      const bool inner = made_by != links_.producer.end() && is_element_wise(node(made_by->second));
      if (tensor != output(end_)) found.push_back(tensor);
      if (!inner) continue;
      for (const std::string& input : node(made_by->second).inputs) {
        if (!input.empty() && !graph_.tensor(input).constant) open.push_back(input);
      }
    }
    return found;
  }

  // The expression over `root`; nothing if other tensors take part, or others see what is computed on the
  // way.
  std::optional<std::string> expression(const std::string& root) {
    nodes_.clear();
    texts_.clear();
    auto text = text_of(output(end_), root);
    if (!text || nodes_.size() < 2 || !closed()) return std::nullopt;
    return text;
  }
  const std::set<int>& nodes() const { return nodes_; }

 private:
  const Node& node(int index) const { return graph_.nodes[static_cast<size_t>(index)]; }
  const std::string& output(int index) const { return node(index).outputs[0]; }

  bool is_element_wise(const Node& candidate) const {
    const operators::Operator* row = operators::find(candidate.op);
    return row != nullptr && candidate.outputs.size() == 1 &&
           (row->formula != nullptr || row->binary.reals != nullptr);
  }

  // Every tensor is written once; what reads it twice repeats the text, up to a length.
  std::optional<std::string> text_of(const std::string& tensor, const std::string& root) {
    if (const auto known = texts_.find(tensor); known != texts_.end()) return known->second;
    std::optional<std::string> text = make_text(tensor, root);
    if (text && text->size() > kLongest) text.reset();
    return texts_[tensor] = text;
  }

  std::optional<std::string> make_text(const std::string& tensor, const std::string& root) {
    if (tensor == root) return "x";
    const Tensor& value = graph_.tensor(tensor);
    if (value.constant) {
      if (value.type != ElementType::kFloat || value.elements() != 1) return std::nullopt;
      // Left a constant of a node, it is refused by name (pipeline/check_values.h).
      if (!(std::fabs(value.values[0]) <= kLargestNumber)) return std::nullopt;
      return fmt::format("{}", value.values[0]);
    }
    const auto made_by = links_.producer.find(tensor);
    if (made_by == links_.producer.end() || value.shape != graph_.tensor(root).shape) return std::nullopt;
    const Node& maker = node(made_by->second);
    if (!is_element_wise(maker)) return std::nullopt;
    nodes_.insert(made_by->second);
    if (nodes_.size() > kMostNodes) return std::nullopt;
    std::vector<std::string> inputs;
    const bool function = operators::find(maker.op)->formula != nullptr;
    for (const std::string& input : maker.inputs) {
      if (function && !inputs.empty()) break;  // its constants are part of its name
      const auto text = text_of(input, root);
      if (!text) return std::nullopt;
      inputs.push_back(*text);
    }
    return operators::expression_of(graph_, maker, inputs);
  }

  bool closed() const {
    return std::all_of(nodes_.begin(), nodes_.end(), [&](int index) {
      if (index == end_) return true;
      const auto readers = links_.consumers.find(output(index));
      return !graph_.is_output(output(index)) && readers != links_.consumers.end() &&
             std::all_of(readers->second.begin(), readers->second.end(),
                         [&](int reader) { return nodes_.contains(reader); });
    });
  }

  const Graph& graph_;
  const Links& links_;
  int end_;
  std::set<int> nodes_;
  std::map<std::string, std::optional<std::string>> texts_;
};

// Sums and products alone are left to the operators that do them (and to the convolutions that they fold
// into).
bool has_function(const Graph& graph, const std::set<int>& nodes) {
  return std::any_of(nodes.begin(), nodes.end(), [&](int index) {
    const operators::Operator* row = operators::find(graph.nodes[static_cast<size_t>(index)].op);
    return row->role == operators::Role::kTable;
  });
}

// Nodes that a function may end in: one that has_function() asks for lies behind them, no further than the
// longest function reaches. Looking for expressions is dear, and long chains of sums and products have none.
std::vector<bool> possible_ends(const Graph& graph, const Links& links) {
  std::vector<size_t> distance(graph.nodes.size(), kMostNodes);
  std::vector<bool> possible(graph.nodes.size());
  for (size_t i = 0; i < graph.nodes.size(); ++i) {  // in order: what makes an input comes before
    for (const std::string& input : graph.nodes[i].inputs) {
      const auto made_by = links.producer.find(input);
      if (made_by == links.producer.end()) continue;
      distance[i] = std::min(distance[i], distance[static_cast<size_t>(made_by->second)] + 1);
    }
    const operators::Operator* row = operators::find(graph.nodes[i].op);
    if (row != nullptr && row->role == operators::Role::kTable) distance[i] = 0;
    possible[i] = distance[i] < kMostNodes;
  }
  return possible;
}

// The function ends where the next node isn't part of it: the last nodes come first.
bool fuse_one(Graph& graph) {
  const Links links(graph);
  const std::vector<bool> possible = possible_ends(graph, links);
  for (size_t i = graph.nodes.size(); i-- > 0;) {
    if (!possible[i]) continue;
    Region region(graph, links, static_cast<int>(i));
    std::string best_root, best_text;
    std::set<int> best;
    for (const std::string& root : region.roots()) {
      const auto text = region.expression(root);
      if (!text || region.nodes().size() <= best.size() || !has_function(graph, region.nodes())) continue;
      best = region.nodes();
      best_root = root;
      best_text = *text;
    }
    if (best.empty()) continue;
    Node& end = graph.nodes[i];
    const operators::Operator* known = operators::function_like(operators::parse_expression(best_text));
    end.op = known != nullptr ? known->name : "Function";
    end.inputs = {best_root};
    end.attributes.clear();
    if (known == nullptr) end.attributes[operators::kExpression] = best_text;
    best.erase(static_cast<int>(i));
    erase_nodes(graph, best);
    return true;
  }
  return false;
}

}  // namespace

void fuse_functions(Graph& graph) {
  while (fuse_one(graph)) {
  }
}

}  // namespace shrike::graph
