// Lookup tables of activations (spec/espdl-format.md section 6.6, spec/numerics.md sections 8 and 9.2).
#pragma once
#include <cstdint>
#include <vector>

#include "shrike/tensor.h"
#include "toolchain/graph/graph.h"

namespace shrike::espdl {

// Rule FQ onto the grid of a format of 8 or 16 bits.
int64_t quantized(float value, const graph::Format& format, Rounding rounding);

// Entry i is the output integer for the input integer lowest + i * step: 256 entries at 8 bits (step 1),
// 65536 / step + 1 at 16 bits. `input` and `output` are the formats of the node's input and output.
std::vector<int64_t> activation_table(const graph::Graph& graph, const graph::Node& node,
                                      const graph::Format& input, const graph::Format& output, int step,
                                      Rounding rounding);

}  // namespace shrike::espdl
