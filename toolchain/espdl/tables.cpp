#include "toolchain/espdl/tables.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <set>

#include "runtime/ops/numeric.h"
#include "toolchain/graph/activation.h"
#include "toolchain/support/error.h"

namespace shrike::espdl {
int64_t quantized(float value, const graph::Format& format, Rounding rounding) {
  const float scaled = value * power_of_two(-format.exponent);  // exact unless it leaves the range of float
  return format.bits == 16 ? int64_t{quantize_float<int16_t>(scaled, rounding)}
                           : int64_t{quantize_float<int8_t>(scaled, rounding)};
}

namespace {

bool single_slope(const graph::Graph& graph, const graph::Node& node) {
  return node.inputs.size() == 2 && graph.tensor(node.inputs[1]).constant &&
         graph.tensor(node.inputs[1]).elements() == 1;
}

// Clip's bounds live on the input's grid; a PRelu slope has its own quantised value.
std::function<float(float)> function_of(const graph::Graph& graph, const graph::Node& node,
                                        const graph::Format& input, Rounding rounding) {
  if (node.op == "Clip") {
    const auto bound = [&](size_t index, float fallback) {
      if (node.inputs.size() <= index || node.inputs[index].empty()) return fallback;
      const float exact = graph.tensor(node.inputs[index]).values.at(0);
      return static_cast<float>(quantized(exact, input, rounding)) * power_of_two(input.exponent);
    };
    const float low = bound(1, -INFINITY), high = bound(2, INFINITY);
    return [=](float x) { return std::min(std::max(x, low), high); };
  }
  if (node.op == "PRelu") {
    const graph::Tensor& slope = graph.tensor(node.inputs[1]);
    const float alpha = static_cast<float>(slope.integers.at(0)) * power_of_two(slope.format.exponent);
    return [=](float x) { return x >= 0 ? x : alpha * x; };
  }
  return graph::activation_function(graph, node);
}

}  // namespace

bool is_table_operator(const graph::Graph& graph, const graph::Node& node) {
  if (node.op == "PRelu") return single_slope(graph, node);
  return graph::is_activation(node.op);
}

bool is_coarse_table_operator(const graph::Node& node) {
  static const std::set<std::string> kOps = {"Swish",       "Sigmoid",   "Tanh", "Gelu",
                                             "HardSigmoid", "HardSwish", "Elu"};
  return kOps.contains(node.op);
}

std::vector<int64_t> activation_table(const graph::Graph& graph, const graph::Node& node,
                                      const graph::Format& input, const graph::Format& output, int step,
                                      Rounding rounding) {
  const auto function = function_of(graph, node, input, rounding);
  const int64_t lowest = input.bits == 16 ? -32768 : -128;
  const int64_t entries = input.bits == 16 ? 65536 / step + (step > 1 ? 1 : 0) : 256;
  std::vector<int64_t> table;
  table.reserve(static_cast<size_t>(entries));
  for (int64_t i = 0; i < entries; ++i) {
    const float x = static_cast<float>(lowest + i * step) * power_of_two(input.exponent);
    table.push_back(quantized(function(x), output, rounding));
  }
  return table;
}

}  // namespace shrike::espdl
