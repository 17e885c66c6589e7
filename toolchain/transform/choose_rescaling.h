// Which scales and offsets (rescale.h) a network gets.
#pragma once
#include <map>
#include <string>

#include "toolchain/graph/graph.h"
#include "toolchain/measure/feed.h"
#include "toolchain/transform/rescale.h"

namespace shrike::quantize {

// The scales and offsets with which 8 bits lose least on the images: per tensor, noise to signal averaged
// over the images, of a convolution's output behind the activation function. `bits` of every variable
// (formats/widths.h) say which functions are tables. Does not depend on the number of threads.
Rescaling choose_rescaling(const graph::Graph& graph, const std::map<std::string, int>& bits,
                           const Feed& feed, const ProgressCallback& progress);

}  // namespace shrike::quantize
