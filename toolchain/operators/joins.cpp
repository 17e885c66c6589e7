// Operators that put tensors together and cut them apart.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "toolchain/graph/inference.h"
#include "toolchain/operators/evaluate.h"
#include "toolchain/operators/lower.h"
#include "toolchain/operators/operator.h"
#include "toolchain/operators/rewrites.h"
#include "toolchain/operators/rules.h"

namespace shrike::graph {

ResolvedSlice resolve_slice(const RuleContext& c) {
  const Shape& shape = c.shape(0);
  const auto starts = c.integers(1, "the starts");
  const auto ends = c.integers(2, "the ends");
  std::vector<int64_t> axes(starts.size());
  std::iota(axes.begin(), axes.end(), int64_t{0});
  if (c.has(3)) axes = c.integers(3, "the axes");
  axes = c.axes(axes, c.rank(0));
  std::vector<int64_t> steps(starts.size(), 1);
  if (c.has(4)) steps = c.integers(4, "the steps");
  if (ends.size() != starts.size() || axes.size() != starts.size() || steps.size() != starts.size()) {
    c.fail("starts, ends, axes and steps differ in length");
  }
  ResolvedSlice result{std::vector<int64_t>(shape.size(), 0), std::vector<int64_t>(shape.size(), 1), shape};
  for (size_t i = 0; i < axes.size(); ++i) {
    const auto axis = static_cast<size_t>(axes[i]);
    const int64_t size = shape[axis];
    const int64_t step = steps[i];
    if (step == 0 || step < -(int64_t{1} << 31) || step > (int64_t{1} << 31))
      c.fail("a step of {} is not sensible", step);
    if (size == 0) continue;
    const auto from_end = [&](int64_t index) { return index < 0 ? index + size : index; };
    const bool forward = step > 0;
    const int64_t start = std::clamp<int64_t>(from_end(starts[i]), 0, forward ? size : size - 1);
    const int64_t end = std::clamp<int64_t>(from_end(ends[i]), forward ? 0 : -1, size);
    const int64_t distance = forward ? end - start : start - end;
    const int64_t pace = std::abs(step);
    result.start[axis] = start;
    result.step[axis] = step;
    result.count[axis] = distance <= 0 ? 0 : (distance + pace - 1) / pace;
  }
  return result;
}

}  // namespace shrike::graph

namespace shrike::operators {
namespace {

using graph::ElementType;
using graph::RuleContext;
using graph::Shape;
using graph::Tensor;

void concat(const RuleContext& c) {
  const auto axis = static_cast<size_t>(c.axis(c.node.integer("axis", 0), c.rank(0)));
  Shape result = c.shape(0);
  for (size_t slot = 1; slot < c.node.inputs.size(); ++slot) {
    Shape other = c.shape(slot);
    if (other.size() == result.size()) {
      result[axis] += other[axis];
      other[axis] = result[axis];
    }
    if (other != result) {
      c.fail("inputs '{}' [{}] and '{}' [{}] cannot be joined on axis {}", c.node.inputs[0],
             fmt::join(c.shape(0), ","), c.node.inputs[slot], fmt::join(c.shape(slot), ","), axis);
    }
  }
  c.set(std::move(result));
}

void split(const RuleContext& c) {
  const auto axis = static_cast<size_t>(c.axis(c.node.integer("axis", 0), c.rank(0)));
  const int64_t size = c.shape(0)[axis];
  const auto parts = static_cast<int64_t>(c.node.outputs.size());
  std::vector<int64_t> sizes;
  if (c.has(1)) {
    sizes = c.integers(1, "the sizes");
  } else {
    const int64_t part = (size + parts - 1) / parts;  // the last one is smaller when it does not divide
    for (int64_t i = 0; i < parts; ++i) sizes.push_back(std::clamp<int64_t>(size - i * part, 0, part));
  }
  const bool negative = std::any_of(sizes.begin(), sizes.end(), [](int64_t part) { return part < 0; });
  if (negative || static_cast<int64_t>(sizes.size()) != parts ||
      std::accumulate(sizes.begin(), sizes.end(), int64_t{0}) != size) {
    c.fail("an axis of {} cannot be split into {} parts of [{}]", size, parts, fmt::join(sizes, ","));
  }
  for (size_t i = 0; i < sizes.size(); ++i) {
    Shape part = c.shape(0);
    part[axis] = sizes[i];
    c.set(i, std::move(part), c.type(0));
  }
}

void slice(const RuleContext& c) {
  c.set(Shape(resolve_slice(c).count));
}

void gather(const RuleContext& c) {
  const int64_t axis = c.axis(c.node.integer("axis", 0), c.rank(0));
  Shape result(c.shape(0).begin(), c.shape(0).begin() + axis);
  result.insert(result.end(), c.shape(1).begin(), c.shape(1).end());
  result.insert(result.end(), c.shape(0).begin() + axis + 1, c.shape(0).end());
  c.set(std::move(result));
}

void gather_elements(const RuleContext& c) {
  c.set(c.shape(1));
}

void pad(const RuleContext& c) {
  const auto pads = c.integers(1, "the pads");
  std::vector<int64_t> axes(c.shape(0).size());
  std::iota(axes.begin(), axes.end(), int64_t{0});
  if (c.has(3)) axes = c.axes(c.integers(3, "the axes"), c.rank(0));
  if (pads.size() != 2 * axes.size()) c.fail("{} pads were expected, found {}", 2 * axes.size(), pads.size());
  Shape result = c.shape(0);
  for (size_t i = 0; i < axes.size(); ++i) {
    int64_t& size = result[static_cast<size_t>(axes[i])];
    for (const int64_t amount : {pads[i], pads[axes.size() + i]}) {
      if (amount < -(1 << 24) || amount > (1 << 24)) c.fail("a pad of {} is not sensible", amount);
      size += amount;
    }
    if (size < 0) c.fail("more than there is would be cut from axis {}", axes[i]);
  }
  c.set(std::move(result));
}

using Source = std::optional<std::vector<int64_t>>;

Source split_part(const RuleContext& c, size_t slot, const Shape& output) {
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

Source sliced(const RuleContext& c, size_t, const Shape& output) {
  const graph::ResolvedSlice slice = graph::resolve_slice(c);
  const auto own = row_major_strides(c.shape(0));
  std::vector<int64_t> strides(own.size());
  int64_t offset = 0;
  for (size_t i = 0; i < own.size(); ++i) {
    offset += slice.start[i] * own[i];
    strides[i] = slice.step[i] * own[i];
  }
  return strided(output, offset, strides);
}

Source gathered(const RuleContext& c, size_t, const Shape& output) {
  const Tensor* indices = c.value(1);
  if (indices == nullptr || indices->type != ElementType::kInt64) return std::nullopt;
  const auto axis = static_cast<size_t>(c.axis(c.node.integer("axis", 0), c.rank(0)));
  const auto own = row_major_strides(c.shape(0));
  const auto index_strides = row_major_strides(indices->shape);
  const size_t index_rank = indices->shape.size();
  const int64_t size = c.shape(0)[axis];
  std::vector<int64_t> source(static_cast<size_t>(graph::element_count(output)));
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

bool concatenate(const RuleContext& c, const Inputs& inputs, std::vector<Tensor>& outputs) {
  Tensor& output = outputs[0];
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

// Indices must be constants: positions are fixed on the chip.
std::string refuse_variable_indices(const Situation& s) {
  const Tensor& indices = s.graph.tensor(s.node.inputs[1]);
  return indices.constant ? "" : fmt::format("the indices '{}' are not constant", indices.name);
}

Operator piece(const char* name, graph::Rule shape,
               Source (*source)(const RuleContext&, size_t, const Shape&),
               void (*lower)(espdl::Builder&, const graph::Node&), Layout layout) {
  Operator row{.name = name, .role = Role::kCopy, .shape = shape, .layout = layout, .stays_on_grid = true};
  row.operands = {Operand::kData, Operand::kPlain};
  row.source = source;
  row.lower = lower;
  row.support = kAllTypes;
  return row;
}

Operator concat_row() {
  Operator row{.name = "Concat", .role = Role::kConcat, .shape = concat, .layout = Layout::kHandedOn};
  row.stays_on_grid = true;
  row.evaluate = concatenate;
  row.lower = espdl::lower_concat;
  row.support = kAllTypes;
  return row;
}

Operator gather_row() {
  Operator row = piece("Gather", gather, gathered, espdl::lower_gather, Layout::kLogical);
  row.refuse = refuse_variable_indices;
  row.note = "constant indices";
  return row;
}

void reverse_sequence(const RuleContext& c) {
  const int64_t batch = c.node.integer("batch_axis", 1), time = c.node.integer("time_axis", 0);
  if (c.rank(0) < 2 || batch < 0 || batch > 1 || time != 1 - batch)
    c.fail("batch_axis and time_axis were expected to be 0 and 1 of at least two axes");
  if (c.shape(1) != Shape{c.shape(0)[static_cast<size_t>(batch)]})
    c.fail("sequence_lens of [{}] do not fit an input [{}]", fmt::join(c.shape(1), ","),
           fmt::join(c.shape(0), ","));
  c.set(c.shape(0));
}

Source reversed(const RuleContext& c, size_t, const Shape& output) {
  const Tensor* lengths = c.value(1);
  if (lengths == nullptr || lengths->type != ElementType::kInt64) return std::nullopt;
  const auto batch = static_cast<size_t>(c.node.integer("batch_axis", 1)), time = 1 - batch;
  const auto own = row_major_strides(output);
  std::vector<int64_t> source(static_cast<size_t>(graph::element_count(output)));
  bool inside = true;
  for_each_index(output, [&](int64_t flat, const std::vector<int64_t>& index) {
    const int64_t length = lengths->integers[static_cast<size_t>(index[batch])];
    inside = inside && length >= 0 && length <= output[time];
    const int64_t from = index[time] < length ? length - 1 - index[time] : index[time];
    source[static_cast<size_t>(flat)] = flat + (from - index[time]) * own[time];
  });
  if (!inside) return std::nullopt;
  return source;
}

std::string refuse_reverse_sequence(const Situation& s) {
  const Tensor& lengths = s.graph.tensor(s.node.inputs[1]);
  const int64_t steps =
      s.graph.tensor(s.node.inputs[0]).shape[static_cast<size_t>(s.node.integer("time_axis", 0))];
  if (!lengths.constant)
    return fmt::format("sequence_lens '{}' are not constant; turn the sequences round outside of the network",
                       lengths.name);
  for (const int64_t length : lengths.integers) {
    if (length < 1 || length > steps)
      return fmt::format("a length of {} of {} steps; the chip turns 1 to {} round", length, steps, steps);
  }
  return "";
}

Operator reverse_sequence_row() {
  Operator row =
      piece("ReverseSequence", reverse_sequence, reversed, espdl::lower_reverse_sequence, Layout::kLogical);
  row.support = kIntegers;
  row.refuse = refuse_reverse_sequence;
  row.note = "constant lengths";
  return row;
}

std::string refuse_pad(const Situation& s) {
  const std::string mode = s.node.text("mode", "constant");
  if (mode != "constant" && mode != "reflect" && mode != "edge")
    return fmt::format("mode {} does not exist on the chip; use constant, reflect, edge or wrap", mode);
  return "";
}

Operator pad_row() {
  Operator row = piece("Pad", pad, nullptr, espdl::lower_pad, Layout::kRewritten);
  row.stays_on_grid = false;  // the fill value is rounded
  row.rewrite = rewrite_pad;
  row.refuse = refuse_pad;
  row.note = "constant, reflect or edge; negative pads as Slice, wrap as Concat of slices";
  return row;
}

Operator unsupported(const char* name, graph::Rule shape, const char* note) {
  Operator row{.name = name, .shape = shape};
  row.note = note;
  return row;
}

}  // namespace

std::vector<Operator> join_rows() {
  return {
      concat_row(),
      piece("Split", split, split_part, espdl::lower_split, Layout::kHandedOn),
      piece("Slice", slice, sliced, espdl::lower_slice, Layout::kRewritten),
      gather_row(),
      pad_row(),
      unsupported("GatherElements", gather_elements, "write it as Gather with constant indices"),
      reverse_sequence_row(),
      unsupported("ScatterND", same_shape, "Concat of the parts, or Mul and Add of a constant mask"),
      unsupported("CumSum", same_shape, "MatMul with a constant triangle of ones"),
  };
}

}  // namespace shrike::operators
