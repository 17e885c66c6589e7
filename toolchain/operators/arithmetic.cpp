// Arithmetic of one or two tensors, comparisons, and changes of format: what keeps the shape of its input or
// broadcasts several.
#include <algorithm>
#include <cmath>

#include "toolchain/graph/inference.h"
#include "toolchain/operators/lower.h"
#include "toolchain/operators/operator.h"
#include "toolchain/operators/rewrites.h"
#include "toolchain/operators/rules.h"

namespace shrike::operators {

using graph::ElementType;
using graph::RuleContext;
using graph::Shape;
using graph::Tensor;

void same_shape(const RuleContext& c) {
  c.set(c.shape(0));
}

Shape broadcast_inputs(const RuleContext& c) {
  Shape result = c.shape(0);
  for (size_t slot = 1; slot < c.node.inputs.size(); ++slot) {
    const Shape before = result;
    if (graph::broadcast(before, c.shape(slot), &result)) continue;
    c.fail("inputs '{}' [{}] and '{}' [{}] do not go together", c.node.inputs[0], fmt::join(before, ","),
           c.node.inputs[slot], fmt::join(c.shape(slot), ","));
  }
  return result;
}

namespace {

void need_two(const RuleContext& c) {
  if (c.node.inputs.size() != 2) c.fail("two inputs were expected, found {}", c.node.inputs.size());
}

void binary(const RuleContext& c) {
  need_two(c);
  c.set(broadcast_inputs(c));
}

void many(const RuleContext& c) {
  c.set(broadcast_inputs(c));
}

void comparison(const RuleContext& c) {
  need_two(c);
  c.set(0, broadcast_inputs(c), ElementType::kInt64);
}

void to_float(const RuleContext& c) {
  c.set(0, c.shape(0), ElementType::kFloat);
}

// Damaged files may overflow: integers wrap modulo 2^64.
int64_t wrapped(uint64_t value) {
  return static_cast<int64_t>(value);
}

template <typename Function>
constexpr auto wrapping() {
  return [](int64_t a, int64_t b) -> std::optional<int64_t> {
    return wrapped(Function()(static_cast<uint64_t>(a), static_cast<uint64_t>(b)));
  };
}
template <typename Function>
constexpr auto real() {
  return [](float a, float b) -> std::optional<float> { return Function()(a, b); };
}

std::optional<int64_t> quotient(int64_t a, int64_t b) {
  if (b == 0) return std::nullopt;
  return b == -1 ? wrapped(uint64_t{0} - static_cast<uint64_t>(a)) : a / b;
}
// The sign of the divisor, as ONNX has it for integers.
std::optional<int64_t> modulo(int64_t a, int64_t b) {
  if (b == 0) return std::nullopt;
  if (b == -1) return 0;
  return a % b + ((a % b != 0 && (a < 0) != (b < 0)) ? b : 0);
}
std::optional<float> power(float a, float b) {
  return std::pow(a, b);
}
std::optional<float> remainder(float a, float b) {
  return std::fmod(a, b);
}
template <typename T>
std::optional<T> larger(T a, T b) {
  return std::max(a, b);
}
template <typename T>
std::optional<T> smaller(T a, T b) {
  return std::min(a, b);
}
std::optional<int64_t> logical_and(int64_t a, int64_t b) {
  return a != 0 && b != 0;
}
std::optional<int64_t> logical_or(int64_t a, int64_t b) {
  return a != 0 || b != 0;
}
std::optional<int64_t> logical_xor(int64_t a, int64_t b) {
  return (a != 0) != (b != 0);
}

float negative(float x) {
  return -x;
}
Formula negation(const graph::Graph&, const graph::Node&) {
  return negative;
}

// The chip broadcasts up to four axes; equal shapes are one long row to it.
std::string refuse_high_rank(const Situation& s) {
  const Shape& output = s.graph.tensor(s.node.outputs[0]).shape;
  for (const std::string& input : s.node.inputs) {
    const Tensor& tensor = s.graph.tensor(input);
    if (output.size() > 4 && tensor.elements() != 1 && tensor.shape != output) {
      return fmt::format(
          "[{}] is broadcast to [{}]; the chip does that up to 4 axes, reshape the operands first",
          fmt::join(tensor.shape, ","), fmt::join(output, ","));
    }
  }
  return "";
}

Operator arithmetic(const char* name, Role role, Binary function) {
  Operator row{.name = name, .role = role, .shape = binary, .layout = Layout::kHandedOn};
  row.binary = function;
  row.lower = espdl::lower_binary;
  row.support = kAllTypes;
  row.refuse = refuse_high_rank;
  row.note = "operands broadcast, at most 4 axes";
  return row;
}

Operator comparison_of(const char* name, bool (*compare)(int)) {
  Operator row{.name = name, .shape = comparison};
  row.binary.compare = compare;
  row.note = "only between constants; the result steers the graph, it isn't data";
  return row;
}

// Only between constants: conditions.
Operator logical(const char* name, std::optional<int64_t> (*function)(int64_t, int64_t)) {
  Operator row{.name = name, .shape = binary};
  row.binary.integers = function;
  row.note = "only between constants; the result steers the graph, it isn't data";
  return row;
}

// Max, Min, Sum, Mean of any number of tensors, written in the chip's operators of two.
Operator of_many(const char* name, Binary function, Nodes (*rewrite)(graph::Graph&, const graph::Node&),
                 const char* note) {
  Operator row{.name = name, .shape = many};
  row.binary = function;
  row.rewrite = rewrite;
  row.note = note;
  return row;
}

// With a constant, a straight line.
Operator line(Operator row, Line (*with_constant)(double)) {
  row.with_constant = with_constant;
  return row;
}

Operator commuting(Operator row) {
  row.commutes = true;
  return row;
}

Operator conversion(const char* name, graph::Rule shape) {
  Operator row{.name = name, .role = Role::kConversion, .shape = shape, .layout = Layout::kHandedOn};
  row.operands = {Operand::kData, Operand::kPlain};
  row.lower = espdl::lower_requantize;
  row.support = kIntegers;
  return row;
}

Operator neg() {
  Operator row{.name = "Neg", .role = Role::kCopy, .shape = same_shape, .layout = Layout::kHandedOn};
  row.formula = negation;
  row.integer_formula = [](int64_t x) { return wrapped(uint64_t{0} - static_cast<uint64_t>(x)); };
  row.lower = espdl::lower_unary;
  row.support = kAllTypes;
  row.note = "the lowest integer gives the highest";
  return row;
}

}  // namespace

std::vector<Operator> arithmetic_rows() {
  const Binary sum = {wrapping<std::plus<uint64_t>>(), real<std::plus<float>>()};
  std::vector<Operator> rows = {
      commuting(line(arithmetic("Add", Role::kSum, sum),
                     [](double c) {
                       return Line{1, c};
                     })),
      line(arithmetic("Sub", Role::kSum, {wrapping<std::minus<uint64_t>>(), real<std::minus<float>>()}),
           [](double c) {
             return Line{1, -c};
           }),
      commuting(line(arithmetic("Mul", Role::kProduct,
                                {wrapping<std::multiplies<uint64_t>>(), real<std::multiplies<float>>()}),
                     [](double c) {
                       return Line{c, 0};
                     })),
      line(arithmetic("Div", Role::kComputed, {quotient, real<std::divides<float>>()}),
           [](double c) {
             return Line{1 / c, 0};
           }),
      arithmetic("Pow", Role::kComputed, {nullptr, power}),
      arithmetic("Mod", Role::kComputed, {modulo, remainder}),
      neg(),
      of_many("Max", {larger<int64_t>, larger<float>}, rewrite_maximum,
              "as Clip for a constant number, else as a + Relu(b - a)"),
      of_many("Min", {smaller<int64_t>, smaller<float>}, rewrite_minimum,
              "as Clip for a constant number, else as a - Relu(a - b)"),
      of_many("Sum", sum, rewrite_sum, "as Add of two at a time"),
      of_many("Mean", {}, rewrite_mean, "as Add of two at a time and Mul"),
      comparison_of("Equal", [](int order) { return order == 0; }),
      comparison_of("Greater", [](int order) { return order == 1; }),
      comparison_of("GreaterOrEqual", [](int order) { return order == 0 || order == 1; }),
      comparison_of("Less", [](int order) { return order == -1; }),
      comparison_of("LessOrEqual", [](int order) { return order == 0 || order == -1; }),
      logical("And", logical_and),
      logical("Or", logical_or),
      logical("Xor", logical_xor),
      conversion("RequantizeLinear", same_shape),
      conversion("QuantizeLinear", same_shape),
      conversion("DequantizeLinear", to_float),
  };
  return rows;
}

}  // namespace shrike::operators
