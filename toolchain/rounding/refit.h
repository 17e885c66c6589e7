// Second-order weight rounding.
//
// For every convolution the inputs Xq that the integer runtime hands it give the covariance H. The weights
// are rounded one tap after the other, each rounding error being spread over the taps still to come by the
// inverse of H, so that the error of the layer's output is small rather than that of its weights (optimal
// brain quantisation: Frantar and Alistarh, 2022). What rounding does to a channel's mean goes into the bias.
// Every layer makes up for its own rounding only; what earlier layers did to the means is bias.h's.
//
// Weights that share one exponent are also rounded with its two neighbours, and the exponent stays that
// leaves the outputs the least error: which weights may be clipped depends on what they are multiplied with.
#pragma once
#include "shrike/tensor.h"
#include "toolchain/formats/plan.h"
#include "toolchain/graph/graph.h"
#include "toolchain/measure/feed.h"

namespace shrike::quantize {

// Replaces plan.weights of all two-dimensional convolutions (group 1 or depthwise). Formats of activations
// stay.
void refit_weights(const graph::Graph& graph, const Feed& feed, Target target, Plan& plan,
                   const ProgressCallback& progress);

}  // namespace shrike::quantize
