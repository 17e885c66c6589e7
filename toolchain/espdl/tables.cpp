#include "toolchain/espdl/tables.h"

#include <algorithm>
#include <cmath>

#include "runtime/ops/numeric.h"
#include "toolchain/graph/activation.h"
#include "toolchain/operators/operator.h"

namespace shrike::espdl {
int64_t quantized(float value, const graph::Format& format, Rounding rounding) {
  const float scaled = value * power_of_two(-format.exponent);  // exact unless it leaves the range of float
  return format.bits == 16 ? int64_t{quantize_float<int16_t>(scaled, rounding)}
                           : int64_t{quantize_float<int8_t>(scaled, rounding)};
}

namespace {

// Constants that the chip rounds with the data (Clip's bounds, a PRelu slope) are rounded here, too.
operators::Formula function_of(const graph::Graph& graph, const graph::Node& node, const graph::Format& input,
                               Rounding rounding) {
  const operators::Operator* row = operators::find(node.op);
  if (row != nullptr && row->formula_on_grid != nullptr)
    return row->formula_on_grid(graph, node, input, rounding);
  return graph::activation_function(graph, node);
}

}  // namespace

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
