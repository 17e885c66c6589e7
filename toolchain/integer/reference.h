// The float network's outputs on a few images, and how far a plan's integers are from them.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "shrike/tensor.h"
#include "toolchain/engine/engine.h"
#include "toolchain/formats/plan.h"
#include "toolchain/measure/feed.h"

namespace shrike::quantize {

// Images in memory with the float network's outputs on them.
struct Reference {
  std::vector<std::vector<float>> inputs;
  std::vector<std::map<std::string, engine::Array>> outputs;
  int threads = 1;  // for whoever measures against it
};
Reference make_reference(const graph::Graph& graph, const Feed& feed);

// How far the integer network's outputs are from the reference's: a head's own loss (heads/head.h), which
// weighs errors by what matters to its results; for other graphs the mean noise to signal of the outputs.
double output_loss(const graph::Graph& graph, const Plan& plan, Target target, const Reference& reference);

// The same with the float network's weights and biases: what rounding the variables alone leaves. No integers
// of weights can be expected to do better. Computed in floats, exactly.
double output_loss_with_float_weights(const graph::Graph& graph, const Plan& plan, Target target,
                                      const Reference& reference);

// Noise to signal of every graph output over the reference's images (measure/noise.h), in the order of
// graph.outputs.
std::vector<double> output_noise(const graph::Graph& graph, const Plan& plan, Target target,
                                 const Reference& reference);

}  // namespace shrike::quantize
