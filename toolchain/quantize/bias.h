// Exact mean correction of biases, in the order of data flow.
#pragma once
#include <string>
#include <vector>

#include "toolchain/quantize/calibrate.h"
#include "toolchain/quantize/formats.h"

namespace shrike::quantize {

// Shifts every convolution's bias so that each output channel's mean, as the integer runtime computes it, is
// the float network's (both within the range that the output's format holds). Layers are taken level by
// level: a level's inputs have been corrected before it is measured.
void correct_biases(const graph::Graph& graph, const std::vector<std::string>& images,
                    const Settings& settings, Plan& plan, const ProgressCallback& progress);

}  // namespace shrike::quantize
