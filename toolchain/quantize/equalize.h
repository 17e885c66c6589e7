// Function-preserving rescaling of channels, so that what shares a format also shares a range.
#pragma once
#include <string>
#include <vector>

#include "toolchain/graph/graph.h"
#include "toolchain/quantize/calibrate.h"
#include "toolchain/quantize/settings.h"

namespace shrike::quantize {

// Query and key of an attention block meet only in their product, channel by channel: query channel d times a
// and key channel d divided by a give the same product. Queries, keys and values come from one convolution
// and share its exponent, so each pair is balanced to equal power, measured on the float network. Returns the
// number of attention blocks changed.
int equalize_attention(graph::Graph& graph, const std::vector<std::string>& images, const Settings& settings);

}  // namespace shrike::quantize
