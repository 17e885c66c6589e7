// One streaming pass over the calibration images: per tensor, range, histogram and the noise of every
// candidate exponent.
#pragma once
#include <functional>

#include "toolchain/formats/statistics.h"
#include "toolchain/graph/graph.h"
#include "toolchain/measure/feed.h"

namespace shrike::quantize {

// Shown every tensor of every image (by its place in the feed) on the way, an image's tensors in order,
// several images at once.
using Watcher = std::function<void(size_t image, const engine::TensorData& tensor)>;

// Streams the images through the float engine; the result does not depend on the number of threads. Of
// tensors that only copy (find_groups) nothing is measured. Throws Error naming the image that can't be read.
Statistics calibrate(const graph::Graph& graph, const Feed& feed, const ProgressCallback& progress,
                     const Watcher& watcher = {});

}  // namespace shrike::quantize
