#include "toolchain/train/trainable_plan.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include "toolchain/espdl/fusion.h"
#include "toolchain/espdl/writer.h"
#include "toolchain/formats/materialize.h"
#include "toolchain/operators/operator.h"
#include "toolchain/rounding/weights.h"
#include "toolchain/support/error.h"
#include "toolchain/train/oscillation.h"

namespace shrike::train {
namespace {

double unit_of(const graph::Format& format, size_t channel) {
  return std::ldexp(1.0, format.per_channel() ? format.channel_exponents[channel] : format.exponent);
}

// Output channel of every element of a node's weights.
std::vector<uint32_t> channels_of(const graph::Graph& graph, const graph::Node& node, size_t count) {
  std::vector<uint32_t> result(count, 0);
  const operators::FilterLayout view = quantize::weight_view(graph, node);
  for (int64_t n = 0; n < view.outputs; ++n) {
    for (int64_t k = 0; k < view.taps; ++k) result[view.index(n, k)] = static_cast<uint32_t>(n);
  }
  return result;
}

}  // namespace

TrainablePlan::TrainablePlan(const graph::Graph& graph, const quantize::Plan& plan, Target target,
                             double within)
    : float_graph_(graph),
      plan_(plan),
      target_(target),
      quantized_(quantize::materialize(graph, plan, target)) {
  const auto relus = espdl::fused_relus(quantized_);
  for (size_t index = 0; index < quantized_.nodes.size(); ++index) {
    const graph::Node& node = quantized_.nodes[index];
    const auto code = plan_.weights.find(node.name);
    if (code == plan_.weights.end()) continue;
    Weighted weighted;
    weighted.node = node.name;
    weighted.input = node.inputs[0];
    weighted.output = node.outputs[0];
    weighted.written = espdl::written_output(quantized_, relus, index);
    weighted.weight = node.inputs[1];
    weighted.weight_index = parameters_.size();
    const graph::Tensor& tensor = quantized_.tensor(weighted.weight);
    weighted.channels = channels_of(quantized_, node, tensor.values.size());
    std::vector<float> values = tensor.values;
    for (size_t i = 0; i < values.size(); ++i) {
      const double unit = unit_of(tensor.format, weighted.channels[i]);
      const double integer = static_cast<double>(tensor.integers[i]);
      values[i] = static_cast<float>(
          std::clamp<double>(values[i], (integer - within) * unit, (integer + within) * unit));
    }
    parameters_.push_back(weighted.weight);
    start_.push_back(std::move(values));
    if (!code->second.bias.empty()) {
      weighted.bias = node.inputs[2];
      weighted.bias_index = parameters_.size();
      parameters_.push_back(weighted.bias);
      start_.push_back(code->second.bias);
    }
    weighted_.push_back(weighted);
  }
  espdl::clear_unwritten_formats(quantized_);
  collect_groups();
}

void TrainablePlan::collect_groups() {
  std::map<std::string, std::string> parent;
  const std::function<std::string(const std::string&)> root = [&](const std::string& name) {
    const auto found = parent.find(name);
    return found == parent.end() || found->second == name ? name : root(found->second);
  };
  const auto is_eight_bit = [&](const std::string& name) {
    return !name.empty() && quantized_.tensor(name).format.bits == 8;
  };
  const auto unite = [&](const std::string& a, const std::string& b) {
    if (!is_eight_bit(a) || !is_eight_bit(b)) return;
    parent.emplace(a, a);
    parent.emplace(b, b);
    parent[root(a)] = root(b);
  };
  for (const graph::Node& node : quantized_.nodes) {
    for (const std::string& output : node.outputs) {
      unite(output, output);
      if (operators::is_copy(node.op)) unite(node.inputs[0], output);
      if (!operators::is_join(node.op)) continue;
      for (const std::string& input : node.inputs) unite(input, output);
    }
  }
  std::map<std::string, std::vector<std::string>> members;
  for (const auto& [name, ignored] : parent) members[root(name)].push_back(name);
  for (auto& [name, group] : members) {
    const bool holds_input = std::any_of(
        quantized_.inputs.begin(), quantized_.inputs.end(),
        [&](const auto& input) { return std::find(group.begin(), group.end(), input) != group.end(); });
    if (!holds_input) groups_.push_back(std::move(group));
  }
}

std::vector<double> TrainablePlan::units() const {
  std::vector<double> units(parameters_.size());
  for (const Weighted& weighted : weighted_) {
    const graph::Format& format = quantized_.tensor(weighted.weight).format;
    double sum = format.exponent;
    if (format.per_channel()) {
      sum = 0;
      for (const int exponent : format.channel_exponents) sum += exponent;
      sum /= static_cast<double>(format.channel_exponents.size());
    }
    units[weighted.weight_index] = std::exp2(sum);
    if (!weighted.bias.empty())
      units[weighted.bias_index] = std::ldexp(1.0, quantized_.tensor(weighted.written).format.exponent);
  }
  return units;
}

Values TrainablePlan::exponents() const {
  Values values;
  for (const std::vector<std::string>& group : groups_)
    values.push_back({static_cast<float>(quantized_.tensor(group[0]).format.exponent)});
  for (const Weighted& weighted : weighted_) {
    const graph::Format& format = quantized_.tensor(weighted.weight).format;
    values.emplace_back();
    if (format.bits != 8) continue;
    if (format.per_channel()) {
      values.back().assign(format.channel_exponents.begin(), format.channel_exponents.end());
    } else {
      values.back() = {static_cast<float>(format.exponent)};
    }
  }
  return values;
}

Values TrainablePlan::exponent_gradients(const std::map<std::string, std::vector<double>>& by_tensor) const {
  Values gradients = exponents();
  for (std::vector<float>& gradient : gradients) std::fill(gradient.begin(), gradient.end(), 0.0f);
  const auto add = [&](const std::string& tensor, std::vector<float>& sums) {
    const auto found = by_tensor.find(tensor);
    if (found == by_tensor.end()) return;
    for (size_t i = 0; i < sums.size(); ++i) sums[i] += static_cast<float>(found->second[i]);
  };
  for (size_t i = 0; i < groups_.size(); ++i) {
    for (const std::string& member : groups_[i]) add(member, gradients[i]);
  }
  for (size_t i = 0; i < weighted_.size(); ++i) add(weighted_[i].weight, gradients[groups_.size() + i]);
  return gradients;
}

bool TrainablePlan::fits(const graph::Graph& graph, const Weighted& weighted, size_t channel) const {
  const graph::Format& weight = graph.tensor(weighted.weight).format;
  const quantize::Surroundings around = {target_, graph.tensor(weighted.input).format.exponent,
                                         graph.tensor(weighted.written).format,
                                         quantize::largest_of(plan_, weighted.output)};
  static const std::vector<float> none;
  const std::vector<float>& biases = weighted.bias.empty() ? none : start_[weighted.bias_index];
  const int exponent = weight.per_channel() ? weight.channel_exponents[channel] : weight.exponent;
  const quantize::ExponentRange range =
      weight.per_channel() ? quantize::exponent_range(around, biases.empty() ? 0.0f : biases[channel])
                           : quantize::shared_exponent_range(around, biases);
  return exponent >= range.lowest && exponent <= range.highest;
}

bool TrainablePlan::computable(const std::map<std::string, graph::Format>& formats) const {
  graph::Graph trial = quantized_;
  for (const auto& [name, format] : formats) trial.tensor(name).format = format;
  std::map<std::string, graph::Format> biases;
  refresh_biases(trial, biases);
  for (const Weighted& weighted : weighted_) {
    const size_t exponents =
        std::max<size_t>(1, trial.tensor(weighted.weight).format.channel_exponents.size());
    for (size_t c = 0; c < exponents; ++c) {
      // What the quantiser itself stretched (a bias that was corrected later, say) is none of ours.
      if (!fits(trial, weighted, c) && fits(quantized_, weighted, c)) return false;
    }
  }
  return espdl::meets_constraints(trial, target_);
}

void TrainablePlan::refresh_biases(graph::Graph& graph, std::map<std::string, graph::Format>& changed) const {
  for (const Weighted& weighted : weighted_) {
    if (weighted.bias.empty()) continue;
    const graph::Format& weight = graph.tensor(weighted.weight).format;
    const int input = graph.tensor(weighted.input).format.exponent;
    graph::Format& bias = graph.tensor(weighted.bias).format;
    const graph::Format old = bias;
    bias.exponent = input + weight.exponent;
    bias.channel_exponents.clear();
    for (const int exponent : weight.channel_exponents) bias.channel_exponents.push_back(input + exponent);
    if (!(bias == old)) changed[weighted.bias] = bias;
  }
}

std::map<std::string, graph::Format> TrainablePlan::formats_with(size_t index,
                                                                 const std::vector<float>& exponents) const {
  std::map<std::string, graph::Format> formats;
  const auto rounded = [](float exponent) { return static_cast<int>(std::lround(exponent)); };
  if (index < groups_.size()) {
    for (const std::string& member : groups_[index]) {
      graph::Format format = quantized_.tensor(member).format;
      format.exponent = rounded(exponents[0]);
      if (!(format == quantized_.tensor(member).format)) formats[member] = format;
    }
    return formats;
  }
  const std::string& weight = weighted_[index - groups_.size()].weight;
  graph::Format format = quantized_.tensor(weight).format;
  if (exponents.empty()) return formats;
  if (format.per_channel()) {
    std::transform(exponents.begin(), exponents.end(), format.channel_exponents.begin(), rounded);
    format.exponent = *std::max_element(format.channel_exponents.begin(), format.channel_exponents.end());
  } else {
    format.exponent = rounded(exponents[0]);
  }
  if (!(format == quantized_.tensor(weight).format)) formats[weight] = format;
  return formats;
}

std::vector<size_t> TrainablePlan::proposed(Values& exponents) const {
  std::vector<size_t> indices;
  const Values present = this->exponents();
  for (size_t i = 0; i < exponents.size(); ++i) {
    const auto formats = formats_with(i, exponents[i]);
    if (formats.empty()) continue;
    if (computable(formats)) {
      indices.push_back(i);
    } else {
      exponents[i] = present[i];
    }
  }
  return indices;
}

bool TrainablePlan::computable(const std::vector<size_t>& indices, const Values& exponents) const {
  std::map<std::string, graph::Format> formats;
  for (const size_t i : indices) formats.merge(formats_with(i, exponents[i]));
  return computable(formats);
}

std::map<std::string, graph::Format> TrainablePlan::take_over(const std::vector<size_t>& indices,
                                                              const Values& exponents) {
  std::map<std::string, graph::Format> changed;
  for (const size_t i : indices) {
    for (const auto& [name, format] : formats_with(i, exponents[i]))
      quantized_.tensor(name).format = changed[name] = format;
  }
  refresh_biases(quantized_, changed);
  return changed;
}

void TrainablePlan::damp(Values& values, double share) const {
  for (const Weighted& weighted : weighted_) {
    const graph::Format& format = quantized_.tensor(weighted.weight).format;
    std::vector<float>& weights = values[weighted.weight_index];
    for (size_t i = 0; i < weights.size(); ++i)
      weights[i] = damped(weights[i], unit_of(format, weighted.channels[i]), format.bits, share);
  }
}

int64_t TrainablePlan::moved(const Values& values) const {
  int64_t count = 0;
  for (const Weighted& weighted : weighted_) {
    const quantize::WeightCode& plans = plan_.weights.at(weighted.node);
    const graph::Format& format = quantized_.tensor(weighted.weight).format;
    const std::vector<float>& weights = values[weighted.weight_index];
    for (size_t i = 0; i < weights.size(); ++i) {
      const size_t channel = weighted.channels[i];
      const double start = static_cast<double>(plans.integers[i]) * unit_of(plans.format, channel);
      count += rounded_value(weights[i], unit_of(format, channel), format.bits) != start;
    }
  }
  return count;
}

quantize::Plan TrainablePlan::plan(const Values& values) const {
  quantize::Plan plan = plan_;
  for (auto& [name, format] : plan.formats) {
    const graph::Format& present = quantized_.tensor(name).format;
    if (!present.is_float()) format = present;
  }
  for (const Weighted& weighted : weighted_) {
    quantize::WeightCode& code = plan.weights.at(weighted.node);
    code.format = quantized_.tensor(weighted.weight).format;
    const std::vector<float>& weights = values[weighted.weight_index];
    for (size_t i = 0; i < weights.size(); ++i) {
      code.integers[i] =
          nearest_integer(weights[i], unit_of(code.format, weighted.channels[i]), code.format.bits);
    }
    if (!weighted.bias.empty()) code.bias = values[weighted.bias_index];
  }
  return plan;
}

}  // namespace shrike::train
