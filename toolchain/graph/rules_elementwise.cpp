// Shape rules of operators that keep the shape of their input or broadcast several.
#include <algorithm>

#include "toolchain/graph/inference.h"

namespace shrike::graph {

bool broadcast(const Shape& a, const Shape& b, Shape* result) {
  const size_t rank = std::max(a.size(), b.size());
  Shape joined(rank, 1);
  for (size_t i = 0; i < rank; ++i) {
    const int64_t x = i < a.size() ? a[a.size() - 1 - i] : 1;
    const int64_t y = i < b.size() ? b[b.size() - 1 - i] : 1;
    if (x != y && x != 1 && y != 1) return false;
    joined[rank - 1 - i] = x == 1 ? y : x;
  }
  *result = std::move(joined);
  return true;
}

bool is_float_type(int64_t number) {
  return number == 1 || number == 10 || number == 11 || number == 16;
}

namespace {

void same_shape(const RuleContext& c) {
  c.set(c.shape(0));
}

Shape broadcast_inputs(const RuleContext& c) {
  Shape result = c.shape(0);
  for (size_t slot = 1; slot < c.node.inputs.size(); ++slot) {
    const Shape before = result;
    if (broadcast(before, c.shape(slot), &result)) continue;
    c.fail("inputs '{}' [{}] and '{}' [{}] do not go together", c.node.inputs[0], fmt::join(before, ","),
           c.node.inputs[slot], fmt::join(c.shape(slot), ","));
  }
  return result;
}

void many(const RuleContext& c) {
  c.set(broadcast_inputs(c));
}

void binary(const RuleContext& c) {
  if (c.node.inputs.size() != 2) c.fail("two inputs were expected, found {}", c.node.inputs.size());
  many(c);
}

void comparison(const RuleContext& c) {
  if (c.node.inputs.size() != 2) c.fail("two inputs were expected, found {}", c.node.inputs.size());
  c.set(0, broadcast_inputs(c), ElementType::kInt64);
}

void where(const RuleContext& c) {
  if (c.node.inputs.size() != 3) c.fail("three inputs were expected, found {}", c.node.inputs.size());
  c.set(0, broadcast_inputs(c), c.type(1));
}

// The slope is broadcast to the input, never the other way round.
void prelu(const RuleContext& c) {
  Shape result;
  if (!broadcast(c.shape(0), c.shape(1), &result) || result != c.shape(0)) {
    c.fail("a slope of the shape [{}] does not fit the input [{}]", fmt::join(c.shape(1), ","),
           fmt::join(c.shape(0), ","));
  }
  c.set(c.shape(0));
}

void cast(const RuleContext& c) {
  const int64_t to = c.node.integer("to", 1);
  if (to == 8) c.fail("a cast to text is not supported");
  c.set(0, c.shape(0), is_float_type(to) ? ElementType::kFloat : ElementType::kInt64);
}

void to_float(const RuleContext& c) {
  c.set(0, c.shape(0), ElementType::kFloat);
}

void softmax(const RuleContext& c) {
  const int64_t axis = c.axis(c.node.integer("axis", -1), c.rank(0));
  if (c.node.integer("flattens", 0) != 0) {
    for (int64_t i = axis + 1; i < c.rank(0); ++i) {
      if (c.shape(0)[static_cast<size_t>(i)] != 1) {
        c.fail(
            "before opset 13 it normalises axes {} to {} together, which is not supported; export the model "
            "with "
            "opset 13 or newer",
            axis, c.rank(0) - 1);
      }
    }
  }
  c.set(c.shape(0));
}

void normalization(const RuleContext& c) {
  if (c.rank(0) < 1) c.fail("a tensor with axes was expected, found a scalar");
  c.set(c.shape(0));
}

void batch_normalization(const RuleContext& c) {
  if (c.node.inputs.size() != 5) c.fail("five inputs were expected, found {}", c.node.inputs.size());
  if (c.rank(0) < 2) c.fail("an input of rank 2 or more was expected");
  for (size_t slot = 1; slot < 5; ++slot) {
    if (c.shape(slot) != Shape{c.shape(0)[1]}) {
      c.fail("'{}' was expected to hold {} values, found the shape [{}]", c.node.inputs[slot], c.shape(0)[1],
             fmt::join(c.shape(slot), ","));
    }
  }
  c.set(c.shape(0));
}

}  // namespace

const std::map<std::string, Rule>& elementwise_rules() {
  static const std::map<std::string, Rule> rules = [] {
    std::map<std::string, Rule> table = {
        {"Cast", cast},
        {"PRelu", prelu},
        {"Where", where},
        {"Softmax", softmax},
        {"LogSoftmax", softmax},
        {"BatchNormalization", batch_normalization},
        {"LayerNormalization", normalization},
        {"RMSNormalization", normalization},
        {"LpNormalization", normalization},
        {"InstanceNormalization", normalization},
        {"GroupNormalization", normalization},
        {"DequantizeLinear", to_float},
        {"Not", same_shape},
    };
    for (const char* op : {"Abs",
                           "Acos",
                           "Asin",
                           "Atan",
                           "Ceil",
                           "Celu",
                           "Clip",
                           "Cos",
                           "CumSum",
                           "Dropout",
                           "Elu",
                           "Erf",
                           "Exp",
                           "Floor",
                           "Gelu",
                           "HardSigmoid",
                           "HardSwish",
                           "Identity",
                           "LUT",
                           "LeakyRelu",
                           "Log",
                           "Mish",
                           "Neg",
                           "QuantizeLinear",
                           "Reciprocal",
                           "Relu",
                           "RequantizeLinear",
                           "ReverseSequence",
                           "Round",
                           "ScatterND",
                           "Selu",
                           "Sigmoid",
                           "Sign",
                           "Sin",
                           "Softplus",
                           "Softsign",
                           "Sqrt",
                           "Swish",
                           "Tan",
                           "Tanh",
                           "ThresholdedRelu"}) {
      table[op] = same_shape;
    }
    for (const char* op : {"Add", "Sub", "Mul", "Div", "Pow", "Mod", "And", "Or", "Xor"}) table[op] = binary;
    for (const char* op : {"Max", "Min", "Sum", "Mean"}) table[op] = many;
    for (const char* op : {"Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual"})
      table[op] = comparison;
    return table;
  }();
  return rules;
}

}  // namespace shrike::graph
