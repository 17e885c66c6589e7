// Activation functions of one input as scalar functions: what an 8-bit table holds and what judges its
// input's format.
#pragma once
#include <functional>

#include "toolchain/graph/graph.h"

namespace shrike::graph {

// True for operators that the chip evaluates by a table (spec/numerics.md section 8).
bool is_activation(const std::string& op);

// Attributes of activation nodes set by transform/rescale.h: y = output_scale * f((x - input_offset) /
// input_scale) + output_offset. Absent: 1 and 0.
inline constexpr const char* kInputScale = "input_scale";
inline constexpr const char* kInputOffset = "input_offset";
inline constexpr const char* kOutputScale = "output_scale";
inline constexpr const char* kOutputOffset = "output_offset";

// f(x) in single precision, attributes of the node applied, scales and offsets among them. Throws Error for
// other operators. `graph` supplies constant inputs (Clip bounds, a single PRelu slope).
std::function<float(float)> activation_function(const Graph& graph, const Node& node);

}  // namespace shrike::graph
