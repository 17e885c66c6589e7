#include "toolchain/transform/channel_scales.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "toolchain/graph/inference.h"
#include "toolchain/operators/evaluate.h"
#include "toolchain/operators/operator.h"

namespace shrike::quantize {
namespace {

// Unknown factors s with relations s_a = s_b or s_a = 1 / s_b: a union-find whose links carry the power.
class Unknowns {
 public:
  int fresh() {
    parent_.push_back(static_cast<int>(parent_.size()));
    power_.push_back(1);
    fixed_.push_back(false);
    return parent_.back();
  }

  struct Root {
    int id, power;
  };
  Root find(int id) {
    int root = id, power = 1;
    while (parent_[root] != root) {
      power *= power_[root];
      root = parent_[root];
    }
    for (int at = id, left = power; parent_[at] != root && at != root;) {
      const int next = parent_[at], step = power_[at];
      parent_[at] = root;
      power_[at] = left;
      left *= step;
      at = next;
    }
    return {root, power};
  }

  // s_a = s_b^power.
  void tie(int a, int b, int power = 1) {
    const Root first = find(a), second = find(b);
    const int between = first.power * second.power * power;
    if (first.id == second.id) {
      if (between < 0) fixed_[first.id] = true;  // s = 1 / s
      return;
    }
    parent_[first.id] = second.id;
    power_[first.id] = between;
    fixed_[second.id] = fixed_[second.id] || fixed_[first.id];
  }

  void fix(int id) { fixed_[find(id).id] = true; }
  bool fixed(int root) const { return fixed_[root]; }

 private:
  std::vector<int> parent_, power_;
  std::vector<bool> fixed_;
};

// Factors of a tensor: one per element, or one per index of axis 1.
struct Factors {
  std::vector<int> unknowns;
  bool per_channel = true;
};

// Goes through the graph once. A tensor without an entry in factors_ has the factor 1.
class ScaleWalk {
 public:
  explicit ScaleWalk(graph::Graph& graph)
      : graph_(graph), inference_(graph, graph::Strictness::kLenient), one_(unknowns_.fresh()) {
    unknowns_.fix(one_);
  }

  std::vector<ScaleSet> run() {
    for (size_t i = 0; i < graph_.nodes.size(); ++i) {
      if (!visit(static_cast<int>(i))) {
        for (const std::string& input : graph_.nodes[i].inputs) fix(input);
      }
    }
    for (const std::string& output : graph_.outputs) fix(output);
    return sets();
  }

 private:
  struct Member {
    ScaledChannel place;
    int unknown;
  };

  // False: the node fixes what it reads.
  bool visit(int index) {
    const graph::Node& node = graph_.nodes[static_cast<size_t>(index)];
    const operators::Operator* row = operators::find(node.op);
    if (row == nullptr) return false;
    if (row->role == operators::Role::kWeighted) return visit_layer(index, node);
    if (row->role == operators::Role::kMatrix) return visit_product(node);
    if (row->role == operators::Role::kSum) return visit_sum(node);
    if (row->role == operators::Role::kConcat) return visit_concat(node);
    if (node.inputs.empty() || !factors_.contains(node.inputs[0])) return false;
    if (!row->homogeneous) return visit_movement(node);
    if (row->layout == operators::Layout::kChannelsLast) return visit_window(node);
    return visit_element(node);
  }

  bool visit_layer(int index, const graph::Node& node) {
    const graph::Shape& input = shape(node.inputs[0]);
    const graph::Shape& output = shape(node.outputs[0]);
    for (size_t slot = 1; slot < node.inputs.size(); ++slot) {
      if (!node.inputs[slot].empty() && !graph_.tensor(node.inputs[slot]).constant) return false;
    }
    const bool has_bias = node.inputs.size() > 2 && !node.inputs[2].empty();
    if (has_bias && graph_.tensor(node.inputs[2]).elements() != output[1]) return false;
    if (node.integer("transA", 0) != 0) return false;  // of Gemm
    if (factors_.contains(node.inputs[0])) {
      const std::vector<int> channels = per_channel(node.inputs[0]);
      for (int64_t c = 0; c < input[1]; ++c)
        members_.push_back({{index, Side::kInput, c, 1}, channels[static_cast<size_t>(c)]});
    }
    Factors& made = factors_[node.outputs[0]];
    for (int64_t c = 0; c < output[1]; ++c) {
      made.unknowns.push_back(unknowns_.fresh());
      members_.push_back({{index, Side::kOutput, c, 1}, made.unknowns.back()});
    }
    return true;
  }

  bool visit_product(const graph::Node& node) {
    const std::string &a = node.inputs[0], &b = node.inputs[1];
    const bool has_a = factors_.contains(a), has_b = factors_.contains(b);
    if (!has_a && !has_b) return true;
    const graph::Shape &left = shape(a), &right = shape(b);
    const size_t rank = left.size();
    if (rank < 2 || right.size() != rank) return false;
    for (size_t axis = 0; axis + 2 < rank; ++axis) {
      if (left[axis] != right[axis]) return false;
    }
    const int64_t rows = left[rank - 2], inner = left[rank - 1], columns = right[rank - 1];
    const int64_t batch = graph::element_count(left) / (rows * inner);
    const std::vector<int> x = has_a ? per_element(a) : std::vector<int>(),
                           y = has_b ? per_element(b) : std::vector<int>();
    Factors made{std::vector<int>(static_cast<size_t>(batch * rows * columns), one_), false};
    for (int64_t n = 0; n < batch; ++n) {
      const int* const xn = has_a ? &x[static_cast<size_t>(n * rows * inner)] : nullptr;
      const int* const yn = has_b ? &y[static_cast<size_t>(n * inner * columns)] : nullptr;
      int* const out = &made.unknowns[static_cast<size_t>(n * rows * columns)];
      if (has_a && has_b) {  // the sum runs over the axis whose factors cancel
        for (int64_t k = 0; k < inner; ++k) {
          for (int64_t m = 1; m < rows; ++m) unknowns_.tie(xn[m * inner + k], xn[k]);
          for (int64_t m = 1; m < columns; ++m) unknowns_.tie(yn[k * columns + m], yn[k * columns]);
          unknowns_.tie(xn[k], yn[k * columns], -1);
        }
      } else if (has_a) {
        for (int64_t m = 0; m < rows; ++m) {
          for (int64_t k = 1; k < inner; ++k) unknowns_.tie(xn[m * inner + k], xn[m * inner]);
          std::fill(out + m * columns, out + (m + 1) * columns, xn[m * inner]);
        }
      } else if (has_b) {
        for (int64_t m = 0; m < columns; ++m) {
          for (int64_t k = 1; k < inner; ++k) unknowns_.tie(yn[k * columns + m], yn[m]);
          for (int64_t row = 0; row < rows; ++row) out[row * columns + m] = yn[m];
        }
      }
    }
    if (has_a != has_b) factors_[node.outputs[0]] = std::move(made);
    return true;
  }

  bool visit_sum(const graph::Node& node) {
    const std::string &a = node.inputs[0], &b = node.inputs[1];
    if (!factors_.contains(a) || !factors_.contains(b) || shape(a) != shape(b)) return false;
    const bool channels = factors_.at(a).per_channel && factors_.at(b).per_channel;
    const std::vector<int> first = channels ? factors_.at(a).unknowns : per_element(a);
    const std::vector<int> second = channels ? factors_.at(b).unknowns : per_element(b);
    for (size_t i = 0; i < first.size(); ++i) unknowns_.tie(first[i], second[i]);
    factors_[node.outputs[0]] = {first, channels};
    return true;
  }

  bool visit_concat(const graph::Node& node) {
    if (node.integer("axis", 0) != 1) return false;
    Factors made;
    for (const std::string& input : node.inputs) {
      const std::vector<int> channels = factors_.contains(input)
                                            ? per_channel(input)
                                            : std::vector<int>(static_cast<size_t>(shape(input)[1]), one_);
      made.unknowns.insert(made.unknowns.end(), channels.begin(), channels.end());
    }
    factors_[node.outputs[0]] = std::move(made);
    return true;
  }

  // Element by element; what else it reads (slopes) are constants, whose signs it may ask but not change.
  bool visit_element(const graph::Node& node) {
    for (size_t slot = 1; slot < node.inputs.size(); ++slot) {
      if (!node.inputs[slot].empty() && !graph_.tensor(node.inputs[slot]).constant) return false;
    }
    factors_[node.outputs[0]] = factors_.at(node.inputs[0]);
    return true;
  }

  bool visit_window(const graph::Node& node) {
    const graph::Shape &input = shape(node.inputs[0]), &output = shape(node.outputs[0]);
    const bool keeps_channels =
        output.size() == input.size() && output[0] == input[0] && output[1] == input[1];
    // Outside its region of interest such a Resize writes a constant.
    const bool fills = node.text("coordinate_transformation_mode", "") == "tf_crop_and_resize";
    if (node.outputs.size() != 1 || !keeps_channels || fills) return false;
    factors_[node.outputs[0]] = {per_channel(node.inputs[0]), true};
    return true;
  }

  bool visit_movement(const graph::Node& node) {
    if (!inference_.knows(node.outputs[0])) return false;
    const graph::RuleContext context(inference_, node);
    const std::vector<int> from = per_element(node.inputs[0]);
    for (size_t slot = 0; slot < node.outputs.size(); ++slot) {
      const auto source = operators::copied_from(context, slot, shape(node.outputs[slot]));
      if (!source) return false;
      Factors moved{{}, false};
      moved.unknowns.reserve(source->size());
      for (const int64_t at : *source) moved.unknowns.push_back(from[static_cast<size_t>(at)]);
      factors_[node.outputs[slot]] = std::move(moved);
    }
    return true;
  }

  // The channels' factors; the elements of a channel get the same one.
  std::vector<int> per_channel(const std::string& tensor) {
    const Factors& factors = factors_.at(tensor);
    if (factors.per_channel) return factors.unknowns;
    const int64_t channels = shape(tensor)[1];
    std::vector<int> result(static_cast<size_t>(channels), -1);
    for (size_t i = 0; i < factors.unknowns.size(); ++i) {
      int& first = result[static_cast<size_t>(channel_of(tensor, i))];
      if (first < 0) first = factors.unknowns[i];
      unknowns_.tie(factors.unknowns[i], first);
    }
    return result;
  }

  std::vector<int> per_element(const std::string& tensor) const {
    const Factors& factors = factors_.at(tensor);
    if (!factors.per_channel) return factors.unknowns;
    std::vector<int> result(static_cast<size_t>(graph::element_count(shape(tensor))));
    for (size_t i = 0; i < result.size(); ++i)
      result[i] = factors.unknowns[static_cast<size_t>(channel_of(tensor, i))];
    return result;
  }

  int64_t channel_of(const std::string& tensor, size_t element) const {
    const graph::Shape& dims = shape(tensor);
    const int64_t pixels = graph::element_count(dims) / (dims[0] * dims[1]);
    return static_cast<int64_t>(element) / pixels % dims[1];
  }

  const graph::Shape& shape(const std::string& tensor) const { return graph_.tensor(tensor).shape; }

  void fix(const std::string& tensor) {
    const auto found = factors_.find(tensor);
    if (found == factors_.end()) return;
    for (const int unknown : found->second.unknowns) unknowns_.fix(unknown);
  }

  std::vector<ScaleSet> sets() {
    std::vector<ScaleSet> sets;
    std::map<int, size_t> set_of_root;
    for (Member& member : members_) {
      const Unknowns::Root root = unknowns_.find(member.unknown);
      if (unknowns_.fixed(root.id)) continue;
      member.place.power = root.power;
      const auto [entry, is_new] = set_of_root.emplace(root.id, sets.size());
      if (is_new) sets.emplace_back();
      sets[entry->second].push_back(member.place);
    }
    std::erase_if(sets, [](const ScaleSet& set) { return set.size() < 2; });
    return sets;
  }

  graph::Graph& graph_;
  graph::Inference inference_;
  Unknowns unknowns_;
  int one_;
  std::map<std::string, Factors> factors_;
  std::vector<Member> members_;
};

}  // namespace

std::vector<ScaleSet> find_scale_sets(graph::Graph& graph) {
  return ScaleWalk(graph).run();
}

}  // namespace shrike::quantize
