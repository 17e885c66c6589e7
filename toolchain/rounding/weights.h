// Weights of Conv, Gemm and MatMul as matrices of output channels, and their exponents.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "toolchain/formats/formats.h"
#include "toolchain/graph/graph.h"
#include "toolchain/pipeline/settings.h"

namespace shrike::quantize {

// Where the channels of a weight tensor lie: value (channel n, tap k) is at n * channel_step + k * tap_step.
struct WeightView {
  int64_t channels = 0, taps = 0;
  int64_t channel_step = 0, tap_step = 0;
  size_t index(int64_t channel, int64_t tap) const {
    return static_cast<size_t>(channel * channel_step + tap * tap_step);
  }
};

// True for Conv, Gemm, and MatMul with a constant right operand.
bool has_weights(const graph::Graph& graph, const graph::Node& node);
WeightView weight_view(const graph::Graph& graph, const graph::Node& node);
// The node's bias, one value a channel; zeros when it has none.
std::vector<float> bias_values(const graph::Graph& graph, const graph::Node& node);

// Exponents a channel may take: [lowest, highest]. The shift e_out - e_in - e_w stays within 0..30, the bias
// fits and the chip can build the power of two: a channel whose weights are smaller still is rounded to
// zeros.
struct ExponentRange {
  int lowest = 0, highest = 0;
};
ExponentRange exponent_range(Target target, int bits, int input_exponent, int output_exponent, float bias);

// The finest exponent that rounds `largest` (0 or more) without clipping it; not limited to what the chip
// has.
int covering_exponent(float largest, int bits);

// Exponent within the range that rounds `weights` (with importance `weight_power`, null: equal) with the
// least squared error.
int best_weight_exponent(const float* weights, const float* weight_power, int64_t count, int bits,
                         ExponentRange range);

// Exponent within the range for weights that share one, by Settings::weight_calibration.
int weight_exponent(std::vector<float> weights, int bits, const Settings& settings, ExponentRange range);

}  // namespace shrike::quantize
