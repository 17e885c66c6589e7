#include "toolchain/formats/formats.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "toolchain/graph/edit.h"
#include "toolchain/graph/nearest.h"
#include "toolchain/operators/operator.h"
#include "toolchain/rounding/weights.h"
#include "toolchain/support/error.h"

namespace shrike::quantize {
namespace {

// Noise-to-signal that one RequantizeLinear node is worth: it costs a pass over the tensor on the chip and a
// second rounding.
constexpr double kRequantizePrice = 3e-5;
// Powers of an addend and its sum up to this ratio are alike: their ranges are within two bits of each other.
// The residual sums of YOLO11n lie between 0.12 and 2.9.
constexpr double kAlike = 16;
// At 8 bit the chip takes exponentials without subtracting the maximum: with exponent 0 exp(127) would be
// infinite (spec/numerics.md section 10).
constexpr int kHighestLogits = -1;

bool is_variable(const graph::Graph& graph, const std::string& name) {
  return !name.empty() && !graph.tensor(name).constant;
}

// Exponent that covers the largest value at 16 bit: half a step of it is below any 8-bit noise, clipping is
// not.
int exponent16(float largest) {
  return std::clamp(static_cast<int>(std::ceil(std::log2(std::max(largest, 1e-6f) / 32767.0f))),
                    kLowestExponent, 15);
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
  int input = 0, output = 0;                // groups; no input for a constant
  const graph::Tensor* constant = nullptr;  // that the join reads in its output's format
  bool sum = false;                         // Add or Sub, not Concat
};

float largest_of(const graph::Tensor& constant) {
  float largest = 0;
  for (const float value : constant.values) largest = std::max(largest, std::fabs(value));
  return largest;
}

// Mean squared error of a constant on the 8-bit grid of an exponent.
double squared_error_of(const graph::Tensor& constant, int exponent) {
  double error = 0;
  for (const float value : constant.values) {
    const double rounded = std::nearbyint(std::ldexp(static_cast<double>(value), -exponent));
    const double difference = std::ldexp(std::clamp(rounded, -128.0, 127.0), exponent) - value;
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
  Chooser(const graph::Graph& graph, const Statistics& statistics, const Settings& settings,
          const std::map<std::string, int>& bits)
      : graph_(graph), statistics_(statistics), settings_(settings), groups_(find_groups(graph)) {
    for (const std::vector<std::string>& members : groups_.members) {
      Group group;
      group.root = members.front();
      group.bits = bits.at(group.root);
      const auto found = statistics.find(group.root);
      if (found == statistics.end()) fail("tensor '{}' was never computed during calibration", group.root);
      group.statistics = &found->second;
      group.exponent =
          group.bits == 16 ? exponent16(group.statistics->largest()) : clipped_exponent(*group.statistics);
      for (const std::string& member : members) {
        if (const auto fixed = settings.fixed_exponents.find(member);
            fixed != settings.fixed_exponents.end()) {
          group.exponent = fixed->second;
          group.fixed = true;
        }
      }
      list_.push_back(group);
    }
    for (const graph::Node& node : graph.nodes) {
      if (is_join(node.op)) add_edges(node);
      if (node.op == "Softmax" || node.op == "LogSoftmax") {
        Group& logits = list_[static_cast<size_t>(group_of(node.inputs[0]))];
        if (logits.bits == 8) logits.highest = kHighestLogits;
      }
    }
    for (const JoinEdge& edge : edges_) cover_addend(edge);
    for (Group& group : list_) limit(group);
  }

  void run() {
    align();
    for (int round = 0; round < 20; ++round) {
      bool changed = false;
      for (size_t i = 0; i < list_.size(); ++i) changed |= improve(static_cast<int>(i));
      if (!changed) break;
    }
    for (Group& group : list_) limit(group);
  }

  void write(Plan& plan) const {
    for (size_t i = 0; i < list_.size(); ++i) {
      for (const std::string& member : groups_.members[i]) {
        plan.formats[member] = {list_[i].bits, list_[i].exponent, {}};
        if (list_[i].bits == 16) {
          plan.narrow_exponents[member] =
              std::clamp(list_[i].statistics->best_exponent(), kLowestExponent, list_[i].highest);
        }
      }
    }
  }

 private:
  int group_of(const std::string& tensor) const { return groups_.group_of.at(tensor); }

  // Exponent from a clipping range, by the calibration method in force.
  int clipped_exponent(const TensorStatistics& statistics) const;

  void add_edges(const graph::Node& node) {
    const bool sum = node.op != "Concat";
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

  // At 16 bit nothing is searched: a sum's format also covers what is added, which may be larger.
  void cover_addend(const JoinEdge& edge) {
    Group& output = list_[edge.output];
    if (output.bits != 16 || output.fixed || !edge.sum) return;
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
    if (input.bits == 16 || output.bits == 16) return 0;  // a conversion whatever the exponent
    // The addend's own noise counts once already, for its group.
    const double share = share_of(edge), own = input.statistics->noise_to_signal(input.exponent);
    const double there = std::max(own, input.statistics->noise_to_signal(output.exponent));
    const double price = input.exponent == output.exponent ? 0 : kRequantizePrice;
    return share * there - std::min(share, 1.0) * own + price;
  }

  // What an addend's noise to signal counts in the sum. Alike in power, an addend and the sum lose the same
  // by a step of the exponent, and the addend's own loss is what the layers behind feel.
  double share_of(const JoinEdge& edge) const {
    const TensorStatistics &input = *list_[edge.input].statistics, &output = *list_[edge.output].statistics;
    if (!edge.sum || !(output.power > 0)) return 1;
    const double share = input.power / output.power;
    if (share < 1 / kAlike) return share * kAlike;
    return share > kAlike ? share / kAlike : 1;
  }

  double cost_around(int index) const {
    double cost = list_[index].statistics->noise_to_signal(list_[index].exponent);
    for (const JoinEdge& edge : edges_) {
      if (edge.input == index || edge.output == index) cost += edge_cost(edge);
    }
    return cost;
  }

  bool improve(int index) {
    Group& group = list_[index];
    if (group.fixed || group.bits == 16 || settings_.calibration != Calibration::kDirect) return false;
    const int before = group.exponent;
    int best = before;
    double best_cost = cost_around(index);
    for (const int candidate : candidates_of(index)) {
      group.exponent = std::clamp(candidate, kLowestExponent, group.highest);
      const double cost = cost_around(index);
      if (cost < best_cost) {
        best_cost = cost;
        best = group.exponent;
      }
    }
    group.exponent = best;
    return best != before;
  }

  // The group's own window, then what its partners have: addends may be far larger than their sum.
  std::vector<int> candidates_of(int index) const {
    std::vector<int> candidates;
    for (int i = 0; i < TensorStatistics::kCandidates; ++i)
      candidates.push_back(list_[index].statistics->first_exponent + i);
    for (const JoinEdge& edge : edges_) {
      if (edge.output != index || !edge.sum) continue;
      candidates.push_back(edge.constant != nullptr ? covering_exponent(largest_of(*edge.constant), 8)
                                                    : list_[edge.input].exponent);
    }
    return candidates;
  }

  // ESP-PPQ's alignment rules, for members that choose not to be joint: producers that feed only the join
  // take its exponent.
  void align();

  const graph::Graph& graph_;
  const Statistics& statistics_;
  const Settings& settings_;
  FormatGroups groups_;
  std::vector<Group> list_;
  std::vector<JoinEdge> edges_;
};

int exponent_of_range(double range) {
  if (!(range > 0)) return -20;
  return std::clamp(static_cast<int>(std::ceil(std::log2(range / 127.5) - 1e-9)), -24, 24);
}

double percentile_range(const Histogram& histogram, double fraction) {
  const int64_t total = std::accumulate(histogram.counts.begin(), histogram.counts.end(), int64_t{0});
  int64_t seen = 0;
  for (int i = 0; i < Histogram::kBins; ++i) {
    seen += histogram.counts[i];
    if (static_cast<double>(seen) >= fraction * static_cast<double>(total))
      return (i + 1) * histogram.width();
  }
  return Histogram::kBins * histogram.width();
}

// Kullback-Leibler divergence between the histogram and its 128-level quantisation when everything from bin
// `top` on is clipped. Both are distributions over bins.
double divergence(const Histogram& histogram, int top) {
  constexpr int kLevels = 128;
  std::vector<double> reference(histogram.counts.begin(), histogram.counts.begin() + top);
  for (int i = top; i < Histogram::kBins; ++i) reference[top - 1] += static_cast<double>(histogram.counts[i]);
  std::vector<double> quantized(top, 0.0);
  for (int level = 0; level < kLevels; ++level) {
    const int begin = level * top / kLevels, end = (level + 1) * top / kLevels;
    double mass = 0;
    int filled = 0;
    for (int i = begin; i < end; ++i) {
      mass += static_cast<double>(histogram.counts[i]);
      filled += histogram.counts[i] > 0;
    }
    for (int i = begin; i < end; ++i) {
      if (histogram.counts[i] > 0) quantized[i] = mass / filled;
    }
  }
  const double reference_total = std::accumulate(reference.begin(), reference.end(), 0.0);
  const double quantized_total = std::accumulate(quantized.begin(), quantized.end(), 0.0);
  if (reference_total <= 0 || quantized_total <= 0) return 1e30;
  double sum = 0;
  for (int i = 0; i < top; ++i) {
    if (reference[i] <= 0) continue;
    const double p = reference[i] / reference_total, q = std::max(quantized[i] / quantized_total, 1e-30);
    sum += p * std::log(p / q);
  }
  return sum;
}

double kl_range(const Histogram& histogram) {
  int used = 0;
  for (int i = 0; i < Histogram::kBins; ++i) {
    if (histogram.counts[i] > 0) used = i + 1;
  }
  int best_top = std::max(used, 128);
  double best = 1e30;
  for (int k = 1; k <= 32; ++k) {
    const int top = std::max(128, used * k / 32);
    const double value = divergence(histogram, top);
    if (value < best) {
      best = value;
      best_top = top;
    }
  }
  return best_top * histogram.width();
}

// Squared error of the histogram's mass at 8 bit and step 2^exponent.
double histogram_error(const Histogram& histogram, int exponent) {
  const double step = std::ldexp(1.0, exponent), largest = 127 * step;
  double error = 0;
  for (int i = 0; i < Histogram::kBins; ++i) {
    if (histogram.counts[i] == 0) continue;
    const double value = (i + 0.5) * histogram.width();
    const double difference = value - std::min(std::nearbyint(value / step) * step, largest);
    error += static_cast<double>(histogram.counts[i]) * difference * difference;
  }
  return error;
}

int Chooser::clipped_exponent(const TensorStatistics& statistics) const {
  switch (settings_.calibration) {
    case Calibration::kDirect:
      return statistics.best_exponent();
    case Calibration::kMinMax:
      return exponent_of_range(statistics.largest());
    case Calibration::kPercentile:
      return exponent_of_range(percentile_range(statistics.histogram, settings_.percentile));
    case Calibration::kKl: {
      const double range = kl_range(statistics.histogram);
      return std::clamp(static_cast<int>(std::floor(std::log2(range / 128) + 0.5)), -24,
                        24);  // nearest, as the tutorial's
    }
    case Calibration::kMse: {
      int best = statistics.first_exponent;
      for (int i = 1; i < TensorStatistics::kCandidates; ++i) {
        const int exponent = statistics.first_exponent + i;
        if (histogram_error(statistics.histogram, exponent) < histogram_error(statistics.histogram, best))
          best = exponent;
      }
      return best;
    }
  }
  return statistics.best_exponent();
}

void Chooser::align() {
  const graph::Links links(graph_);
  for (const graph::Node& node : graph_.nodes) {
    const bool add = node.op == "Add" || node.op == "Sub", concat = node.op == "Concat";
    if (!add && !concat) continue;
    const Alignment alignment = add ? settings_.add_alignment : settings_.concat_alignment;
    if (alignment == Alignment::kJoint && settings_.calibration == Calibration::kDirect) continue;
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

bool is_copy(const std::string& op) {
  return operators::is_copy(op);
}

bool is_join(const std::string& op) {
  return operators::is_join(op);
}

void insert_quantize_nodes(graph::Graph& graph) {
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    const std::string op = graph.nodes[i].op, source = graph.nodes[i].outputs[0];
    if (!operators::is_float_result(op)) continue;
    if (graph.is_output(source)) continue;
    const std::string quantized = graph::add_variable(graph, source, source + "_quantized");
    graph::replace_uses(graph, source, quantized);
    graph::Node node;
    node.name = graph.fresh_name(graph.nodes[i].name + "/Quantize");
    node.op = "QuantizeLinear";
    node.inputs = {source};
    node.outputs = {quantized};
    graph.nodes.insert(graph.nodes.begin() + static_cast<std::ptrdiff_t>(i) + 1, node);
    ++i;
  }
}

FormatGroups find_groups(const graph::Graph& graph) {
  FormatGroups groups;
  const auto open = [&](const std::string& tensor) {
    groups.group_of[tensor] = static_cast<int>(groups.members.size());
    groups.members.push_back({tensor});
  };
  for (const std::string& input : graph.inputs) open(input);
  for (const graph::Node& node : graph.nodes) {
    for (const std::string& output : node.outputs) {
      if (is_copy(node.op)) {
        const int group = groups.group_of.at(node.inputs[0]);
        groups.group_of[output] = group;
        groups.members[group].push_back(output);
      } else {
        open(output);
      }
    }
  }
  return groups;
}

namespace {

// The dispatching table worked out over the groups of tensors that must share a format.
class Widths {
 public:
  Widths(const graph::Graph& graph, const Settings& settings)
      : graph_(graph), settings_(settings), links_(graph), groups_(find_groups(graph)) {
    for (const graph::Node& node : graph.nodes) {
      if (only_at_8_bit(node.op)) narrow_.insert(groups_.group_of.at(node.inputs[0]));
    }
  }

  std::map<std::string, int> run(std::vector<std::string>* notes) {
    check_names();
    const std::set<std::string> wide(settings_.int16_layers.begin(), settings_.int16_layers.end());
    for (const std::string& input : graph_.inputs) set(groups_.group_of.at(input), settings_.bits);
    for (const graph::Node& node : graph_.nodes) {
      const bool named = wide.contains(node.name);
      if (is_copy(node.op)) {
        if (named) require_wide(node);
        continue;
      }
      for (const std::string& output : node.outputs) {
        const int group = groups_.group_of.at(output);
        if (named && narrow_.contains(group)) refuse_narrow(node);
        set(group, named ? 16 : settings_.bits);
      }
    }
    narrow_fused_relus();
    tell_narrow(notes);
    widen_outputs(notes);
    std::map<std::string, int> bits;
    for (const auto& [tensor, group] : groups_.group_of) bits[tensor] = bits_.at(group);
    return bits;
  }

 private:
  static bool only_at_8_bit(const std::string& op) { return op == "Resize"; }

  void check_names() const {
    std::vector<std::string> names;
    for (const graph::Node& node : graph_.nodes) names.push_back(node.name);
    for (const std::string& name : settings_.int16_layers) {
      if (std::find(names.begin(), names.end(), name) == names.end()) {
        fail("int16-layers: a node of the model was expected, found '{}'; did you mean '{}'?", name,
             nearest_name(name, names));
      }
    }
  }

  void set(int group, int bits) { bits_[group] = narrow_.contains(group) ? 8 : bits; }

  void require_wide(const graph::Node& node) const {
    if (bits_.at(groups_.group_of.at(node.inputs[0])) == 16) return;
    if (narrow_.contains(groups_.group_of.at(node.inputs[0]))) refuse_narrow(node);
    fail(
        "int16-layers: '{}' can't be computed at 16 bit, because {} only moves data; name the layer that "
        "computes '{}'",
        node.name, node.op, node.inputs[0]);
  }

  [[noreturn]] void refuse_narrow(const graph::Node& node) const {
    fail(
        "int16-layers: '{}' can't be computed at 16 bit, because a Resize reads its result as it is and the "
        "chip resizes 8-bit tensors only; take it from the list",
        node.name);
  }

  // A convolution that does its Relu itself writes the Relu's format.
  void narrow_fused_relus() {
    for (const graph::Node& node : graph_.nodes) {
      if (node.op != "Relu" || !narrow_.contains(groups_.group_of.at(node.outputs[0]))) continue;
      const std::string& input = node.inputs[0];
      const auto producer = links_.producer.find(input);
      if (producer == links_.producer.end() ||
          is_copy(graph_.nodes[static_cast<size_t>(producer->second)].op))
        continue;
      if (links_.consumers.at(input).size() == 1 && !graph_.is_output(input))
        bits_[groups_.group_of.at(input)] = 8;
    }
  }

  void tell_narrow(std::vector<std::string>* notes) const {
    if (notes == nullptr || settings_.bits == 8 || narrow_.empty()) return;
    std::vector<std::string> kept;
    for (const int group : narrow_) kept.push_back(groups_.members[static_cast<size_t>(group)].front());
    notes->push_back(
        fmt::format("kept at 8 bit, because the chip resizes 8-bit tensors only: {}", fmt::join(kept, ", ")));
  }

  void widen_outputs(std::vector<std::string>* notes) {
    std::set<int> narrow, wide;
    std::vector<std::string> widened;
    for (const std::string& output : graph_.outputs) {
      const int group = groups_.group_of.at(output);
      if (bits_.at(group) == 16) {
        wide.insert(group);
      } else if (!has_float_result(output)) {
        narrow.insert(group);
        widened.push_back(output);
      }
    }
    if (wide.empty() || narrow.empty()) return;
    const auto is_narrow = [&](int group) { return narrow_.contains(group); };
    if (std::any_of(narrow.begin(), narrow.end(), is_narrow)) {
      if (notes != nullptr)
        notes->push_back("the outputs have different widths; what reads them must look at each one's type");
      return;
    }
    for (const int group : narrow) bits_[group] = 16;
    if (notes == nullptr) return;
    notes->push_back(
        fmt::format("{} moved to 16 bit like the other outputs, because ESP-DL reads all outputs as one type",
                    fmt::join(widened, ", ")));
  }

  bool has_float_result(const std::string& tensor) const {
    const auto producer = links_.producer.find(tensor);
    if (producer == links_.producer.end()) return false;
    const std::string& op = graph_.nodes[static_cast<size_t>(producer->second)].op;
    return op == "Softmax" || op == "LogSoftmax";
  }

  const graph::Graph& graph_;
  const Settings& settings_;
  graph::Links links_;
  FormatGroups groups_;
  std::set<int> narrow_;  // groups that the chip has at 8 bit only
  std::map<int, int> bits_;
};

}  // namespace

std::map<std::string, int> choose_bits(const graph::Graph& graph, const Settings& settings,
                                       std::vector<std::string>* notes) {
  return Widths(graph, settings).run(notes);
}

void check_exponent_names(const graph::Graph& graph, const Settings& settings) {
  const FormatGroups groups = find_groups(graph);
  std::vector<std::string> names;
  for (const auto& [name, group] : groups.group_of) names.push_back(name);
  for (const auto& [name, exponent] : settings.fixed_exponents) {
    if (!groups.group_of.contains(name)) {
      fail("exponents: a tensor of the model was expected, found '{}'; did you mean '{}'?", name,
           nearest_name(name, names));
    }
  }
}

Plan choose_formats(const graph::Graph& graph, const Statistics& statistics, const Settings& settings) {
  const std::map<std::string, int> bits = choose_bits(graph, settings);
  Chooser chooser(graph, statistics, settings, bits);
  chooser.run();
  Plan plan;
  chooser.write(plan);
  for (const graph::Node& node : graph.nodes) {
    if (operators::is_float_result(node.op)) plan.formats[node.outputs[0]] = {};
  }
  return plan;
}

}  // namespace shrike::quantize
