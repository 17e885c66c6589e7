// Weights of weighted operators as matrices of output channels, and their exponents.
#pragma once
#include <cstdint>
#include <vector>

#include "shrike/tensor.h"
#include "toolchain/formats/options.h"
#include "toolchain/graph/graph.h"
#include "toolchain/operators/operator.h"

namespace shrike::quantize {

// Where the weights of a weighted node (operators::is_weighted) lie. Throws Error when they are no constant.
operators::FilterLayout weight_view(const graph::Graph& graph, const graph::Node& node);
// The node's bias, one value a channel; zeros when it has none.
std::vector<float> bias_values(const graph::Graph& graph, const graph::Node& node);

// What a layer's weights are rounded between.
struct Surroundings {
  Target target = kDefaultTarget;
  int input_exponent = 0;
  graph::Format output;   // as it is written
  float largest_sum = 0;  // magnitude on the calibration images; 0: not known
};

// Exponents a channel may take: [lowest, highest]. The shift e_out - e_in - e_w stays within 0..30, the bias
// fits and the chip can build the power of two: a channel whose weights are smaller still is rounded to
// zeros.
struct ExponentRange {
  int lowest = 0, highest = 0;
};
ExponentRange exponent_range(const Surroundings& around, float bias);
// The same of channels that share an exponent: every bias fits, and the largest sum of any of them.
ExponentRange shared_exponent_range(const Surroundings& around, const std::vector<float>& biases);

// Exponent within the range that rounds `weights` (with importance `weight_power`, null: equal) with the
// least squared error.
int best_weight_exponent(const float* weights, const float* weight_power, int64_t count, int bits,
                         ExponentRange range);

// Exponent within the range for weights that share one, by FormatOptions::weight_calibration.
int weight_exponent(std::vector<float> weights, int bits, const FormatOptions& options, ExponentRange range);

}  // namespace shrike::quantize
