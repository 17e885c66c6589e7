#include "toolchain/rounding/round_weights.h"

#include <algorithm>

#include "runtime/chips/chip.h"
#include "toolchain/espdl/fusion.h"
#include "toolchain/measure/grid.h"
#include "toolchain/operators/operator.h"
#include "toolchain/rounding/weights.h"

namespace shrike::quantize {
namespace {

using FusedRelus = std::map<size_t, size_t>;  // espdl/fusion.h

// Raises output exponents (of whole groups) until every weight fits below its node's shift bound.
void enforce_right_shifts(const graph::Graph& graph, const FusedRelus& relus, Plan& plan) {
  const FormatGroups groups = find_groups(graph);
  const auto raise = [&](const std::string& tensor, int exponent) {
    if (plan.formats.at(tensor).exponent >= exponent) return;
    for (const std::string& member : groups.members[groups.group_of.at(tensor)])
      plan.formats[member].exponent = exponent;
  };
  for (size_t index = 0; index < graph.nodes.size(); ++index) {
    const graph::Node& node = graph.nodes[index];
    const auto is = [&](operators::Role role) { return operators::has_role(node.op, role); };
    if (!is(operators::Role::kWeighted) && !is(operators::Role::kMatrix) && !is(operators::Role::kProduct))
      continue;
    const graph::Format& output = plan.formats.at(node.outputs[0]);
    int needed = 0;
    for (size_t i = 0; i < 2; ++i) {
      const graph::Tensor& operand = graph.tensor(node.inputs[i]);
      needed += operand.constant ? factor_exponent(operand, output.bits)
                                 : seen_exponent(plan, node, node.inputs[i]);
    }
    raise(node.outputs[0], needed);
    raise(espdl::written_output(graph, relus, index), needed);
  }
}

}  // namespace

std::vector<int64_t> bias_integers(const WeightCode& code, int input_exponent, Target target) {
  std::vector<int64_t> integers(code.bias.size());
  for (size_t n = 0; n < integers.size(); ++n) {
    const int exponent = code.format.per_channel() ? code.format.channel_exponents[n] : code.format.exponent;
    integers[n] = integer_of(code.bias[n], input_exponent + exponent,
                             chip_of(target).usable_bias_bits(code.format.bits), rounding_of(target));
  }
  return integers;
}

void round_weights(const graph::Graph& graph, Target target, const FormatOptions& options, Plan& plan) {
  const FusedRelus relus = espdl::fused_relus(graph);
  enforce_right_shifts(graph, relus, plan);
  for (size_t index = 0; index < graph.nodes.size(); ++index) {
    const graph::Node& node = graph.nodes[index];
    if (!operators::is_weighted(graph, node)) continue;
    const operators::FilterLayout view = weight_view(graph, node);
    const graph::Tensor& weight = graph.tensor(node.inputs[1]);
    const int bits = plan.formats.at(node.outputs[0]).bits;
    const Surroundings around = {target, seen_exponent(plan, node, node.inputs[0]),
                                 plan.formats.at(espdl::written_output(graph, relus, index)),
                                 largest_of(plan, node.outputs[0])};
    WeightCode code;
    const bool has_bias = operators::has_role(node.op, operators::Role::kWeighted);
    if (has_bias) code.bias = bias_values(graph, node);
    code.format.bits = bits;

    std::vector<int> exponents(static_cast<size_t>(view.outputs));
    const bool per_channel = has_bias && has_channel_exponents(options, target);
    if (per_channel) {
      for (int64_t n = 0; n < view.outputs; ++n) {
        const ExponentRange range = exponent_range(around, has_bias ? code.bias[n] : 0.0f);
        std::vector<float> taps(static_cast<size_t>(view.taps));
        for (int64_t k = 0; k < view.taps; ++k)
          taps[static_cast<size_t>(k)] = weight.values[view.index(n, k)];
        exponents[n] = weight_exponent(std::move(taps), bits, options, range);
      }
      code.format.channel_exponents = exponents;
      code.format.exponent = *std::max_element(exponents.begin(), exponents.end());
    } else {
      const ExponentRange range = shared_exponent_range(around, code.bias);
      code.format.exponent = weight_exponent(weight.values, bits, options, range);
      std::fill(exponents.begin(), exponents.end(), code.format.exponent);
    }
    code.integers.resize(weight.values.size());
    for (int64_t n = 0; n < view.outputs; ++n) {
      for (int64_t k = 0; k < view.taps; ++k) {
        const size_t i = view.index(n, k);
        code.integers[i] = integer_of(weight.values[i], exponents[n], bits, Rounding::kHalfEven);
      }
    }
    plan.weights[node.name] = std::move(code);
  }
}

}  // namespace shrike::quantize
