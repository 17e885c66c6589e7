// Weights to integers, each on its own.
#pragma once
#include <cstdint>
#include <vector>

#include "shrike/tensor.h"
#include "toolchain/formats/options.h"
#include "toolchain/formats/plan.h"
#include "toolchain/graph/graph.h"

namespace shrike::quantize {

// Weights rounded to nearest, exponents as the options say (each channel's own where the chip can). Output
// exponents that would need a left shift are raised first: the plan's formats bound the exponents, the shift
// must not be negative and the bias must fit.
void round_weights(const graph::Graph& graph, Target target, const FormatOptions& options, Plan& plan);

// The bias on the accumulator's grid 2^(e_in + e_w), limited to the width that the target holds.
std::vector<int64_t> bias_integers(const WeightCode& code, int input_exponent, Target target);

}  // namespace shrike::quantize
