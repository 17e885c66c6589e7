// Functions of one variable, element by element: a table on the chip.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "toolchain/espdl/tables.h"
#include "toolchain/graph/activation.h"
#include "toolchain/graph/inference.h"
#include "toolchain/operators/expression.h"
#include "toolchain/operators/formats.h"
#include "toolchain/operators/lower.h"
#include "toolchain/operators/operator.h"
#include "toolchain/operators/rules.h"
#include "toolchain/support/error.h"

namespace shrike::operators {
namespace {

using graph::Format;
using graph::Graph;
using graph::Node;
using graph::RuleContext;

float sigmoid(float x) {
  return 1.0f / (1.0f + std::exp(-x));
}

float softplus(float x) {
  return std::max(x, 0.0f) + std::log1p(std::exp(-std::fabs(x)));
}

// The constant input `index`, or `fallback` where it is absent.
float constant_scalar(const Graph& graph, const Node& node, size_t index, float fallback) {
  if (node.inputs.size() <= index || node.inputs[index].empty()) return fallback;
  const graph::Tensor& tensor = graph.tensor(node.inputs[index]);
  if (!tensor.constant || tensor.values.size() != 1) {
    fail("node '{}' ({}): input {} must be a constant with one element", node.name, node.op, index);
  }
  return tensor.values[0];
}

// A function without attributes.
template <float (*function)(float)>
Formula plain(const Graph&, const Node&) {
  return function;
}

float swish(float x) {
  return x * sigmoid(x);
}
float relu(float x) {
  return std::max(x, 0.0f);
}
float hard_swish(float x) {
  return x * std::clamp(x / 6.0f + 0.5f, 0.0f, 1.0f);
}
float mish(float x) {
  return x * std::tanh(softplus(x));
}
float softsign(float x) {
  return x / (1.0f + std::fabs(x));
}
float sign(float x) {
  return x > 0 ? 1.0f : x < 0 ? -1.0f : 0.0f;
}
float reciprocal(float x) {
  return 1.0f / x;
}

Formula gelu(const Graph&, const Node& node) {
  if (node.text("approximate", "none") == "tanh") {
    return [](float x) {
      return 0.5f * x * (1.0f + std::tanh(0.79788456f * (x + 0.044715f * x * x * x)));  // sqrt(2 / pi)
    };
  }
  return [](float x) { return 0.5f * x * (1.0f + std::erf(x * 0.70710678f)); };
}

// ONNX Runtime's, as CLIP uses it: x sigmoid(alpha x).
Formula quick_gelu(const Graph&, const Node& node) {
  const float alpha = node.real("alpha", 1.702f);
  return [=](float x) { return x * sigmoid(alpha * x); };
}

Formula hard_sigmoid(const Graph&, const Node& node) {
  const float alpha = node.real("alpha", 0.2f), beta = node.real("beta", 0.5f);
  return [=](float x) { return std::clamp(alpha * x + beta, 0.0f, 1.0f); };
}

Formula leaky(float slope) {
  return [slope](float x) { return x >= 0 ? x : slope * x; };
}
Formula leaky_relu(const Graph&, const Node& node) {
  return leaky(node.real("alpha", 0.01f));
}
Formula prelu(const Graph& graph, const Node& node) {
  return leaky(constant_scalar(graph, node, 1, 0.0f));
}
// The slope has its own quantised value.
Formula prelu_on_grid(const Graph& graph, const Node& node, const Format&, Rounding) {
  const graph::Tensor& slope = graph.tensor(node.inputs[1]);
  return leaky(std::ldexp(static_cast<float>(slope.integers.at(0)), slope.format.exponent));
}

Formula elu(const Graph&, const Node& node) {
  const float alpha = node.real("alpha", 1.0f);
  return [=](float x) { return x >= 0 ? x : alpha * (std::exp(x) - 1.0f); };
}
Formula celu(const Graph&, const Node& node) {
  const float alpha = node.real("alpha", 1.0f);
  return [=](float x) { return x >= 0 ? x : alpha * std::expm1(x / alpha); };
}
Formula selu(const Graph&, const Node& node) {
  const float alpha = node.real("alpha", 1.67326319f), gamma = node.real("gamma", 1.05070102f);
  return [=](float x) { return gamma * (x > 0 ? x : alpha * std::expm1(x)); };
}
Formula thresholded_relu(const Graph&, const Node& node) {
  const float alpha = node.real("alpha", 1.0f);
  return [=](float x) { return x > alpha ? x : 0.0f; };
}
Formula shrink(const Graph&, const Node& node) {
  const float lambda = node.real("lambd", 0.5f), bias = node.real("bias", 0.0f);
  return [=](float x) { return x < -lambda ? x + bias : x > lambda ? x - bias : 0.0f; };
}

// A function that no other row is, see expression.h.
Formula written_out(const Graph&, const Node& node) {
  return parse_expression(node.text(kExpression, ""));
}

Formula between(float low, float high) {
  return [=](float x) { return std::min(std::max(x, low), high); };
}
Formula clip(const Graph& graph, const Node& node) {
  return between(constant_scalar(graph, node, 1, std::numeric_limits<float>::lowest()),
                 constant_scalar(graph, node, 2, std::numeric_limits<float>::max()));
}
// The bounds live on the input's grid.
Formula clip_on_grid(const Graph& graph, const Node& node, const Format& input, Rounding rounding) {
  const auto bound = [&](size_t index, float fallback) {
    if (node.inputs.size() <= index || node.inputs[index].empty()) return fallback;
    const float exact = graph.tensor(node.inputs[index]).values.at(0);
    return std::ldexp(static_cast<float>(espdl::quantized(exact, input, rounding)), input.exponent);
  };
  return between(bound(1, -INFINITY), bound(2, INFINITY));
}

// The slope is broadcast to the input, never the other way round.
void prelu_shape(const RuleContext& c) {
  graph::Shape result;
  if (!graph::broadcast(c.shape(0), c.shape(1), &result) || result != c.shape(0)) {
    c.fail("a slope of the shape [{}] does not fit the input [{}]", fmt::join(c.shape(1), ","),
           fmt::join(c.shape(0), ","));
  }
  c.set(c.shape(0));
}

std::string refuse_bounds(const Situation& s) {
  for (size_t i = 1; i < s.node.inputs.size(); ++i) {
    if (s.node.inputs[i].empty()) continue;
    const graph::Tensor& bound = s.graph.tensor(s.node.inputs[i]);
    if (!bound.constant || bound.elements() != 1) {
      return fmt::format("the bound '{}' is not one constant number; use Min and Max", bound.name);
    }
  }
  return "";
}

std::string refuse_slopes(const Situation& s) {
  const graph::Tensor& slope = s.graph.tensor(s.node.inputs[1]);
  const graph::Shape& shape = s.graph.tensor(s.node.outputs[0]).shape;
  if (!slope.constant) return fmt::format("the slope '{}' is not a constant", slope.name);
  if (slope.elements() == 1 && (s.bits == 8 || shape.size() == 4)) return "";
  if (shape.size() != 4 || slope.elements() != shape[1] || slope.shape.size() < 3 ||
      slope.shape[slope.shape.size() - 3] != shape[1]) {
    return fmt::format(
        "slopes of the shape [{}] for an input [{}]; the chip has a single slope, or one per channel of an "
        "input "
        "[N, C, H, W]",
        fmt::join(slope.shape, ","), fmt::join(shape, ","));
  }
  return "";
}

// A function that the chip's library has by name.
Operator named(const char* name, Formula (*formula)(const Graph&, const Node&), Table16 table16) {
  Operator row{.name = name, .role = Role::kTable, .shape = same_shape, .layout = Layout::kHandedOn};
  row.formula = formula;
  row.table16 = table16;
  row.lower = espdl::lower_activation;
  row.support = kAllTypes;
  return row;
}

// Any other function: operator LUT holds its table.
Operator by_table(const char* name, Formula (*formula)(const Graph&, const Node&), Table16 table16) {
  Operator row = named(name, formula, table16);
  row.becomes = "LUT";
  row.support = kIntegers;
  return row;
}

// Functions whose coarse table would be too coarse, but which the chip computes per element.
Operator homogeneous(const char* name, Formula (*formula)(const Graph&, const Node&)) {
  Operator row = named(name, formula, Table16::kNone);
  row.homogeneous = true;
  return row;
}

Operator clip_row() {
  Operator row = named("Clip", clip, Table16::kNone);
  row.operands = {Operand::kData, Operand::kPlain};
  row.formula_on_grid = clip_on_grid;
  row.refuse = refuse_bounds;
  return row;
}

Operator prelu_row() {
  Operator row = homogeneous("PRelu", prelu);
  row.shape = prelu_shape;
  row.formula_on_grid = prelu_on_grid;
  row.lower = espdl::lower_prelu;
  row.support = kIntegers;
  row.refuse = refuse_slopes;
  row.note = "constant slopes: one, or one per channel of [N, C, H, W]";
  return row;
}

}  // namespace

std::vector<Operator> activation_rows() {
  using enum Table16;
  return {
      named("Swish", plain<swish>, kCoarse),
      named("Sigmoid", plain<sigmoid>, kCoarse),
      named("Tanh", plain<std::tanh>, kCoarse),
      named("Gelu", gelu, kCoarse),
      named("HardSwish", plain<hard_swish>, kCoarse),
      named("HardSigmoid", hard_sigmoid, kCoarse),
      named("Elu", elu, kCoarse),
      named("Exp", plain<std::exp>, kNone),
      named("Log", plain<std::log>, kNone),
      named("Sqrt", plain<std::sqrt>, kNone),
      homogeneous("Relu", plain<relu>),
      homogeneous("LeakyRelu", leaky_relu),
      clip_row(),
      prelu_row(),
      by_table("Abs", plain<std::fabs>, kCoarse),
      by_table("Acos", plain<std::acos>, kFine),
      by_table("Acosh", plain<std::acosh>, kFine),
      by_table("Asin", plain<std::asin>, kFine),
      by_table("Asinh", plain<std::asinh>, kCoarse),
      by_table("Atan", plain<std::atan>, kCoarse),
      by_table("Atanh", plain<std::atanh>, kFine),
      by_table("Ceil", plain<std::ceil>, kFine),
      by_table("Celu", celu, kCoarse),
      by_table("Cos", plain<std::cos>, kFine),
      by_table("Cosh", plain<std::cosh>, kFine),
      by_table("Erf", plain<std::erf>, kCoarse),
      by_table("Function", written_out, kCoarse),
      by_table("Floor", plain<std::floor>, kFine),
      by_table("Mish", plain<mish>, kCoarse),
      by_table("QuickGelu", quick_gelu, kCoarse),
      by_table("Reciprocal", plain<reciprocal>, kFine),
      by_table("Round", plain<std::nearbyint>, kFine),
      by_table("Selu", selu, kCoarse),
      by_table("Shrink", shrink, kFine),
      by_table("Sign", plain<sign>, kFine),
      by_table("Sin", plain<std::sin>, kFine),
      by_table("Sinh", plain<std::sinh>, kFine),
      by_table("Softplus", plain<softplus>, kCoarse),
      by_table("Softsign", plain<softsign>, kCoarse),
      by_table("Tan", plain<std::tan>, kFine),
      by_table("ThresholdedRelu", thresholded_relu, kFine),
  };
}

bool wants_output_format(const Node& node, int bits) {
  return is_join(node.op) || (bits == 16 && node.op == "PRelu");
}

}  // namespace shrike::operators

namespace shrike::graph {

bool is_activation(const std::string& op) {
  return operators::is_table(op);
}

std::function<float(float)> activation_function(const Graph& graph, const Node& node) {
  const operators::Operator* row = operators::find(node.op);
  if (row == nullptr || row->formula == nullptr)
    fail("node '{}': {} is not an activation function", node.name, node.op);
  const auto function = row->formula(graph, node);
  if (!node.attributes.contains(kInputScale)) return function;
  const float t = node.real(kInputScale, 1), a = node.real(kInputOffset, 0);
  const float s = node.real(kOutputScale, 1), b = node.real(kOutputOffset, 0);
  return [=](float x) { return s * function((x - a) / t) + b; };
}

}  // namespace shrike::graph
