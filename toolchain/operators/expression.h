// A function of one variable, written in operators in postfix order: "x 3 Add Clip(0,6) x Mul 6 Div". Numbers
// are constants, x is the variable, names are rows; behind a name stand its constants (~ for one that is
// absent) and attributes, as in Elu(alpha=0.5).
#pragma once
#include <optional>
#include <string>

#include "toolchain/operators/operator.h"

namespace shrike::operators {

// The postfix form of `node` over those of its inputs; nothing where the node isn't element-wise.
std::optional<std::string> expression_of(const graph::Graph& graph, const graph::Node& node,
                                         const std::vector<std::string>& inputs);

// Attribute of operator Function.
inline constexpr const char* kExpression = "expression";
// Throws Error for text that is no expression.
Formula parse_expression(const std::string& text);

// The row whose function, with ONNX's default attributes, has the same values; null when there is none.
const Operator* function_like(const Formula& function);

}  // namespace shrike::operators
