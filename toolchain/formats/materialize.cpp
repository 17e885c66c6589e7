// From the plan to the graph that is written: weights rounded, constants quantised, RequantizeLinear nodes in
// place.
#include <algorithm>
#include <cmath>
#include <utility>

#include "runtime/chips/chip.h"
#include "toolchain/formats/formats.h"
#include "toolchain/graph/edit.h"
#include "toolchain/operators/formats.h"
#include "toolchain/operators/operator.h"
#include "toolchain/rounding/weights.h"
#include "toolchain/support/error.h"

namespace shrike::quantize {
namespace {

int64_t round_to(float value, int exponent, int bits, Rounding rounding) {
  const double scaled = std::ldexp(static_cast<double>(value), -exponent);
  const double rounded = rounding == Rounding::kHalfEven ? std::nearbyint(scaled) : std::floor(scaled + 0.5);
  const int64_t limit = int64_t{1} << (bits - 1);
  if (rounded >= static_cast<double>(limit)) return limit - 1;
  return static_cast<int64_t>(std::max(rounded, -static_cast<double>(limit)));
}

// An 8-bit tensor's exponent once it has 16 bits: the same values, eight bits finer.
int widened(int exponent) {
  return std::max(exponent - 8, kLowestExponent);
}

}  // namespace

std::vector<int64_t> bias_integers(const WeightCode& code, int input_exponent, Target target) {
  std::vector<int64_t> integers(code.bias.size());
  for (size_t n = 0; n < integers.size(); ++n) {
    const int exponent = code.format.per_channel() ? code.format.channel_exponents[n] : code.format.exponent;
    integers[n] = round_to(code.bias[n], input_exponent + exponent,
                           chip_of(target).usable_bias_bits(code.format.bits), rounding_of(target));
  }
  return integers;
}

namespace {

// Raises output exponents (of whole groups) until every weight fits below its node's shift bound.
void enforce_right_shifts(const graph::Graph& graph, Plan& plan) {
  const FormatGroups groups = find_groups(graph);
  for (const graph::Node& node : graph.nodes) {
    const bool weighted = has_weights(graph, node);
    if (!weighted && !operators::has_role(node.op, operators::Role::kMatrix) &&
        !operators::has_role(node.op, operators::Role::kProduct))
      continue;
    const graph::Format& output = plan.formats.at(node.outputs[0]);
    int needed = 0;
    for (size_t i = 0; i < 2; ++i) {
      const graph::Tensor& operand = graph.tensor(node.inputs[i]);
      needed += operand.constant ? factor_exponent(operand, output.bits)
                                 : seen_exponent(plan, node, node.inputs[i]);
    }
    if (output.exponent >= needed) continue;
    for (const std::string& member : groups.members[groups.group_of.at(node.outputs[0])]) {
      plan.formats[member].exponent = needed;
    }
  }
}

class Materializer {
 public:
  Materializer(const graph::Graph& source, const Plan& plan, Target target)
      : plan_(plan), target_(target), rounding_(rounding_of(target)), graph_(source) {}

  graph::Graph run() {
    for (auto& [name, tensor] : graph_.tensors) {
      if (const auto format = plan_.formats.find(name); format != plan_.formats.end())
        tensor.format = format->second;
    }
    std::vector<graph::Node> nodes = std::move(graph_.nodes);
    graph_.nodes.clear();
    for (graph::Node& node : nodes) {
      convert_inputs(node);
      if (has_weights(graph_, node)) {
        quantize_weights(node);
      } else {
        quantize_constants(node);
      }
      graph_.nodes.push_back(std::move(node));
    }
    return std::move(graph_);
  }

 private:
  // The format in which `node` must see its input `tensor`.
  graph::Format wanted(const graph::Node& node, const graph::Tensor& tensor) const {
    const graph::Format& output = graph_.tensor(node.outputs[0]).format;
    if (tensor.format.is_float() || output.is_float()) return tensor.format;
    if (operators::wants_output_format(node, output.bits)) return output;
    if (tensor.format.bits == output.bits) return tensor.format;
    if (output.bits == 16) return {16, widened(tensor.format.exponent), {}};
    return {output.bits, plan_.narrow_exponents.at(tensor.name), {}};
  }

  void convert_inputs(graph::Node& node) {
    for (std::string& input : node.inputs) {
      if (input.empty() || graph_.tensor(input).constant) continue;
      const graph::Format format = wanted(node, graph_.tensor(input));
      if (format == graph_.tensor(input).format) continue;
      input = converted(input, format);
    }
  }

  std::string converted(const std::string& source, const graph::Format& format) {
    const auto key = std::make_pair(source, std::make_pair(format.bits, format.exponent));
    if (const auto found = conversions_.find(key); found != conversions_.end()) return found->second;
    const std::string name = graph::add_variable(graph_, source, source + "_requantized");
    graph_.tensor(name).format = format;
    graph::Node node;
    node.name = graph_.fresh_name(source + "/Requantize");
    node.op = "RequantizeLinear";
    node.inputs = {source};
    node.outputs = {name};
    conversions_[key] = name;
    graph_.nodes.push_back(std::move(node));
    return name;
  }

  void quantize_weights(graph::Node& node) {
    const auto found = plan_.weights.find(node.name);
    if (found == plan_.weights.end()) fail("node '{}': no weights were chosen", node.name);
    const WeightCode& code = found->second;
    graph::Tensor& weight = graph_.tensor(node.inputs[1]);
    weight.integers = code.integers;
    weight.format = code.format;
    if (code.bias.empty()) return;

    if (node.inputs.size() < 3 || node.inputs[2].empty()) {
      node.inputs.resize(3);
      node.inputs[2] = graph_.fresh_name(node.name + ".bias");
      graph_.tensors[node.inputs[2]].name = node.inputs[2];
    }
    graph::Tensor& bias = graph_.tensor(node.inputs[2]);
    bias.constant = true;
    bias.shape = {static_cast<int64_t>(code.bias.size())};
    bias.values = code.bias;
    const int input_exponent = graph_.tensor(node.inputs[0]).format.exponent;
    bias.format.bits = chip_of(target_).arithmetic(code.format.bits).bias_bits;
    bias.format.exponent = input_exponent + code.format.exponent;
    bias.format.channel_exponents.clear();
    for (const int exponent : code.format.channel_exponents)
      bias.format.channel_exponents.push_back(input_exponent + exponent);
    bias.integers = bias_integers(code, input_exponent, target_);
  }

  // Constant operands of element-wise nodes: joins use the output's exponent, others the finest that covers
  // them.
  void quantize_constants(const graph::Node& node) {
    const graph::Format output = graph_.tensor(node.outputs[0]).format;
    if (output.is_float()) return;
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      if (!operators::is_quantized_constant(graph_, node, i)) continue;
      graph::Tensor& tensor = graph_.tensor(node.inputs[i]);
      const int exponent = is_join(node.op) ? output.exponent : factor_exponent(tensor, output.bits);
      tensor.format = {output.bits, exponent, {}};
      tensor.integers.clear();
      for (const float v : tensor.values)
        tensor.integers.push_back(round_to(v, exponent, output.bits, rounding_));
    }
  }

  const Plan& plan_;
  Target target_;
  Rounding rounding_;
  graph::Graph graph_;
  std::map<std::pair<std::string, std::pair<int, int>>, std::string> conversions_;
};

}  // namespace

int seen_exponent(const Plan& plan, const graph::Node& node, const std::string& input) {
  const graph::Format& present = plan.formats.at(input);
  const graph::Format& output = plan.formats.at(node.outputs[0]);
  if (present.bits == output.bits) return present.exponent;
  return output.bits == 16 ? widened(present.exponent) : plan.narrow_exponents.at(input);
}

int factor_exponent(const graph::Tensor& constant, int bits) {
  float largest = 0;
  for (const float value : constant.values) largest = std::max(largest, std::fabs(value));
  return std::clamp(covering_exponent(largest, bits), kLowestExponent, kHighestExponent);
}

void round_weights(const graph::Graph& graph, const Settings& settings, Plan& plan) {
  enforce_right_shifts(graph, plan);
  for (const graph::Node& node : graph.nodes) {
    if (!has_weights(graph, node)) continue;
    const WeightView view = weight_view(graph, node);
    const graph::Tensor& weight = graph.tensor(node.inputs[1]);
    const int bits = plan.formats.at(node.outputs[0]).bits;
    const int output_exponent = plan.formats.at(node.outputs[0]).exponent;
    const int input_exponent = seen_exponent(plan, node, node.inputs[0]);
    WeightCode code;
    const bool has_bias = node.op != "MatMul";
    if (has_bias) code.bias = bias_values(graph, node);
    code.format.bits = bits;

    std::vector<int> exponents(static_cast<size_t>(view.channels));
    const bool per_channel = chip_of(settings.target).per_channel_exponents && node.op != "MatMul" &&
                             settings.weight_exponents == WeightExponents::kChannel;
    if (per_channel) {
      for (int64_t n = 0; n < view.channels; ++n) {
        const ExponentRange range = exponent_range(settings.target, bits, input_exponent, output_exponent,
                                                   has_bias ? code.bias[n] : 0.0f);
        std::vector<float> taps(static_cast<size_t>(view.taps));
        for (int64_t k = 0; k < view.taps; ++k)
          taps[static_cast<size_t>(k)] = weight.values[view.index(n, k)];
        exponents[n] = weight_exponent(std::move(taps), bits, settings, range);
      }
      code.format.channel_exponents = exponents;
      code.format.exponent = *std::max_element(exponents.begin(), exponents.end());
    } else {
      float largest_bias = 0;
      for (const float b : code.bias) largest_bias = std::max(largest_bias, std::fabs(b));
      const ExponentRange range =
          exponent_range(settings.target, bits, input_exponent, output_exponent, largest_bias);
      code.format.exponent = weight_exponent(weight.values, bits, settings, range);
      std::fill(exponents.begin(), exponents.end(), code.format.exponent);
    }
    code.integers.resize(weight.values.size());
    for (int64_t n = 0; n < view.channels; ++n) {
      for (int64_t k = 0; k < view.taps; ++k) {
        const size_t i = view.index(n, k);
        code.integers[i] = round_to(weight.values[i], exponents[n], bits, Rounding::kHalfEven);
      }
    }
    plan.weights[node.name] = std::move(code);
  }
}

graph::Graph materialize(const graph::Graph& graph, const Plan& plan, Target target) {
  return Materializer(graph, plan, target).run();
}

}  // namespace shrike::quantize
