// Which scales and offsets (rescale.h) a network gets.
#pragma once
#include <map>
#include <string>

#include "shrike/tensor.h"
#include "toolchain/graph/graph.h"
#include "toolchain/measure/feed.h"
#include "toolchain/transform/rescale.h"

namespace shrike::quantize {

struct RescalingOptions {
  Target target = kDefaultTarget;
  // Tensors that convolutions pad may be shifted: a Pad with the shifted zero takes the padding over, where
  // the noise it saves is worth its time on the chip (recipe::kPadTime). Without effect where accumulators
  // have 20 bits.
  bool explicit_pads = false;
};

// The scales and offsets with which 8 bits lose least on the images: per tensor, noise to signal averaged
// over the images, of a convolution's output behind the activation function; of the logits of a head's
// distributions the shift that keeps their peaks. `bits` of every variable (formats/widths.h) say which
// functions are tables. Does not depend on the number of threads.
Rescaling choose_rescaling(const graph::Graph& graph, const std::map<std::string, int>& bits,
                           const RescalingOptions& options, const Feed& feed,
                           const ProgressCallback& progress);

}  // namespace shrike::quantize
