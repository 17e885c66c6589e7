// What exporters leave between Shape and Reshape: operators that compute sizes and constants, never data.
// They are gone when constants have been folded.
#include <algorithm>
#include <cmath>

#include "toolchain/graph/inference.h"
#include "toolchain/operators/evaluate.h"
#include "toolchain/operators/operator.h"
#include "toolchain/operators/rules.h"

namespace shrike::operators {
namespace {

using graph::ElementType;
using graph::RuleContext;
using graph::Tensor;

void shape_of(const RuleContext& c) {
  const int64_t rank = c.rank(0);
  const auto clamp = [&](int64_t i) { return std::clamp<int64_t>(i < 0 ? i + rank : i, 0, rank); };
  const int64_t start = clamp(c.node.integer("start", 0));
  const int64_t end = clamp(c.node.integer("end", rank));
  c.set(0, {std::max<int64_t>(0, end - start)}, ElementType::kInt64);
}

bool fill_shape(const RuleContext& c, const Inputs&, std::vector<Tensor>& outputs) {
  const int64_t start = c.node.integer("start", 0);
  const int64_t first = std::clamp<int64_t>(start < 0 ? start + c.rank(0) : start, 0, c.rank(0));
  const auto begin = c.shape(0).begin() + first;
  outputs[0].integers.assign(begin, begin + outputs[0].shape[0]);
  return true;
}

void size_of(const RuleContext& c) {
  c.set(0, {}, ElementType::kInt64);
}

bool fill_size(const RuleContext& c, const Inputs&, std::vector<Tensor>& outputs) {
  outputs[0].integers = {graph::element_count(c.shape(0))};
  return true;
}

// To a type that is named, or that of a second input.
void cast(const RuleContext& c) {
  if (c.has(1)) return c.set(0, c.shape(0), c.type(1));
  const int64_t to = c.node.integer("to", 1);
  if (to == 8) c.fail("a cast to text is not supported");
  c.set(0, c.shape(0), graph::is_float_type(to) ? ElementType::kFloat : ElementType::kInt64);
}

bool cast_values(const RuleContext&, const Inputs& inputs, std::vector<Tensor>& outputs) {
  const Tensor& input = *inputs[0];
  Tensor& output = outputs[0];
  if (input.type == output.type) {
    output.values = input.values;
    output.integers = input.integers;
  } else if (output.type == ElementType::kFloat) {
    output.values.assign(input.integers.begin(), input.integers.end());
  } else {
    constexpr float kLimit = 9.2e18f;
    for (const float value : input.values) {
      output.integers.push_back(std::isnan(value) ? 0
                                                  : static_cast<int64_t>(std::clamp(value, -kLimit, kLimit)));
    }
  }
  return true;
}

void where(const RuleContext& c) {
  if (c.node.inputs.size() != 3) c.fail("three inputs were expected, found {}", c.node.inputs.size());
  c.set(0, broadcast_inputs(c), c.type(1));
}

bool select(const RuleContext&, const Inputs& inputs, std::vector<Tensor>& outputs) {
  const Tensor& condition = *inputs[0];
  Tensor& output = outputs[0];
  if (condition.type != ElementType::kInt64 || inputs[1]->type != inputs[2]->type) return false;
  const auto from_condition = broadcast_source(condition.shape, output.shape);
  std::vector<int64_t> from[2];
  for (size_t k = 0; k < 2; ++k) from[k] = broadcast_source(inputs[k + 1]->shape, output.shape);
  for (size_t i = 0; i < from_condition.size(); ++i) {
    const size_t k = condition.integers[static_cast<size_t>(from_condition[i])] != 0 ? 0 : 1;
    const auto index = static_cast<size_t>(from[k][i]);
    if (output.type == ElementType::kFloat) output.values.push_back(inputs[k + 1]->values[index]);
    if (output.type == ElementType::kInt64) output.integers.push_back(inputs[k + 1]->integers[index]);
  }
  return true;
}

void range(const RuleContext& c) {
  double bounds[3] = {};
  for (size_t slot = 0; slot < 3; ++slot) {
    const Tensor* known = c.value(slot);
    if (known == nullptr || known->elements() != 1)
      c.fail("start, limit and step must be single known numbers");
    bounds[slot] = known->type == ElementType::kFloat ? static_cast<double>(known->values[0])
                                                      : static_cast<double>(known->integers[0]);
  }
  const double count = std::ceil((bounds[1] - bounds[0]) / bounds[2]);
  if (!std::isfinite(count) || count > 1e9) c.fail("a range of {} numbers is not sensible", count);
  c.set({std::max<int64_t>(0, static_cast<int64_t>(count))});
}

bool fill_range(const RuleContext&, const Inputs& inputs, std::vector<Tensor>& outputs) {
  Tensor& output = outputs[0];
  const int64_t count = output.elements();
  for (const Tensor* input : inputs) {
    if (input->type != output.type) return false;
  }
  for (int64_t i = 0; i < count; ++i) {
    if (output.type == ElementType::kInt64) {  // damaged files may overflow: modulo 2^64
      const auto step = static_cast<uint64_t>(inputs[2]->integers[0]);
      output.integers.push_back(static_cast<int64_t>(static_cast<uint64_t>(inputs[0]->integers[0]) +
                                                     static_cast<uint64_t>(i) * step));
    } else {
      output.values.push_back(inputs[0]->values[0] + static_cast<float>(i) * inputs[2]->values[0]);
    }
  }
  return true;
}

void constant_of_shape(const RuleContext& c) {
  c.set(0, c.integers(0, "the shape"), c.has(1) ? c.type(1) : ElementType::kFloat);
}

bool fill_constant(const RuleContext&, const Inputs& inputs, std::vector<Tensor>& outputs) {
  Tensor& output = outputs[0];
  const auto count = static_cast<size_t>(output.elements());
  const Tensor* value = inputs.size() > 1 ? inputs[1] : nullptr;
  if (output.type == ElementType::kFloat)
    output.values.assign(count, value == nullptr ? 0.0f : value->values.at(0));
  if (output.type == ElementType::kInt64) output.integers.assign(count, value->integers.at(0));
  return true;
}

Operator host(const char* name, graph::Rule shape,
              bool (*evaluate)(const RuleContext&, const Inputs&, std::vector<Tensor>&), const char* note) {
  Operator row{.name = name, .shape = shape};
  row.evaluate = evaluate;
  row.note = note;
  return row;
}

Operator of_shape(const char* name, graph::Rule shape,
                  bool (*evaluate)(const RuleContext&, const Inputs&, std::vector<Tensor>&)) {
  Operator row = host(name, shape, evaluate, "a constant: sizes are known");
  row.values_read = 0;
  return row;
}

Operator cast_row() {
  Operator row =
      host("Cast", cast, cast_values, "of float to float disappears; data has no other type on the chip");
  row.values_read = 1;
  return row;
}

Operator logical_not() {
  Operator row{.name = "Not", .shape = same_shape};
  row.integer_formula = [](int64_t x) { return static_cast<int64_t>(x == 0); };
  row.note = "only of constants; the result steers the graph, it isn't data";
  return row;
}

}  // namespace

std::vector<Operator> host_rows() {
  return {
      of_shape("Shape", shape_of, fill_shape),
      of_shape("Size", size_of, fill_size),
      cast_row(),
      host("Where", where, select, "only of constants; write it with Mul and Add of a 0/1 mask"),
      host("Range", range, fill_range, "only of constants"),
      host("ConstantOfShape", constant_of_shape, fill_constant, "only of constants"),
      logical_not(),
  };
}

}  // namespace shrike::operators
