#include "toolchain/rounding/weights.h"

#include <algorithm>
#include <cmath>

#include "runtime/chips/chip.h"
#include "toolchain/formats/plan.h"
#include "toolchain/measure/grid.h"
#include "toolchain/support/error.h"

namespace shrike::quantize {
operators::FilterLayout weight_view(const graph::Graph& graph, const graph::Node& node) {
  const graph::Tensor& weight = graph.tensor(node.inputs[1]);
  if (!weight.constant)
    fail("node '{}' ({}): the weight '{}' must be a constant", node.name, node.op, weight.name);
  return operators::filter_layout(node, weight.shape);
}

std::vector<float> bias_values(const graph::Graph& graph, const graph::Node& node) {
  if (node.inputs.size() > 2 && !node.inputs[2].empty()) return graph.tensor(node.inputs[2]).values;
  return std::vector<float>(static_cast<size_t>(weight_view(graph, node).outputs), 0.0f);
}

ExponentRange exponent_range(const Surroundings& around, float bias) {
  const int usable_bits = chip_of(around.target).usable_bias_bits(around.output.bits);
  ExponentRange range;
  range.highest = around.output.exponent - around.input_exponent;
  range.lowest = std::max(range.highest - 30, kLowestExponent);
  if (bias != 0) {
    // |bias| / 2^(e_in + e_w) < 2^(B-1), half of the range left to the products.
    const int needed =
        static_cast<int>(std::ceil(std::log2(std::fabs(bias)))) - (usable_bits - 2) - around.input_exponent;
    range.lowest = std::max(range.lowest, needed);
  }
  range.lowest = std::min(range.lowest, range.highest);
  return range;
}

ExponentRange shared_exponent_range(const Surroundings& around, const std::vector<float>& biases) {
  float largest = 0;
  for (const float bias : biases) largest = std::max(largest, std::fabs(bias));
  ExponentRange range = exponent_range(around, largest);
  if (around.largest_sum > 0) {
    const int sum_bits = chip_of(around.target).arithmetic(around.output.bits).sum_bits;
    const int needed = lowest_sum_exponent(around.largest_sum, around.output, sum_bits);
    range.lowest = std::min(std::max(range.lowest, needed - around.input_exponent), range.highest);
  }
  return range;
}

int best_weight_exponent(const float* weights, const float* weight_power, int64_t count, int bits,
                         ExponentRange range) {
  float largest = 0;
  for (int64_t i = 0; i < count; ++i) largest = std::max(largest, std::fabs(weights[i]));
  if (largest == 0) return range.highest;
  const int covering = covering_exponent(largest, steps_of(bits));
  int best = std::clamp(covering, range.lowest, range.highest);
  double best_error = -1;
  for (int exponent = covering; exponent >= covering - 2; --exponent) {
    const int candidate = std::clamp(exponent, range.lowest, range.highest);
    const float scale = std::ldexp(1.0f, candidate);
    double error = 0;
    for (int64_t i = 0; i < count; ++i) {
      const float w = weights[i];
      const auto code = static_cast<float>(integer_of(w, candidate, bits, Rounding::kHalfEven));
      const double difference = code * scale - w;
      error += difference * difference * (weight_power != nullptr ? weight_power[i] : 1.0f);
    }
    if (best_error < 0 || error < best_error) {
      best_error = error;
      best = candidate;
    }
  }
  return best;
}

int weight_exponent(std::vector<float> weights, int bits, const FormatOptions& options, ExponentRange range) {
  const auto count = static_cast<int64_t>(weights.size());
  if (options.weight_calibration == WeightCalibration::kDirect)
    return best_weight_exponent(weights.data(), nullptr, count, bits, range);
  const double share = options.weight_calibration == WeightCalibration::kMinMax ? 1.0 : options.percentile;
  // The ranks of spec/quantizer.md section 7, counted from 0.
  const int64_t high = std::min(static_cast<int64_t>(static_cast<double>(count) * share), count - 1);
  const int64_t low = static_cast<int64_t>(static_cast<double>(count) * (1 - share));
  std::sort(weights.begin(), weights.end());
  const float largest =
      std::max(std::fabs(weights[static_cast<size_t>(high)]), std::fabs(weights[static_cast<size_t>(low)]));
  if (largest == 0) return range.highest;
  return std::clamp(covering_exponent(largest, steps_of(bits)), range.lowest, range.highest);
}

}  // namespace shrike::quantize
