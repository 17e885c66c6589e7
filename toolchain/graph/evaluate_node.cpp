#include "toolchain/graph/evaluate_node.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace shrike::graph {
namespace {

std::vector<int64_t> row_major_strides(const Shape& shape) {
  std::vector<int64_t> strides(shape.size(), 1);
  for (size_t i = shape.size(); i-- > 1;) strides[i - 1] = strides[i] * shape[i];
  return strides;
}

// Calls visit(flat, index) for every element of `shape` in row-major order.
template <typename Visit>
void for_each_index(const Shape& shape, Visit visit) {
  std::vector<int64_t> index(shape.size(), 0);
  const int64_t count = element_count(shape);
  for (int64_t flat = 0; flat < count; ++flat) {
    visit(flat, index);
    for (size_t axis = shape.size(); axis-- > 0;) {
      if (++index[axis] < shape[axis]) break;
      index[axis] = 0;
    }
  }
}

// Offsets of a strided view: element i of `output` is at offset + sum(i_axis * stride_axis).
std::vector<int64_t> strided(const Shape& output, int64_t offset, const std::vector<int64_t>& strides) {
  std::vector<int64_t> source(static_cast<size_t>(element_count(output)));
  for_each_index(output, [&](int64_t flat, const std::vector<int64_t>& index) {
    source[static_cast<size_t>(flat)] =
        std::inner_product(index.begin(), index.end(), strides.begin(), offset);
  });
  return source;
}

// Strides with which `input` is read when it is broadcast to `output`.
std::vector<int64_t> broadcast_strides(const Shape& input, const Shape& output) {
  const std::vector<int64_t> own = row_major_strides(input);
  std::vector<int64_t> strides(output.size(), 0);
  const size_t lead = output.size() - input.size();
  for (size_t i = 0; i < input.size(); ++i) strides[lead + i] = input[i] == 1 ? 0 : own[i];
  return strides;
}

std::vector<int64_t> transposed(const RuleContext& c, const Shape& output) {
  const auto own = row_major_strides(c.shape(0));
  std::vector<int64_t> reversed(own.size());
  std::iota(reversed.rbegin(), reversed.rend(), int64_t{0});
  std::vector<int64_t> strides;
  for (const int64_t axis : c.axes(c.node.integers("perm", reversed), c.rank(0))) {
    strides.push_back(own[static_cast<size_t>(axis)]);
  }
  return strided(output, 0, strides);
}

std::vector<int64_t> split_part(const RuleContext& c, size_t slot, const Shape& output) {
  const auto axis = static_cast<size_t>(c.axis(c.node.integer("axis", 0), c.rank(0)));
  const auto own = row_major_strides(c.shape(0));
  int64_t before = 0;
  if (c.has(1)) {
    const auto sizes = c.integers(1, "the sizes");
    before = std::accumulate(sizes.begin(), sizes.begin() + static_cast<int64_t>(slot), int64_t{0});
  } else {
    const auto parts = static_cast<int64_t>(c.node.outputs.size());
    before =
        std::min(c.shape(0)[axis], static_cast<int64_t>(slot) * ((c.shape(0)[axis] + parts - 1) / parts));
  }
  return strided(output, before * own[axis], own);
}

std::vector<int64_t> sliced(const RuleContext& c, const Shape& output) {
  const ResolvedSlice slice = resolve_slice(c);
  const auto own = row_major_strides(c.shape(0));
  std::vector<int64_t> strides(own.size());
  int64_t offset = 0;
  for (size_t i = 0; i < own.size(); ++i) {
    offset += slice.start[i] * own[i];
    strides[i] = slice.step[i] * own[i];
  }
  return strided(output, offset, strides);
}

std::optional<std::vector<int64_t>> gathered(const RuleContext& c, const Shape& output) {
  const Tensor* indices = c.value(1);
  if (indices == nullptr || indices->type != ElementType::kInt64) return std::nullopt;
  const auto axis = static_cast<size_t>(c.axis(c.node.integer("axis", 0), c.rank(0)));
  const auto own = row_major_strides(c.shape(0));
  const auto index_strides = row_major_strides(indices->shape);
  const size_t index_rank = indices->shape.size();
  const int64_t size = c.shape(0)[axis];
  std::vector<int64_t> source(static_cast<size_t>(element_count(output)));
  bool inside = true;
  for_each_index(output, [&](int64_t flat, const std::vector<int64_t>& index) {
    int64_t which = 0, offset = 0;
    for (size_t i = 0; i < index_rank; ++i) which += index[axis + i] * index_strides[i];
    int64_t chosen = indices->integers[static_cast<size_t>(which)];
    if (chosen < 0) chosen += size;
    inside = inside && chosen >= 0 && chosen < size;
    for (size_t i = 0; i < axis; ++i) offset += index[i] * own[i];
    offset += chosen * own[axis];
    for (size_t i = axis + 1; i < own.size(); ++i) offset += index[i + index_rank - 1] * own[i];
    source[static_cast<size_t>(flat)] = offset;
  });
  if (!inside) return std::nullopt;
  return source;
}

std::vector<int64_t> tiled(const RuleContext& c, const Shape& output) {
  const auto own = row_major_strides(c.shape(0));
  std::vector<int64_t> source(static_cast<size_t>(element_count(output)));
  for_each_index(output, [&](int64_t flat, const std::vector<int64_t>& index) {
    int64_t offset = 0;
    for (size_t i = 0; i < own.size(); ++i) offset += index[i] % c.shape(0)[i] * own[i];
    source[static_cast<size_t>(flat)] = offset;
  });
  return source;
}

void copy_elements(const Tensor& from, const std::vector<int64_t>& source, Tensor& to) {
  to.values.clear();
  to.integers.clear();
  for (const int64_t index : source) {
    if (from.type == ElementType::kFloat) to.values.push_back(from.values[static_cast<size_t>(index)]);
    if (from.type == ElementType::kInt64) to.integers.push_back(from.integers[static_cast<size_t>(index)]);
  }
}

bool concatenate(const RuleContext& c, const std::vector<const Tensor*>& inputs, Tensor& output) {
  const auto axis = static_cast<size_t>(c.axis(c.node.integer("axis", 0), c.rank(0)));
  int64_t outer = 1;
  for (size_t i = 0; i < axis; ++i) outer *= output.shape[i];
  for (int64_t row = 0; row < outer; ++row) {
    for (const Tensor* input : inputs) {
      if (input->type != output.type) return false;
      const int64_t chunk = outer == 0 ? 0 : input->elements() / outer;
      const auto append = [&](const auto& from, auto& to) {
        to.insert(to.end(), from.begin() + row * chunk, from.begin() + (row + 1) * chunk);
      };
      if (input->type == ElementType::kFloat) append(input->values, output.values);
      if (input->type == ElementType::kInt64) append(input->integers, output.integers);
    }
  }
  return true;
}

// Damaged files may overflow: integers wrap modulo 2^64.
int64_t wrapped(uint64_t value) {
  return static_cast<int64_t>(value);
}
int64_t negated(int64_t value) {
  return wrapped(uint64_t{0} - static_cast<uint64_t>(value));
}

bool fill_range(const std::vector<const Tensor*>& inputs, Tensor& output) {
  const int64_t count = output.elements();
  for (const Tensor* input : inputs) {
    if (input->type != output.type) return false;
  }
  for (int64_t i = 0; i < count; ++i) {
    if (output.type == ElementType::kInt64) {
      const auto step = static_cast<uint64_t>(inputs[2]->integers[0]);
      output.integers.push_back(
          wrapped(static_cast<uint64_t>(inputs[0]->integers[0]) + static_cast<uint64_t>(i) * step));
    } else {
      output.values.push_back(inputs[0]->values[0] + static_cast<float>(i) * inputs[2]->values[0]);
    }
  }
  return true;
}

void fill_constant(const std::vector<const Tensor*>& inputs, Tensor& output) {
  const auto count = static_cast<size_t>(output.elements());
  const Tensor* value = inputs.size() > 1 ? inputs[1] : nullptr;
  if (output.type == ElementType::kFloat)
    output.values.assign(count, value == nullptr ? 0.0f : value->values.at(0));
  if (output.type == ElementType::kInt64) output.integers.assign(count, value->integers.at(0));
}

void cast(const Tensor& input, Tensor& output) {
  if (input.type == output.type) {
    output.values = input.values;
    output.integers = input.integers;
  } else if (output.type == ElementType::kFloat) {
    output.values.assign(input.integers.begin(), input.integers.end());
  } else {
    constexpr float kLimit = 9.2e18f;
    for (const float value : input.values) {
      output.integers.push_back(static_cast<int64_t>(std::clamp(value, -kLimit, kLimit)));
    }
  }
}

float unary(const std::string& op, float x, bool* known) {
  if (op == "Neg") return -x;
  if (op == "Abs") return std::fabs(x);
  if (op == "Sqrt") return std::sqrt(x);
  if (op == "Exp") return std::exp(x);
  if (op == "Log") return std::log(x);
  if (op == "Floor") return std::floor(x);
  if (op == "Ceil") return std::ceil(x);
  if (op == "Round") return std::nearbyint(x);
  if (op == "Reciprocal") return 1.0f / x;
  *known = false;
  return 0;
}

std::optional<int64_t> arithmetic(const std::string& op, int64_t a, int64_t b) {
  const auto x = static_cast<uint64_t>(a), y = static_cast<uint64_t>(b);
  if (op == "Add") return wrapped(x + y);
  if (op == "Sub") return wrapped(x - y);
  if (op == "Mul") return wrapped(x * y);
  if (op == "Max") return std::max(a, b);
  if (op == "Min") return std::min(a, b);
  if (op == "Div" && b == -1) return negated(a);
  if (op == "Div" && b != 0) return a / b;
  if (op == "Mod" && b == -1) return 0;
  if (op == "Mod" && b != 0) return a % b + ((a % b != 0 && (a < 0) != (b < 0)) ? b : 0);
  return std::nullopt;
}

std::optional<float> arithmetic(const std::string& op, float a, float b) {
  if (op == "Add") return a + b;
  if (op == "Sub") return a - b;
  if (op == "Mul") return a * b;
  if (op == "Div") return a / b;
  if (op == "Max") return std::max(a, b);
  if (op == "Min") return std::min(a, b);
  if (op == "Pow") return std::pow(a, b);
  return std::nullopt;
}

template <typename T>
std::optional<int64_t> compare(const std::string& op, T a, T b) {
  if (op == "Equal") return a == b;
  if (op == "Greater") return a > b;
  if (op == "GreaterOrEqual") return a >= b;
  if (op == "Less") return a < b;
  if (op == "LessOrEqual") return a <= b;
  return std::nullopt;
}

// out[i] = function(a[i], b[i]) with both operands broadcast; false as soon as the function has no answer.
template <typename T, typename Out, typename Function>
bool zip(const Shape& a_shape, const std::vector<T>& a, const Shape& b_shape, const std::vector<T>& b,
         const Shape& out_shape, std::vector<Out>& out, Function function) {
  const auto from_a = strided(out_shape, 0, broadcast_strides(a_shape, out_shape));
  const auto from_b = strided(out_shape, 0, broadcast_strides(b_shape, out_shape));
  for (size_t i = 0; i < from_a.size(); ++i) {
    const auto value = function(a[static_cast<size_t>(from_a[i])], b[static_cast<size_t>(from_b[i])]);
    if (!value) return false;
    out.push_back(*value);
  }
  return true;
}

bool binary(const std::string& op, const Tensor& a, const Tensor& b, Tensor& output) {
  if (a.type != b.type) return false;
  const auto integers = [&](int64_t x, int64_t y) {
    const auto value = arithmetic(op, x, y);
    return value ? value : compare(op, x, y);
  };
  if (a.type == ElementType::kInt64) {
    return zip(a.shape, a.integers, b.shape, b.integers, output.shape, output.integers, integers);
  }
  if (output.type == ElementType::kInt64) {
    return zip(a.shape, a.values, b.shape, b.values, output.shape, output.integers,
               [&](float x, float y) { return compare(op, x, y); });
  }
  return zip(a.shape, a.values, b.shape, b.values, output.shape, output.values,
             [&](float x, float y) { return arithmetic(op, x, y); });
}

bool select(const std::vector<const Tensor*>& inputs, Tensor& output) {
  const Tensor& condition = *inputs[0];
  if (condition.type != ElementType::kInt64 || inputs[1]->type != inputs[2]->type) return false;
  const auto from_condition = strided(output.shape, 0, broadcast_strides(condition.shape, output.shape));
  std::vector<int64_t> from[2];
  for (size_t k = 0; k < 2; ++k)
    from[k] = strided(output.shape, 0, broadcast_strides(inputs[k + 1]->shape, output.shape));
  for (size_t i = 0; i < from_condition.size(); ++i) {
    const size_t k = condition.integers[static_cast<size_t>(from_condition[i])] != 0 ? 0 : 1;
    const auto index = static_cast<size_t>(from[k][i]);
    if (output.type == ElementType::kFloat) output.values.push_back(inputs[k + 1]->values[index]);
    if (output.type == ElementType::kInt64) output.integers.push_back(inputs[k + 1]->integers[index]);
  }
  return true;
}

bool unary_all(const std::string& op, const Tensor& input, Tensor& output) {
  if (input.type != output.type) return false;
  bool known = true;
  for (const float value : input.values) output.values.push_back(unary(op, value, &known));
  for (const int64_t value : input.integers) {
    if (op != "Neg" && op != "Not" && op != "Abs") return false;
    output.integers.push_back(op == "Not" ? value == 0 : op == "Neg" || value < 0 ? negated(value) : value);
  }
  return known;
}

bool reduce_all(const RuleContext& c, const std::string& op, const Tensor& input, Tensor& output) {
  const bool is_product = op == "ReduceProd";
  if ((!is_product && op != "ReduceSum") || output.elements() != 1 || input.type != ElementType::kInt64)
    return false;
  if (c.node.integer("noop_with_empty_axes", 0) != 0 && !c.has(1)) return false;
  uint64_t total = is_product ? 1 : 0;
  for (const int64_t value : input.integers) {
    total = is_product ? total * static_cast<uint64_t>(value) : total + static_cast<uint64_t>(value);
  }
  output.integers = {wrapped(total)};
  return true;
}

}  // namespace

std::optional<std::vector<int64_t>> copied_from(const RuleContext& c, size_t slot, const Shape& output) {
  const std::string& op = c.node.op;
  if (op == "Reshape" || op == "Flatten" || op == "Squeeze" || op == "Unsqueeze" || op == "Identity" ||
      op == "Dropout") {
    return strided(output, 0, row_major_strides(output));
  }
  if (op == "Transpose") return transposed(c, output);
  if (op == "Split") return split_part(c, slot, output);
  if (op == "Slice") return sliced(c, output);
  if (op == "Gather") return gathered(c, output);
  if (op == "Expand") return strided(output, 0, broadcast_strides(c.shape(0), output));
  if (op == "Tile") return tiled(c, output);
  return std::nullopt;
}

bool evaluate_node(const RuleContext& c, const std::vector<const Tensor*>& inputs,
                   std::vector<Tensor>& outputs) {
  const std::string& op = c.node.op;
  Tensor& output = outputs.front();
  if (op == "Shape") {
    const int64_t start = c.node.integer("start", 0);
    const int64_t first = std::clamp<int64_t>(start < 0 ? start + c.rank(0) : start, 0, c.rank(0));
    const auto begin = c.shape(0).begin() + first;
    output.integers.assign(begin, begin + output.shape[0]);
    return true;
  }
  if (op == "Concat") return concatenate(c, inputs, output);
  if (op == "Range") return fill_range(inputs, output);
  if (op == "ConstantOfShape") return fill_constant(inputs, output), true;
  if (op == "Cast") return cast(*inputs[0], output), true;
  if (op == "Where") return select(inputs, output);
  if (op.starts_with("Reduce")) return reduce_all(c, op, *inputs[0], output);
  for (size_t slot = 0; slot < outputs.size(); ++slot) {
    const auto source = copied_from(c, slot, outputs[slot].shape);
    if (!source) break;
    copy_elements(*inputs[0], *source, outputs[slot]);
    if (slot + 1 == outputs.size()) return true;
  }
  if (inputs.size() == 1 && outputs.size() == 1) return unary_all(op, *inputs[0], output);
  if (inputs.size() == 2 && outputs.size() == 1) return binary(op, *inputs[0], *inputs[1], output);
  return false;
}

}  // namespace shrike::graph
