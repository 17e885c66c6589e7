// One streaming pass over the calibration images: per tensor, range, histogram and the noise of every
// candidate exponent. Memory does not depend on the number of images.
#pragma once
#include "toolchain/formats/statistics.h"
#include "toolchain/graph/graph.h"
#include "toolchain/measure/feed.h"

namespace shrike::quantize {

// Streams the images through the float engine; the result does not depend on the number of threads. Throws
// Error naming the image that can't be read.
Statistics calibrate(const graph::Graph& graph, const Feed& feed, const ProgressCallback& progress);

}  // namespace shrike::quantize
