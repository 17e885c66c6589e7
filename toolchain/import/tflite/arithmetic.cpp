// Element-wise operators and reductions.
#include <algorithm>
#include <numeric>

#include "toolchain/import/tflite/converter.h"

namespace shrike::graph::tflite {

void Converter::unary(const Operator& op) {
  const int32_t x = input(op, 0);
  const State in = state(x);
  const std::string data = in.flat_image.empty() ? in.name : bring(x, identity(shape(x).size()));
  static const std::map<int32_t, std::string> plain = {
      {8, "Floor"},  {14, "Sigmoid"}, {19, "Relu"},   {28, "Tanh"},       {47, "Exp"},
      {59, "Neg"},   {66, "Sin"},     {73, "Log"},    {75, "Sqrt"},       {101, "Abs"},
      {104, "Ceil"}, {108, "Cos"},    {116, "Round"}, {117, "HardSwish"}, {158, "Sign"}};
  std::string y;
  if (const auto found = plain.find(op.code); found != plain.end()) {
    y = node(found->second, {data});
  } else if (op.code == 20) {
    y = clipped(data, -1, 1);
  } else if (op.code == 21) {
    y = clipped(data, 0, 6);
  } else if (op.code == 152) {
    y = clipped(data, 0, 1);
  } else if (op.code == 76) {
    y = node("Reciprocal", {node("Sqrt", {data})});
  } else if (op.code == 92) {
    y = node("Mul", {data, data});
  } else if (op.code == 98) {
    y = node("LeakyRelu", {data}, {{"alpha", op.options.scalar<float>(0, 0)}});
  } else if (op.code == 111) {
    y = node("Elu", {data}, {{"alpha", 1.0f}});
  } else {
    y = node("Gelu", {data},
             {{"approximate", std::string(op.options.scalar<uint8_t>(0, 0) != 0 ? "tanh" : "none")}});
  }
  set(op.outputs[0], y, in.order);
}

// Both operands get the order of the one that has all axes of the result; an image's wins.
void Converter::binary(const Operator& op) {
  static const std::map<int32_t, std::string> names = {{0, "Add"},  {18, "Mul"}, {41, "Sub"}, {42, "Div"},
                                                       {55, "Max"}, {57, "Min"}, {78, "Pow"}, {99, "Sub"}};
  const int32_t a = input(op, 0), b = input(op, 1);
  const size_t out_rank = shape(op.outputs[0]).size();
  Order order = identity(out_rank);
  for (const int32_t x : {a, b}) {
    if (!is_constant(x) && shape(x).size() == out_rank && state(x).flat_image.empty() &&
        order == identity(out_rank))
      order = state(x).order;
  }
  const int8_t activation = op.code == 0 || op.code == 18 || op.code == 41 || op.code == 42
                                ? op.options.scalar<int8_t>(0, 0)
                                : int8_t{0};
  const std::string left = operand(a, order);
  std::string y = node(names.at(op.code), {left, operand(b, order)});
  if (op.code == 99) y = node("Mul", {y, y});  // the difference squared
  set(op.outputs[0], activated(y, activation), order);
}

// The slope has one number a channel, [1,1,C], or one for all.
void Converter::prelu(const Operator& op) {
  const int32_t x = input(op, 0), slope = input(op, 1);
  const Order order = state(x).flat_image.empty() ? state(x).order : identity(shape(x).size());
  const std::string data = bring(x, order);
  std::string alpha = operand(slope, order);
  if (is_constant(slope) && order == image()) {  // [C,1,1], as exporters write it
    Shape& stored = writer_.graph().tensor(alpha).shape;
    if (stored.size() == 4 && stored[0] == 1) stored.erase(stored.begin());
  }
  set(op.outputs[0], node("PRelu", {data, alpha}), order);
}

void Converter::softmax(const Operator& op) {
  const int32_t x = input(op, 0);
  const Order order = state(x).flat_image.empty() ? state(x).order : identity(shape(x).size());
  std::string data = bring(x, order);
  const auto beta = op.options.scalar<float>(0, 1);
  if (beta != 1) data = node("Mul", {data, writer_.constant(name("beta"), {}, {beta})});
  set(op.outputs[0],
      node(op.code == 50 ? "LogSoftmax" : "Softmax", {data}, {{"axis", position(order, rank(x) - 1)}}),
      order);
}

void Converter::l2_normalization(const Operator& op) {
  const int32_t x = input(op, 0);
  const Order order = state(x).flat_image.empty() ? state(x).order : identity(shape(x).size());
  const std::string y =
      node("LpNormalization", {bring(x, order)}, {{"axis", position(order, rank(x) - 1)}, {"p", int64_t{2}}});
  set(op.outputs[0], activated(y, op.options.scalar<int8_t>(0, 0)), order);
}

void Converter::reduce(const Operator& op) {
  const int32_t x = input(op, 0);
  const bool keep = op.options.scalar<uint8_t>(0, 0) != 0;
  std::vector<int64_t> axes;
  for (const int64_t axis : integers(input(op, 1), "the axes")) axes.push_back(axis_of(axis, x));
  std::sort(axes.begin(), axes.end());
  axes.erase(std::unique(axes.begin(), axes.end()), axes.end());
  const Order order = state(x).flat_image.empty() ? state(x).order : identity(shape(x).size());
  const std::string data = bring(x, order);
  const Order left = keep ? order : without(order, axes);
  if (op.code == 40 && order == image() && axes == std::vector<int64_t>{1, 2}) {
    const std::string mean = node("GlobalAveragePool", {data});
    set(op.outputs[0], keep ? mean : reshaped(mean, in_order(shape(op.outputs[0]), left)), left);
    return;
  }
  std::vector<int64_t> places;
  for (const int64_t axis : axes) places.push_back(position(order, axis));
  std::sort(places.begin(), places.end());
  static const std::map<int32_t, std::string> kinds = {
      {40, "ReduceMean"}, {74, "ReduceSum"}, {81, "ReduceProd"}, {82, "ReduceMax"}, {89, "ReduceMin"}};
  const std::string& kind = kinds.at(op.code);
  const std::string list = writer_.integers(name(kind) + "/axes", places);
  set(op.outputs[0], node(kind, {data, list}, {{"keepdims", int64_t{keep}}}), left);
}

void Converter::arg_max(const Operator& op) {
  const int32_t x = input(op, 0);
  const std::vector<int64_t> axis = integers(input(op, 1), "the axis");
  if (axis.size() != 1) refuse("one axis was expected, found {}", axis.size());
  const Order order = identity(shape(x).size());
  set(op.outputs[0],
      node(op.code == 79 ? "ArgMin" : "ArgMax", {bring(x, order)},
           {{"axis", axis_of(axis[0], x)}, {"keepdims", int64_t{0}}}),
      identity(shape(op.outputs[0]).size()));
}

// QUANTIZE and DEQUANTIZE: the same value. Of a constant (16-bit weights) the value is passed on.
void Converter::pass(const Operator& op) {
  const int32_t x = input(op, 0);
  if (shape(x) != shape(op.outputs[0])) refuse("a result of the same shape was expected");
  if (is_constant(x)) {
    passed_on_[op.outputs[0]] = source(x);
    return;
  }
  const State in = state(x);
  set(op.outputs[0], in.name, in.order);
  states_[static_cast<size_t>(op.outputs[0])].flat_image = in.flat_image;
}

void Converter::cast(const Operator& op) {
  const auto is_float = [&](int32_t index) {
    return tensor(index).type == ElementCode::kF32 || tensor(index).type == ElementCode::kF16 ||
           !tensor(index).scale.empty() || tensor(index).type == ElementCode::kU8 ||
           tensor(index).type == ElementCode::kI8;
  };
  if (is_float(input(op, 0)) && is_float(op.outputs[0])) return pass(op);
  const State in = state(input(op, 0));
  if (!in.flat_image.empty()) refuse("a cast of flattened pixels is not supported");
  constexpr int64_t kFloat = 1, kInt64 = 7;  // ONNX numbers
  set(op.outputs[0], node("Cast", {in.name}, {{"to", is_float(op.outputs[0]) ? kFloat : kInt64}}), in.order);
}

}  // namespace shrike::graph::tflite
