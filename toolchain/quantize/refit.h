// Second-order weight rounding and exact bias correction, stage by stage in the order of data flow.
//
// For every convolution the inputs X (float network) and Xq (integer runtime, earlier layers already
// refitted) give H = Xq'Xq and G = Xq'X about their means. The weights that reproduce the float output best
// from the quantised input are W* = W + (H + d)^-1 (G - H) W; they are rounded one tap after the other, each
// rounding error being spread over the taps still to come by the inverse of H (optimal brain quantisation:
// Frantar and Alistarh, 2022). The bias takes up the difference of the means, so that every output channel's
// mean is the float network's.
#pragma once
#include <string>
#include <vector>

#include "toolchain/quantize/calibrate.h"
#include "toolchain/quantize/formats.h"

namespace shrike::quantize {

// Replaces plan.weights. Formats of activations stay. settings.weight_refit false: only biases are corrected.
void refit_weights(const graph::Graph& graph, const std::vector<std::string>& images,
                   const Settings& settings, Plan& plan, const ProgressCallback& progress);

}  // namespace shrike::quantize
