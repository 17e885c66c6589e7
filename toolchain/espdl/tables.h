// Lookup tables of activations (spec/espdl-format.md section 6.6, spec/numerics.md sections 8 and 9.2).
#pragma once
#include <cstdint>
#include <vector>

#include "shrike/tensor.h"
#include "toolchain/graph/graph.h"

namespace shrike::espdl {

// True for operators that the runtime evaluates by a table at 8 bits when they have one variable input.
bool is_table_operator(const graph::Graph& graph, const graph::Node& node);
// True for those whose 16-bit form is written as op_type `LUT`. The others (Relu, Clip, LeakyRelu, Exp, Log,
// Sqrt, single-slope PRelu) are piecewise linear or too steep for a coarse table; the runtime computes them
// per element.
bool is_coarse_table_operator(const graph::Node& node);

// Rule FQ onto the grid of a format of 8 or 16 bits.
int64_t quantized(float value, const graph::Format& format, Rounding rounding);

// Entry i is the output integer for the input integer lowest + i * step: 256 entries at 8 bits (step 1),
// 65536 / step + 1 at 16 bits. `input` and `output` are the formats of the node's input and output.
std::vector<int64_t> activation_table(const graph::Graph& graph, const graph::Node& node,
                                      const graph::Format& input, const graph::Format& output, int step,
                                      Rounding rounding);

}  // namespace shrike::espdl
