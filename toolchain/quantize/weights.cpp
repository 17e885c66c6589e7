#include "toolchain/quantize/weights.h"

#include <algorithm>
#include <cmath>

#include "toolchain/support/error.h"

namespace shrike::quantize {

bool has_weights(const graph::Graph& graph, const graph::Node& node) {
  if (node.op == "Conv" || node.op == "Gemm" || node.op == "ConvTranspose") return true;
  return node.op == "MatMul" && graph.tensor(node.inputs[1]).constant;
}

WeightView weight_view(const graph::Graph& graph, const graph::Node& node) {
  const graph::Tensor& weight = graph.tensor(node.inputs[1]);
  if (!weight.constant)
    fail("node '{}' ({}): the weight '{}' must be a constant", node.name, node.op, weight.name);
  const int64_t total = weight.elements();
  WeightView view;
  if (node.op == "Conv" || (node.op == "Gemm" && node.integer("transB", 0) != 0)) {
    view.channels = weight.shape[0];
    view.taps = total / view.channels;
    view.channel_step = view.taps;
    view.tap_step = 1;
  } else if (node.op == "ConvTranspose") {
    fail("node '{}': ConvTranspose must be decomposed before quantisation", node.name);
  } else {
    view.channels = weight.shape.back();
    view.taps = total / view.channels;
    view.channel_step = 1;
    view.tap_step = view.channels;
  }
  return view;
}

std::vector<float> bias_values(const graph::Graph& graph, const graph::Node& node) {
  if (node.inputs.size() > 2 && !node.inputs[2].empty()) return graph.tensor(node.inputs[2]).values;
  return std::vector<float>(static_cast<size_t>(weight_view(graph, node).channels), 0.0f);
}

ExponentRange exponent_range(Target target, int bits, int input_exponent, int output_exponent, float bias) {
  ExponentRange range;
  range.highest = output_exponent - input_exponent;
  range.lowest = range.highest - 30;
  if (bias != 0) {
    // |bias| / 2^(e_in + e_w) < 2^(B-1), half of the range left to the products.
    const int needed = static_cast<int>(std::ceil(std::log2(std::fabs(bias)))) -
                       (bias_bits(target, bits) - 2) - input_exponent;
    range.lowest = std::max(range.lowest, needed);
  }
  range.lowest = std::min(range.lowest, range.highest);
  return range;
}

int best_weight_exponent(const float* weights, const float* weight_power, int64_t count, int64_t step,
                         int bits, ExponentRange range) {
  const float largest_code = static_cast<float>((1 << (bits - 1)) - 1);
  float largest = 0;
  for (int64_t i = 0; i < count; ++i) largest = std::max(largest, std::fabs(weights[i * step]));
  if (largest == 0) return range.highest;
  const int covering = static_cast<int>(std::ceil(std::log2(largest / (largest_code + 0.5f))));
  int best = std::clamp(covering, range.lowest, range.highest);
  double best_error = -1;
  for (int exponent = covering; exponent >= covering - 2; --exponent) {
    const int candidate = std::clamp(exponent, range.lowest, range.highest);
    const float scale = std::ldexp(1.0f, candidate), inverse = std::ldexp(1.0f, -candidate);
    double error = 0;
    for (int64_t i = 0; i < count; ++i) {
      const float w = weights[i * step];
      const float code = std::clamp(std::nearbyint(w * inverse), -largest_code - 1, largest_code);
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

}  // namespace shrike::quantize
