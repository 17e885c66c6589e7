#include <algorithm>
#include <optional>
#include <set>

#include "toolchain/graph/edit.h"
#include "toolchain/graph/fuse_functions.h"
#include "toolchain/operators/operator.h"

namespace shrike::graph {
namespace {

// The parts of (x - mean(x)) / sqrt(mean((x - mean(x))^2) + epsilon), which are about exactly these
// operators.
class Finder {
 public:
  explicit Finder(Graph& graph) : graph_(graph), links_(graph) {}

  bool fuse_one() {
    for (size_t i = 0; i < graph_.nodes.size(); ++i) {
      nodes_ = {static_cast<int>(i)};
      if (const auto match = match_at(graph_.nodes[i]); match && closed(static_cast<int>(i))) {
        replace(static_cast<int>(i), *match);
        return true;
      }
    }
    return false;
  }

 private:
  struct Match {
    std::string x;
    std::vector<int64_t> axes;
    float epsilon = 0;
  };

  // The node that makes `tensor`, if it is of this kind; it becomes part of the match.
  const Node* maker(const std::string& tensor, const std::string& op) {
    const auto found = links_.producer.find(tensor);
    if (found == links_.producer.end()) return nullptr;
    const Node& node = graph_.nodes[static_cast<size_t>(found->second)];
    if (node.op != op) return nullptr;
    nodes_.insert(found->second);
    return &node;
  }

  std::optional<float> number(const std::string& tensor) const {
    const Tensor& value = graph_.tensor(tensor);
    if (!value.constant || value.type != ElementType::kFloat || value.elements() != 1) return std::nullopt;
    return value.values[0];
  }

  std::optional<Match> match_at(const Node& end) {
    if (end.op != "Div") return std::nullopt;
    const std::string difference = end.inputs[0];
    const Node* root = maker(end.inputs[1], "Sqrt");
    const Node* sum = root == nullptr ? nullptr : maker(root->inputs[0], "Add");
    if (sum == nullptr) return std::nullopt;
    Match match;
    const size_t epsilon = number(sum->inputs[0]) ? 0 : 1;
    const auto value = number(sum->inputs[epsilon]);
    const Node* variance = value ? maker(sum->inputs[1 - epsilon], "ReduceMean") : nullptr;
    if (variance == nullptr || !is_square(variance->inputs[0], difference)) return std::nullopt;
    match.epsilon = *value;
    const Node* centred = maker(difference, "Sub");
    const Node* mean = centred == nullptr ? nullptr : maker(centred->inputs[1], "ReduceMean");
    if (mean == nullptr || mean->inputs[0] != centred->inputs[0]) return std::nullopt;
    match.x = centred->inputs[0];
    match.axes = axes_of(*mean);
    if (match.axes.empty() || axes_of(*variance) != match.axes) return std::nullopt;
    return match;
  }

  bool is_square(const std::string& tensor, const std::string& difference) {
    if (const Node* product = maker(tensor, "Mul"))
      return product->inputs[0] == difference && product->inputs[1] == difference;
    const Node* power = maker(tensor, "Pow");
    return power != nullptr && power->inputs[0] == difference && number(power->inputs[1]) == 2.0f;
  }

  // Reduced axes, sorted; empty where they aren't known or are not kept.
  std::vector<int64_t> axes_of(const Node& mean) const {
    if (mean.integer("keepdims", 1) == 0 || mean.inputs.size() < 2 || !graph_.tensor(mean.inputs[1]).constant)
      return {};
    const auto rank = static_cast<int64_t>(graph_.tensor(mean.inputs[0]).shape.size());
    std::vector<int64_t> axes = graph_.tensor(mean.inputs[1]).integers;
    for (int64_t& axis : axes) axis += axis < 0 ? rank : 0;
    std::sort(axes.begin(), axes.end());
    return axes;
  }

  bool closed(int end) const {
    return std::all_of(nodes_.begin(), nodes_.end(), [&](int index) {
      if (index == end) return true;
      const std::string& output = graph_.nodes[static_cast<size_t>(index)].outputs[0];
      const std::vector<int>& readers = links_.consumers.at(output);
      return !graph_.is_output(output) &&
             std::all_of(readers.begin(), readers.end(), [&](int reader) { return nodes_.contains(reader); });
    });
  }

  // The constant that a Mul or Add behind the normalisation multiplies or adds, in the shape that the
  // operator has it; that node then makes the result.
  std::optional<std::vector<float>> take(int& end, const std::string& op, const Shape& wanted) {
    const std::string& output = graph_.nodes[static_cast<size_t>(end)].outputs[0];
    const auto readers = links_.consumers.find(output);
    if (readers == links_.consumers.end() || readers->second.size() != 1 || graph_.is_output(output))
      return std::nullopt;
    const Node& reader = graph_.nodes[static_cast<size_t>(readers->second[0])];
    if (reader.op != op || reader.inputs.size() != 2) return std::nullopt;
    const Tensor& other = graph_.tensor(reader.inputs[reader.inputs[0] == output ? 1 : 0]);
    Shape shape = other.shape;
    while (!shape.empty() && shape.front() == 1 && shape.size() > wanted.size()) shape.erase(shape.begin());
    if (!other.constant || other.type != ElementType::kFloat || shape != wanted) return std::nullopt;
    end = readers->second[0];
    nodes_.insert(end);
    return other.values;
  }

  void replace(int end, const Match& match) {
    const Shape shape = graph_.tensor(match.x).shape;
    const auto rank = static_cast<int64_t>(shape.size());
    const bool last =
        match.axes.back() == rank - 1 && rank - match.axes.front() == static_cast<int64_t>(match.axes.size());
    const bool picture = last && rank > 2 && match.axes.front() == 2;
    // What is scaled: the normalised axes themselves, or each channel of a picture.
    Shape parameters(shape.begin() + match.axes.front(), shape.end());
    if (picture) {
      parameters.assign(static_cast<size_t>(rank) - 1, 1);
      parameters[0] = shape[1];
    }
    const size_t count = static_cast<size_t>(element_count(parameters));
    std::vector<float> scale(count, 1.0f), bias(count, 0.0f);
    if (const auto values = take(end, "Mul", parameters)) scale = *values;
    if (const auto values = take(end, "Add", parameters)) bias = *values;
    const Shape stored = picture ? Shape{shape[1]} : parameters;
    Node& node = graph_.nodes[static_cast<size_t>(end)];
    node.op = picture ? "InstanceNormalization" : "LayerNormalization";
    node.attributes = {{"epsilon", match.epsilon}};
    if (!picture) node.attributes["axis"] = match.axes.front();
    node.inputs = {match.x, add_constant(graph_, node.name + "/scale", stored, scale),
                   add_constant(graph_, node.name + "/bias", stored, bias)};
    nodes_.erase(end);
    erase_nodes(graph_, nodes_);
  }

  Graph& graph_;
  Links links_;
  std::set<int> nodes_;
};

}  // namespace

void fuse_normalizations(Graph& graph) {
  while (Finder(graph).fuse_one()) {
  }
}

}  // namespace shrike::graph
