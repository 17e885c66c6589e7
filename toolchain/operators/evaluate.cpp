// The value of a node whose inputs are known, as its row says.
#include "toolchain/operators/evaluate.h"

#include <algorithm>
#include <numeric>

#include "toolchain/operators/operator.h"

namespace shrike::operators {

using graph::ElementType;
using graph::RuleContext;
using graph::Shape;
using graph::Tensor;

std::vector<int64_t> row_major_strides(const Shape& shape) {
  std::vector<int64_t> strides(shape.size(), 1);
  for (size_t i = shape.size(); i-- > 1;) strides[i - 1] = strides[i] * shape[i];
  return strides;
}

std::vector<int64_t> strided(const Shape& output, int64_t offset, const std::vector<int64_t>& strides) {
  std::vector<int64_t> source(static_cast<size_t>(graph::element_count(output)));
  for_each_index(output, [&](int64_t flat, const std::vector<int64_t>& index) {
    source[static_cast<size_t>(flat)] =
        std::inner_product(index.begin(), index.end(), strides.begin(), offset);
  });
  return source;
}

namespace {

// Strides with which `input` is read when it is broadcast to `output`.
std::vector<int64_t> broadcast_strides(const Shape& input, const Shape& output) {
  const std::vector<int64_t> own = row_major_strides(input);
  std::vector<int64_t> strides(output.size(), 0);
  const size_t lead = output.size() - input.size();
  for (size_t i = 0; i < input.size(); ++i) strides[lead + i] = input[i] == 1 ? 0 : own[i];
  return strides;
}

}  // namespace

std::vector<int64_t> broadcast_source(const Shape& input, const Shape& output) {
  return strided(output, 0, broadcast_strides(input, output));
}

namespace {

void copy_elements(const Tensor& from, const std::vector<int64_t>& source, Tensor& to) {
  to.values.clear();
  to.integers.clear();
  for (const int64_t index : source) {
    if (from.type == ElementType::kFloat) to.values.push_back(from.values[static_cast<size_t>(index)]);
    if (from.type == ElementType::kInt64) to.integers.push_back(from.integers[static_cast<size_t>(index)]);
  }
}

// Both operands broadcast; false as soon as the function has no answer.
template <typename T, typename Out, typename Function>
bool zip(const Shape& a_shape, const std::vector<T>& a, const Shape& b_shape, const std::vector<T>& b,
         const Shape& out_shape, std::vector<Out>& out, Function function) {
  const auto from_a = broadcast_source(a_shape, out_shape), from_b = broadcast_source(b_shape, out_shape);
  std::vector<Out> result;
  for (size_t i = 0; i < from_a.size(); ++i) {
    const auto value = function(a[static_cast<size_t>(from_a[i])], b[static_cast<size_t>(from_b[i])]);
    if (!value) return false;
    result.push_back(*value);
  }
  out = std::move(result);
  return true;
}

template <typename T>
int order_of(T a, T b) {
  return a < b ? -1 : a == b ? 0 : a > b ? 1 : -2;
}

bool binary(const Binary& function, const Tensor& a, const Tensor& b, Tensor& output) {
  if (a.type != b.type) return false;
  const auto compared = [&](auto x, auto y) -> std::optional<int64_t> {
    return static_cast<int64_t>(function.compare(order_of(x, y)));
  };
  const bool whole = a.type == ElementType::kInt64;
  if (function.compare != nullptr) {
    return whole ? zip(a.shape, a.integers, b.shape, b.integers, output.shape, output.integers, compared)
                 : zip(a.shape, a.values, b.shape, b.values, output.shape, output.integers, compared);
  }
  if (whole) {
    return function.integers != nullptr &&
           zip(a.shape, a.integers, b.shape, b.integers, output.shape, output.integers, function.integers);
  }
  return function.reals != nullptr &&
         zip(a.shape, a.values, b.shape, b.values, output.shape, output.values, function.reals);
}

// Two at a time, from the left: Max, Min and Sum take any number.
bool fold_left(const Binary& function, const Inputs& inputs, Tensor& output) {
  Tensor total = *inputs[0];
  if (total.type != output.type && function.compare == nullptr) return false;
  if (inputs.size() == 1) {
    output.values = std::move(total.values);
    output.integers = std::move(total.integers);
    return true;
  }
  for (size_t i = 1; i < inputs.size(); ++i) {
    Tensor next = output;
    if (!graph::broadcast(total.shape, inputs[i]->shape, &next.shape)) return false;
    if (!binary(function, total, *inputs[i], next)) return false;
    total = std::move(next);
  }
  if (total.shape != output.shape) return false;
  output.values = std::move(total.values);
  output.integers = std::move(total.integers);
  return true;
}

bool unary(const Operator& row, const RuleContext& c, const Tensor& input, Tensor& output) {
  if (input.type != output.type) return false;
  if (input.type == ElementType::kInt64) {
    if (row.integer_formula == nullptr) return false;
    for (const int64_t value : input.integers) output.integers.push_back(row.integer_formula(value));
    return true;
  }
  if (row.formula == nullptr) return false;
  const Formula function = row.formula(c.graph(), c.node);
  for (const float value : input.values) output.values.push_back(function(value));
  return true;
}

bool has_binary(const Binary& function) {
  return function.integers != nullptr || function.reals != nullptr || function.compare != nullptr;
}

}  // namespace

std::optional<std::vector<int64_t>> copied_from(const RuleContext& c, size_t slot, const Shape& output) {
  const Operator* row = find(c.node.op);
  if (row == nullptr || row->source == nullptr) return std::nullopt;
  return row->source(c, slot, output);
}

bool evaluate_node(const RuleContext& c, const Inputs& inputs, std::vector<Tensor>& outputs) {
  const Operator* row = find(c.node.op);
  if (row == nullptr || outputs.empty()) return false;
  if (row->evaluate != nullptr) return row->evaluate(c, inputs, outputs);
  if (inputs.empty() || inputs[0] == nullptr) return false;
  if (row->source != nullptr) {
    for (size_t slot = 0; slot < outputs.size(); ++slot) {
      const auto source = row->source(c, slot, outputs[slot].shape);
      if (!source) return false;
      copy_elements(*inputs[0], *source, outputs[slot]);
    }
    return true;
  }
  if (outputs.size() != 1) return false;
  if (has_binary(row->binary)) {
    const bool complete =
        std::all_of(inputs.begin(), inputs.end(), [](const Tensor* t) { return t != nullptr; });
    return complete && fold_left(row->binary, inputs, outputs[0]);
  }
  return unary(*row, c, *inputs[0], outputs[0]);
}

}  // namespace shrike::operators
