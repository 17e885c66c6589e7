#include "toolchain/formats/choose.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <map>
#include <set>

#include "runtime/chips/chip.h"
#include "toolchain/formats/clip.h"
#include "toolchain/formats/widths.h"
#include "toolchain/graph/nearest.h"
#include "toolchain/measure/grid.h"
#include "toolchain/operators/formats.h"
#include "toolchain/operators/operator.h"
#include "toolchain/pipeline/recipe.h"
#include "toolchain/support/error.h"

namespace shrike::quantize {
namespace {

bool is_variable(const graph::Graph& graph, const std::string& name) {
  return !name.empty() && !graph.tensor(name).constant;
}

// Exponent that covers the largest value at 16 bit: half a step of it is below any 8-bit noise, clipping is
// not.
int exponent16(float largest) {
  return std::clamp(covering_exponent(std::max(largest, 1e-6f), kExact16), kLowestExponent, 15);
}

struct Group {
  std::string root;
  int bits = 8;
  int exponent = 0;
  int highest = kHighestExponent;
  bool fixed = false;
  const TensorStatistics* statistics = nullptr;
};

struct JoinEdge {
  int input = 0, output = 0;                // groups; a constant's input is the output
  const graph::Tensor* constant = nullptr;  // that the join reads in its output's format
  bool sum = false;                         // Add or Sub, not Concat
};

// Mean squared error of a constant on the 8-bit grid of an exponent.
double squared_error_of(const graph::Tensor& constant, int exponent) {
  double error = 0;
  for (const float value : constant.values) {
    const auto integer = static_cast<double>(integer_of(value, exponent, 8, Rounding::kHalfEven));
    const double difference = std::ldexp(integer, exponent) - value;
    error += difference * difference;
  }
  return error / static_cast<double>(std::max<size_t>(constant.values.size(), 1));
}

// Candidate search over groups: noise of every group at its exponent, noise of every join edge at the
// exponent it ends up with, and a price per RequantizeLinear. What an Add or Sub does to an addend counts in
// units of the sum's power: a branch that hardly contributes must not make the sum clip, and one that is
// cancelled by another must not be clipped itself.
class Chooser {
 public:
  Chooser(const graph::Graph& graph, const Statistics& statistics, const FormatOptions& options,
          const std::map<std::string, int>& bits, Target target)
      : graph_(graph),
        statistics_(statistics),
        options_(options),
        target_(target),
        groups_(find_groups(graph)) {
    for (const std::vector<std::string>& members : groups_.members) {
      Group group;
      group.root = members.front();
      group.bits = bits.at(group.root);
      const auto found = statistics.find(group.root);
      if (found == statistics.end()) fail("tensor '{}' was never computed during calibration", group.root);
      group.statistics = &found->second;
      group.exponent = group.bits == 16
                           ? exponent16(group.statistics->largest())
                           : clipped_exponent(*group.statistics, options.calibration, options.percentile);
      for (const std::string& member : members) {
        if (const auto fixed = options.fixed_exponents.find(member); fixed != options.fixed_exponents.end()) {
          group.exponent = fixed->second;
          group.fixed = true;
        }
      }
      list_.push_back(group);
    }
    for (const graph::Node& node : graph.nodes) {
      if (operators::is_join(node.op)) add_edges(node);
      if (operators::is_float_result(node.op)) {
        Group& logits = list_[static_cast<size_t>(group_of(node.inputs[0]))];
        if (logits.bits == 8) logits.highest = kHighestLogits;
      }
    }
    for (size_t i = 0; i < edges_.size(); ++i) {
      if (edges_[i].sum) cover(edges_[i]);
      for (const int group : {edges_[i].input, edges_[i].output})
        edges_of_[group].push_back(static_cast<int>(i));
    }
    for (const graph::Node& node : graph.nodes) {
      if (!operators::is_join(node.op) && operators::wants_output_format(node, 16))
        cover({group_of(node.inputs[0]), group_of(node.outputs[0])});
    }
    for (Group& group : list_) limit(group);
  }

  void run() {
    align();
    for (int round = 0; round < 20; ++round) {
      bool changed = false;
      for (size_t i = 0; i < list_.size(); ++i) changed |= improve(static_cast<int>(i));
      if (!changed) changed = improve_together();
      if (!changed) break;
    }
    for (Group& group : list_) limit(group);
    keep_within_sums();
    keep_within_shifts();
  }

  void write(Plan& plan) const {
    for (size_t i = 0; i < list_.size(); ++i) {
      for (const std::string& member : groups_.members[i]) {
        plan.formats[member] = {list_[i].bits, list_[i].exponent, {}};
        plan.largest[member] = list_[i].statistics->largest();
        if (list_[i].bits == 16) {
          plan.narrow_exponents[member] =
              std::clamp(list_[i].statistics->best_exponent(), kLowestExponent, list_[i].highest);
        }
      }
    }
  }

 private:
  int group_of(const std::string& tensor) const { return groups_.group_of.at(tensor); }

  void add_edges(const graph::Node& node) {
    const bool sum = operators::has_role(node.op, operators::Role::kSum);
    for (const std::string& input : node.inputs) {
      if (input.empty()) continue;
      const graph::Tensor& tensor = graph_.tensor(input);
      const int output = group_of(node.outputs[0]);
      if (!tensor.constant) {
        edges_.push_back({group_of(input), output, nullptr, sum});
      } else if (sum && !tensor.values.empty()) {
        edges_.push_back({output, output, &tensor, sum});
      }
    }
  }

  // At 16 bit nothing is searched: a format in which something is read, too, covers that; addends may be
  // larger than their sum, and what a PRelu reads larger than what it leaves.
  void cover(const JoinEdge& edge) {
    Group& output = list_[edge.output];
    if (output.bits != 16 || output.fixed) return;
    const float largest =
        edge.constant != nullptr ? largest_of(*edge.constant) : list_[edge.input].statistics->largest();
    output.exponent = std::max(output.exponent, exponent16(largest));
  }

  static void limit(Group& group) {
    if (!group.fixed) group.exponent = std::clamp(group.exponent, kLowestExponent, group.highest);
  }

  double edge_cost(const JoinEdge& edge) const {
    const Group& input = list_[edge.input];
    const Group& output = list_[edge.output];
    if (edge.constant != nullptr) {
      if (output.bits == 16 || !(output.statistics->power > 0)) return 0;
      const double power = output.statistics->power / static_cast<double>(output.statistics->images);
      return squared_error_of(*edge.constant, output.exponent) / power;
    }
    if (output.bits == 16) return 0;
    const double share = share_of(edge);
    if (input.bits == 16)  // a conversion whatever the exponent
      return share * input.statistics->noise_to_signal(output.exponent);
    const double own = input.statistics->noise_to_signal(input.exponent);
    const double there = std::max(own, input.statistics->noise_to_signal(output.exponent));
    const double price = input.exponent == output.exponent ? 0 : recipe::kRequantizePrice;
    // Its own noise counts once already, for its group.
    return (share > 1 ? share * there : share * (there - own)) + price;
  }

  // What an addend's noise to signal counts in the sum. Alike in power, an addend and the sum lose the same
  // by a step of the exponent, and the addend's own loss is what the layers behind feel.
  double share_of(const JoinEdge& edge) const {
    const TensorStatistics &input = *list_[edge.input].statistics, &output = *list_[edge.output].statistics;
    if (!edge.sum) return 1;
    if (!(output.power > 0)) return 0;  // they cancel whatever they lose
    const double share = input.power / output.power;
    if (share < 1 / recipe::kAlikePowers) return share * recipe::kAlikePowers;
    return share > recipe::kAlikePowers ? share / recipe::kAlikePowers : 1;
  }

  double cost_around(const std::set<int>& groups) const {
    double cost = 0;
    std::set<int> edges;
    for (const int index : groups) {
      cost += list_[index].statistics->noise_to_signal(list_[index].exponent);
      if (const auto own = edges_of_.find(index); own != edges_of_.end())
        edges.insert(own->second.begin(), own->second.end());
    }
    for (const int edge : edges) cost += edge_cost(edges_[edge]);
    return cost;
  }

  bool is_free(int index) const {
    const Group& group = list_[index];
    return !group.fixed && group.bits != 16 && options_.calibration == Calibration::kDirect;
  }

  bool improve(int index) {
    Group& group = list_[index];
    if (!is_free(index)) return false;
    const int before = group.exponent;
    int best = before;
    double best_cost = cost_around({index});
    for (const int candidate : candidates_of(index)) {
      group.exponent = std::clamp(candidate, kLowestExponent, group.highest);
      const double cost = cost_around({index});
      if (cost < best_cost) {
        best_cost = cost;
        best = group.exponent;
      }
    }
    group.exponent = best;
    return best != before;
  }

  // A join and what it joins may each be right to stay with the others at an exponent that is wrong for all.
  bool improve_together() {
    std::map<int, std::set<int>> joins;  // by the output, which is one of the members
    for (const JoinEdge& edge : edges_) {
      if (edge.constant == nullptr) joins[edge.output].insert({edge.input, edge.output});
    }
    bool changed = false;
    for (auto& [output, members] : joins) {
      for (auto member = members.begin(); member != members.end();)
        member = is_free(*member) ? std::next(member) : members.erase(member);
      std::map<int, int> best;
      for (const int member : members) best[member] = list_[member].exponent;
      double best_cost = cost_around(members);
      for (const int candidate : candidates_of(output)) {
        for (const int member : members)
          list_[member].exponent = std::clamp(candidate, kLowestExponent, list_[member].highest);
        const double cost = cost_around(members);
        if (cost >= best_cost) continue;
        best_cost = cost;
        changed = true;
        for (const int member : members) best[member] = list_[member].exponent;
      }
      for (const auto& [member, exponent] : best) list_[member].exponent = exponent;
    }
    return changed;
  }

  // The group's own window, then what its partners have: addends may be far larger than their sum.
  std::vector<int> candidates_of(int index) const {
    std::vector<int> candidates;
    for (int i = 0; i < TensorStatistics::kCandidates; ++i)
      candidates.push_back(list_[index].statistics->first_exponent + i);
    for (const JoinEdge& edge : edges_) {
      if (edge.output != index || !edge.sum) continue;
      candidates.push_back(edge.constant != nullptr ? factor_exponent(*edge.constant, 8)
                                                    : list_[edge.input].exponent);
    }
    return candidates;
  }

  // Sums of products of two variables, which the chip may cut: the operand that loses less by it gets a
  // coarser format. (Filters are seen to where they are rounded.)
  void keep_within_sums() {
    for (const graph::Node& node : graph_.nodes) {
      if (!operators::has_role(node.op, operators::Role::kMatrix) || graph_.tensor(node.inputs[1]).constant)
        continue;
      const Group& output = list_[group_of(node.outputs[0])];
      Group *a = &list_[group_of(node.inputs[0])], *b = &list_[group_of(node.inputs[1])];
      const float largest = output.statistics->largest();
      if (a->bits != output.bits || b->bits != output.bits || !(largest > 0)) continue;
      const int lowest = lowest_sum_exponent(largest, {output.bits, output.exponent, {}},
                                             chip_of(target_).arithmetic(output.bits).sum_bits);
      const auto loss = [](const Group* group) {
        return group->fixed ? 1e30
                            : group->statistics->noise_to_signal(group->exponent + 1) -
                                  group->statistics->noise_to_signal(group->exponent);
      };
      while (a->exponent + b->exponent < lowest && !(a->fixed && b->fixed))
        ++(loss(a) <= loss(b) ? a : b)->exponent;
    }
  }

  // A sum that is always zero, or nearly, has a format that the chip can't bring its addends to.
  void keep_within_shifts() {
    for (bool changed = true; changed;) {
      changed = false;
      for (const JoinEdge& edge : edges_) {
        const Group& input = list_[edge.input];
        Group& output = list_[edge.output];
        const int finest = input.exponent - operators::most_left_shift(input.bits, output.bits);
        if (output.fixed || output.exponent >= finest) continue;
        output.exponent = finest;
        changed = true;
      }
    }
  }

  // ESP-PPQ's alignment rules, for members that choose not to be joint: producers that feed only the join
  // take its exponent.
  void align();

  const graph::Graph& graph_;
  const Statistics& statistics_;
  const FormatOptions& options_;
  Target target_;
  FormatGroups groups_;
  std::vector<Group> list_;
  std::vector<JoinEdge> edges_;
  std::map<int, std::vector<int>> edges_of_;  // by group
};

void Chooser::align() {
  const graph::Links links(graph_);
  for (const graph::Node& node : graph_.nodes) {
    if (!operators::is_join(node.op)) continue;
    const bool sum = operators::has_role(node.op, operators::Role::kSum);
    const Alignment alignment = sum ? options_.add_alignment : options_.concat_alignment;
    if (alignment == Alignment::kJoint && options_.calibration == Calibration::kDirect) continue;
    Group& output = list_[group_of(node.outputs[0])];
    if (alignment == Alignment::kLarge || alignment == Alignment::kInput) {
      int exponent = -1000;
      for (const std::string& input : node.inputs) {
        if (!is_variable(graph_, input)) continue;
        exponent = std::max(exponent, list_[group_of(input)].exponent);
        if (alignment == Alignment::kInput) break;
      }
      if (!output.fixed && exponent > -1000) output.exponent = exponent;
    }
    for (const std::string& input : node.inputs) {
      if (!is_variable(graph_, input)) continue;
      Group& group = list_[group_of(input)];
      const bool only_here =
          links.consumers.at(input).size() == 1 && groups_.members[group_of(input)].size() == 1;
      if (only_here && !group.fixed && group.bits == output.bits) group.exponent = output.exponent;
    }
  }
}

}  // namespace

void check_exponent_names(const graph::Graph& graph, const FormatOptions& options) {
  const FormatGroups groups = find_groups(graph);
  std::vector<std::string> names;
  for (const auto& [name, group] : groups.group_of) names.push_back(name);
  for (const auto& [name, exponent] : options.fixed_exponents) {
    if (!groups.group_of.contains(name)) {
      fail("exponents: a tensor of the model was expected, found '{}'; did you mean '{}'?", name,
           nearest_name(name, names));
    }
  }
}

Plan choose_formats(const graph::Graph& graph, const Statistics& statistics, const FormatOptions& options,
                    Target target) {
  const std::map<std::string, int> bits = choose_bits(graph, options);
  Chooser chooser(graph, statistics, options, bits, target);
  chooser.run();
  Plan plan;
  chooser.write(plan);
  for (const graph::Node& node : graph.nodes) {
    if (operators::is_float_result(node.op)) plan.formats[node.outputs[0]] = {};
  }
  return plan;
}

}  // namespace shrike::quantize
