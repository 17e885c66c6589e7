// Choice of every activation's format.
#pragma once
#include "toolchain/formats/options.h"
#include "toolchain/formats/plan.h"
#include "toolchain/formats/statistics.h"
#include "toolchain/graph/graph.h"

namespace shrike::quantize {

// Throws Error for an exponent set by hand (FormatOptions::fixed_exponents) on a tensor that the graph has
// not, with the nearest.
void check_exponent_names(const graph::Graph& graph, const FormatOptions& options);

// Chooses the formats of all variables (Plan::formats, narrow_exponents) from the statistics, for the sums
// that the target has.
Plan choose_formats(const graph::Graph& graph, const Statistics& statistics, const FormatOptions& options,
                    Target target = kDefaultTarget);

}  // namespace shrike::quantize
