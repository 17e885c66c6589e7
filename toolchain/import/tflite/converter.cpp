#include "toolchain/import/tflite/converter.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include "toolchain/graph/range_hints.h"
#include "toolchain/import/float16.h"
#include "toolchain/support/error.h"
#include "toolchain/support/model_limits.h"

namespace shrike::graph::tflite {
namespace {

// Row-major elements of `shape` in another order of its axes.
std::vector<float> permuted(const std::vector<float>& values, const Shape& shape, const Order& order) {
  const size_t rank = shape.size();
  std::vector<int64_t> stride(rank, 1);
  for (size_t i = rank; i-- > 1;) stride[i - 1] = stride[i] * shape[i];
  std::vector<int64_t> index(rank, 0);
  std::vector<float> result;
  result.reserve(values.size());
  for (size_t k = 0; k < values.size(); ++k) {
    int64_t at = 0;
    for (size_t i = 0; i < rank; ++i) at += index[i] * stride[static_cast<size_t>(order[i])];
    result.push_back(values[static_cast<size_t>(at)]);
    for (size_t i = rank; i-- > 0;) {
      if (++index[i] < shape[static_cast<size_t>(order[i])]) break;
      index[i] = 0;
    }
  }
  return result;
}

// The elements keep their sequence when only axes of one entry change places.
bool keeps_sequence(const Shape& shape, const Order& from, const Order& to) {
  const auto long_axes = [&](const Order& order) {
    Order kept;
    std::copy_if(order.begin(), order.end(), std::back_inserter(kept),
                 [&](int64_t axis) { return shape[static_cast<size_t>(axis)] != 1; });
    return kept;
  };
  return long_axes(from) == long_axes(to);
}

bool is_integer(ElementCode type) {
  return type != ElementCode::kF32 && type != ElementCode::kF16;
}

int64_t integer_at(const Tensor& tensor, size_t i) {
  const auto read = [&](auto value) {
    std::memcpy(&value, tensor.data.data() + i * sizeof(value), sizeof(value));
    return static_cast<int64_t>(value);
  };
  switch (tensor.type) {
    case ElementCode::kI64:
      return read(int64_t{});
    case ElementCode::kI32:
      return read(int32_t{});
    case ElementCode::kI16:
      return read(int16_t{});
    case ElementCode::kI8:
      return read(int8_t{});
    default:
      return read(uint8_t{});
  }
}

float float_at(const Tensor& tensor, size_t i) {
  if (tensor.type == ElementCode::kF16) {
    uint16_t bits;
    std::memcpy(&bits, tensor.data.data() + i * 2, 2);
    return from_half(bits);
  }
  float value;
  std::memcpy(&value, tensor.data.data() + i * 4, 4);
  return value;
}

}  // namespace

Converter::Converter(const Model& model, const std::string& file)
    : model_(model),
      file_(file),
      writer_(file_),
      states_(model.tensors.size()),
      readers_(model.tensors.size()) {
  for (size_t i = 0; i < model.operators.size(); ++i) {
    for (const int32_t input : model.operators[i].inputs) {
      if (input >= 0) readers_[static_cast<size_t>(input)].push_back(i);
    }
  }
}

Graph Converter::run() {
  for (const int32_t input : model_.inputs) read_input(input);
  for (index_ = 0; index_ < model_.operators.size(); ++index_) {
    current_ = &model_.operators[index_];
    const auto rule = rules().find(current_->code);
    if (rule == rules().end()) refuse("it is not supported; give the float model as .onnx or .pt");
    for (const int32_t output : current_->outputs) {
      if (std::find(shape(output).begin(), shape(output).end(), 0) != shape(output).end())
        refuse("its result has the shape [{}], which holds nothing", fmt::join(shape(output), ","));
    }
    (this->*rule->second)(*current_);
  }
  write_outputs();
  writer_.graph().name = "main_graph";
  return writer_.finish();
}

Order Converter::identity(size_t rank) {
  Order order(rank);
  std::iota(order.begin(), order.end(), int64_t{0});
  return order;
}

Shape Converter::in_order(const Shape& shape, const Order& order) {
  Shape result;
  for (const int64_t axis : order) result.push_back(shape[static_cast<size_t>(axis)]);
  return result;
}

int64_t Converter::position(const Order& order, int64_t axis) {
  return std::find(order.begin(), order.end(), axis) - order.begin();
}

int32_t Converter::input(const Operator& op, size_t slot) const {
  if (!has_input(op, slot)) refuse("its input {} is missing; the file is damaged", slot);
  return op.inputs[slot];
}

int32_t Converter::source(int32_t index) const {
  const auto found = passed_on_.find(index);
  return found == passed_on_.end() ? index : found->second;
}

// Values of a constant: of floats as they are, of integers as they are meant (section B7).
std::vector<float> Converter::floats(int32_t index) const {
  const Tensor& t = tensor(source(index));
  if (!t.constant) refuse("tensor {} was expected to be constant", index);
  const auto count = static_cast<size_t>(element_count(t.shape));
  read_ += static_cast<int64_t>(count);
  if (read_ > model_limits::kWeightElements)
    refuse("the weights have more than {} elements; is this a detector?", model_limits::kWeightElements);
  std::vector<float> values(count);
  size_t inner = 1;
  for (size_t i = static_cast<size_t>(t.axis) + 1; t.scale.size() > 1 && i < t.shape.size(); ++i)
    inner *= static_cast<size_t>(t.shape[i]);
  for (size_t i = 0; i < count; ++i) {
    if (!is_integer(t.type)) {
      values[i] = float_at(t, i);
    } else if (t.scale.empty()) {
      values[i] = static_cast<float>(integer_at(t, i));
    } else {
      const size_t slice = t.scale.size() == 1 ? 0 : i / inner % t.scale.size();
      values[i] = static_cast<float>(integer_at(t, i) - t.zero_point[slice]) * t.scale[slice];
    }
    if (!std::isfinite(values[i]))
      refuse("finite values were expected in tensor {}, found {}", index, values[i]);
  }
  return values;
}

std::vector<int64_t> Converter::integers(int32_t index, const char* what) const {
  const Tensor& t = tensor(source(index));
  if (!t.constant || !is_integer(t.type))
    refuse("{} (tensor {}) was expected to be constant integers", what, index);
  std::vector<int64_t> values(static_cast<size_t>(element_count(t.shape)));
  for (size_t i = 0; i < values.size(); ++i) values[i] = integer_at(t, i);
  return values;
}

// The IR tensor; a constant that nobody has asked for in another order keeps its own.
const Converter::State& Converter::state(int32_t index) {
  State& known = states_[static_cast<size_t>(index)];
  if (known.name.empty()) {
    const Tensor& t = tensor(source(index));
    known.order = identity(t.shape.size());
    if (is_integer(t.type) && t.scale.empty()) {
      std::vector<int64_t> values = integers(index, "a constant");
      known.name = writer_.integers(fmt::format("constant_{}", index), std::move(values));
      writer_.graph().tensor(known.name).shape = t.shape;
    } else {
      known.name = writer_.constant(fmt::format("constant_{}", index), t.shape, floats(index));
    }
  }
  return known;
}

std::string Converter::constant(int32_t index, Shape shape, const Order& order) {
  std::vector<float> values = permuted(floats(index), shape, order);
  return writer_.constant(fmt::format("constant_{}", index), in_order(shape, order), std::move(values));
}

std::string Converter::transposed(const std::string& x, const Shape& shape, const Order& from,
                                  const Order& to) {
  if (from == to) return x;
  if (from.size() != to.size() || shape.size() != from.size()) {
    refuse("tensor of {} axes was expected to have {}; the file is damaged", shape.size(), to.size());
  }
  if (keeps_sequence(shape, from, to)) return reshaped(x, in_order(shape, to));
  std::vector<int64_t> perm;
  for (const int64_t axis : to) perm.push_back(position(from, axis));
  return node("Transpose", {x}, {{"perm", std::move(perm)}});
}

std::string Converter::bring(int32_t index, const Order& order) {
  if (is_constant(index)) {
    if (is_integer(tensor(source(index)).type) && tensor(source(index)).scale.empty())
      return state(index).name;
    return constant(index, shape(index), order);
  }
  const State known = state(index);
  if (known.order == order && known.flat_image.empty()) return known.name;
  const auto found = brought_.find({index, order});
  if (found != brought_.end()) return found->second;
  std::string x = known.name;
  if (!known.flat_image.empty()) {
    const Shape full = {1, known.flat_image[0], known.flat_image[1], known.flat_image[2]};
    x = transposed(reshaped(x, in_order(full, image())), full, image(), identity(4));
    x = transposed(reshaped(x, shape(index)), shape(index), identity(shape(index).size()), order);
  } else {
    x = transposed(x, shape(index), known.order, order);
  }
  return brought_[{index, order}] = x;
}

// An operand of fewer axes than the result gets ones in front before its axes are moved.
std::string Converter::operand(int32_t index, const Order& order) {
  Shape extended = shape(index);
  if (extended.size() == order.size() && !is_constant(index)) return bring(index, order);
  extended.insert(extended.begin(), order.size() - std::min(order.size(), extended.size()), 1);
  if (extended.size() != order.size()) refuse("tensor {} has more axes than the result", index);
  if (is_constant(index)) {
    if (element_count(extended) == 1)
      return writer_.constant(fmt::format("constant_{}", index), {}, floats(index));
    return constant(index, extended, order);
  }
  const std::string x = reshaped(bring(index, identity(shape(index).size())), extended);
  return transposed(x, extended, identity(order.size()), order);
}

void Converter::set(int32_t index, const std::string& name, Order order) {
  const Tensor& t = tensor(index);
  states_[static_cast<size_t>(index)] = {name, std::move(order), {}};
  const bool bytes = t.type == ElementCode::kI8 || t.type == ElementCode::kU8;
  if (t.scale.size() != 1 || !(bytes || t.type == ElementCode::kI16)) return;
  const int64_t lowest = t.type == ElementCode::kU8 ? 0 : t.type == ElementCode::kI8 ? -128 : -32768;
  const int64_t highest = t.type == ElementCode::kU8 ? 255 : t.type == ElementCode::kI8 ? 127 : 32767;
  const auto bound = [&](int64_t units) { return static_cast<float>(units - t.zero_point[0]) * t.scale[0]; };
  add_range_hint(writer_.graph(), name, {bound(lowest), bound(highest)});
}

bool Converter::only_read_by(int32_t index, const std::vector<int32_t>& codes, size_t slot) const {
  const auto& readers = readers_[static_cast<size_t>(index)];
  const bool is_output =
      std::find(model_.outputs.begin(), model_.outputs.end(), index) != model_.outputs.end();
  return !is_output && !readers.empty() && std::all_of(readers.begin(), readers.end(), [&](size_t reader) {
    const Operator& op = model_.operators[reader];
    return std::find(codes.begin(), codes.end(), op.code) != codes.end() && op.inputs.size() > slot &&
           op.inputs[slot] == index && std::count(op.inputs.begin(), op.inputs.end(), index) == 1;
  });
}

// Four axes are an image [N,H,W,C], unless the second looks like channels and the last does not.
void Converter::read_input(int32_t index) {
  const Shape& size = shape(index);
  if (std::any_of(size.begin(), size.end(), [](int64_t dim) { return dim < 1; }))
    fail("{}: an input of a fixed size was expected, found [{}]", file_, fmt::join(size, ","));
  const bool channels_first = size.size() == 4 && size[3] > 4 && size[1] <= 4;
  const Order order = size.size() == 4 && !channels_first ? image() : identity(size.size());
  const bool single = model_.inputs.size() == 1;
  const std::string name = writer_.input(single && size.size() == 4 ? "images"
                                         : single                   ? "input"
                                                  : fmt::format("input{}", writer_.graph().inputs.size()),
                                         in_order(size, order));
  const Tensor& t = tensor(index);
  if (is_integer(t.type) && t.scale.empty() && t.type != ElementCode::kU8 && t.type != ElementCode::kI8)
    writer_.graph().tensor(name).type = ElementType::kInt64;
  set(index, name, order);
}

// Images stay [N,C,H,W]; everything else gets the file's order.
void Converter::write_outputs() {
  for (const int32_t output : model_.outputs) {
    const State& known = state(output);
    const bool is_image = known.order == image() && known.flat_image.empty();
    const std::string result = is_image ? known.name : bring(output, identity(shape(output).size()));
    if (std::find(writer_.graph().outputs.begin(), writer_.graph().outputs.end(), result) !=
        writer_.graph().outputs.end())
      continue;
    writer_.output(result, fmt::format("output{}", writer_.graph().outputs.size()));
  }
}

std::string Converter::node(const std::string& op, std::vector<std::string> inputs, Attributes attributes) {
  return writer_.node(op, name(op), std::move(inputs), std::move(attributes));
}

std::string Converter::reshaped(const std::string& x, const Shape& shape) {
  return node("Reshape", {x, writer_.integers(name("Reshape") + "/shape", shape)});
}

std::string Converter::clipped(const std::string& x, float low, float high) {
  return node("Clip", {x, writer_.constant(name("Clip") + "/min", {}, {low}),
                       writer_.constant(name("Clip") + "/max", {}, {high})});
}

std::string Converter::activated(const std::string& x, int8_t activation) {
  switch (activation) {
    case 0:
      return x;
    case 1:
      return node("Relu", {x});
    case 2:
      return clipped(x, -1, 1);
    case 3:
      return clipped(x, 0, 6);
    case 4:
      return node("Tanh", {x});
    default:
      refuse("its activation {} is not supported", activation);
  }
}

const std::map<int32_t, Converter::Rule>& Converter::rules() {
  static const std::map<int32_t, Rule> table = {{0, &Converter::binary},
                                                {1, &Converter::pooling},
                                                {2, &Converter::concatenate},
                                                {3, &Converter::convolution},
                                                {4, &Converter::depthwise},
                                                {5, &Converter::depth_to_space},
                                                {6, &Converter::pass},
                                                {8, &Converter::unary},
                                                {9, &Converter::fully_connected},
                                                {11, &Converter::l2_normalization},
                                                {14, &Converter::unary},
                                                {17, &Converter::pooling},
                                                {18, &Converter::binary},
                                                {19, &Converter::unary},
                                                {20, &Converter::unary},
                                                {21, &Converter::unary},
                                                {22, &Converter::reshape},
                                                {23, &Converter::resize},
                                                {25, &Converter::softmax},
                                                {26, &Converter::depth_to_space},
                                                {28, &Converter::unary},
                                                {34, &Converter::pad},
                                                {36, &Converter::gather},
                                                {39, &Converter::transpose},
                                                {40, &Converter::reduce},
                                                {41, &Converter::binary},
                                                {42, &Converter::binary},
                                                {43, &Converter::reshape},
                                                {45, &Converter::strided_slice},
                                                {47, &Converter::unary},
                                                {49, &Converter::split},
                                                {50, &Converter::softmax},
                                                {53, &Converter::cast},
                                                {54, &Converter::prelu},
                                                {55, &Converter::binary},
                                                {56, &Converter::arg_max},
                                                {57, &Converter::binary},
                                                {59, &Converter::unary},
                                                {60, &Converter::pad},
                                                {65, &Converter::slice},
                                                {66, &Converter::unary},
                                                {67, &Converter::transposed_convolution},
                                                {70, &Converter::reshape},
                                                {73, &Converter::unary},
                                                {74, &Converter::reduce},
                                                {75, &Converter::unary},
                                                {76, &Converter::unary},
                                                {77, &Converter::shape_of},
                                                {78, &Converter::binary},
                                                {79, &Converter::arg_max},
                                                {81, &Converter::reduce},
                                                {82, &Converter::reduce},
                                                {83, &Converter::pack},
                                                {88, &Converter::unpack},
                                                {89, &Converter::reduce},
                                                {92, &Converter::unary},
                                                {97, &Converter::resize},
                                                {98, &Converter::unary},
                                                {99, &Converter::binary},
                                                {100, &Converter::pad},
                                                {101, &Converter::unary},
                                                {102, &Converter::split_sizes},
                                                {104, &Converter::unary},
                                                {108, &Converter::unary},
                                                {111, &Converter::unary},
                                                {114, &Converter::pass},
                                                {116, &Converter::unary},
                                                {117, &Converter::unary},
                                                {126, &Converter::batch_matmul},
                                                {150, &Converter::unary},
                                                {152, &Converter::unary},
                                                {158, &Converter::unary}};
  return table;
}

std::vector<std::string> Converter::operators() {
  std::vector<std::string> names;
  for (const auto& [code, rule] : rules()) names.push_back(operator_name(code));
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace shrike::graph::tflite
