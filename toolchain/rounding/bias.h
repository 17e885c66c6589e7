// Correction of biases, in the order of data flow.
#pragma once
#include "shrike/tensor.h"
#include "toolchain/formats/plan.h"
#include "toolchain/graph/graph.h"
#include "toolchain/measure/feed.h"
#include "toolchain/rounding/float_outputs.h"

namespace shrike::quantize {

// Shifts every convolution's bias to where the squared error of its output, as the integer runtime computes
// it, is least: behind the activation function where there is one (one Gauss-Newton step in the shift), else
// of the output itself, which then has the float network's mean. Layers are taken level by level: a level's
// inputs have been corrected before it is measured.
// `wanted` covers the feed.
void correct_biases(const graph::Graph& graph, const Feed& feed, const FloatOutputs& wanted, Target target,
                    Plan& plan, const ProgressCallback& progress);

}  // namespace shrike::quantize
