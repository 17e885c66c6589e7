// Operators that only move values: joining, cutting, reordering and padding.
#include <algorithm>
#include <limits>
#include <numeric>
#include <set>

#include "toolchain/engine/operators.h"

namespace shrike::engine {
namespace {

at::Tensor index_tensor(const std::vector<int64_t>& indices) {
  return at::tensor(indices, at::kLong);
}

Results identity(const Call& call) {
  return {call.input(0)};
}

Results concat(const Call& call) {
  std::vector<at::Tensor> parts;
  for (size_t i = 0; i < call.inputs.size(); ++i) parts.push_back(call.input(i));
  return {at::cat(parts, call.axis(call.node.integer("axis", 0), parts[0].dim()))};
}

Results split(const Call& call) {
  const at::Tensor& input = call.input(0);
  const int64_t axis = call.axis(call.node.integer("axis", 0), input.dim());
  const int64_t size = input.size(axis), parts = static_cast<int64_t>(call.node.outputs.size());
  std::vector<int64_t> sizes;
  if (const auto given = call.integers(1, "split")) {
    sizes = *given;
  } else {
    const int64_t each = (size + parts - 1) / parts;
    sizes.assign(static_cast<size_t>(parts), each);
    sizes.back() = size - each * (parts - 1);
  }
  if (static_cast<int64_t>(sizes.size()) != parts ||
      std::accumulate(sizes.begin(), sizes.end(), int64_t{0}) != size) {
    call.refuse("the parts do not add up to the {} elements of axis {}", size, axis);
  }
  return at::split_with_sizes(input, sizes, axis);
}

Results slice(const Call& call) {
  at::Tensor result = call.input(0);
  const auto starts = call.integers(1, "starts"), ends = call.integers(2, "ends");
  if (!starts || !ends || starts->size() != ends->size())
    call.refuse("starts and ends are missing or differ in number");
  std::vector<int64_t> axes(starts->size());
  std::iota(axes.begin(), axes.end(), 0);
  if (const auto given = call.integers(3, "axes")) axes = *given;
  std::vector<int64_t> steps(starts->size(), 1);
  if (const auto given = call.integers(4, "steps")) steps = *given;
  if (axes.size() != starts->size() || steps.size() != starts->size())
    call.refuse("axes and starts differ in number");

  for (size_t i = 0; i < axes.size(); ++i) {
    const int64_t axis = call.axis(axes[i], result.dim()), size = result.size(axis), step = steps[i];
    if (step == 0) call.refuse("a step of 0 is not allowed");
    int64_t start = (*starts)[i], end = (*ends)[i];
    if (start < 0) start += size;
    if (end < 0 && end > std::numeric_limits<int64_t>::min() + size) end += size;
    if (step > 0) {
      result =
          result.slice(axis, std::clamp<int64_t>(start, 0, size), std::clamp<int64_t>(end, 0, size), step);
    } else {
      std::vector<int64_t> indices;
      for (int64_t index = std::clamp<int64_t>(start, 0, size - 1);
           index > std::clamp<int64_t>(end, -1, size); index += step) {
        indices.push_back(index);
      }
      result = at::index_select(result, axis, index_tensor(indices));
    }
  }
  return {result};
}

Results transpose(const Call& call) {
  const at::Tensor& input = call.input(0);
  std::vector<int64_t> order = call.node.integers("perm");
  if (order.empty()) {
    for (int64_t axis = input.dim(); axis-- > 0;) order.push_back(axis);
  }
  if (static_cast<int64_t>(order.size()) != input.dim())
    call.refuse("perm has {} axes, the input {}", order.size(), input.dim());
  return {input.permute(order)};
}

Results reshape(const Call& call) {
  const at::Tensor& input = call.input(0);
  const auto given = call.integers(1, "shape");
  if (!given) call.refuse("the target shape is missing");
  std::vector<int64_t> shape = *given;
  for (size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] == 0 && call.node.integer("allowzero", 0) == 0)
      shape[i] = input.size(static_cast<int64_t>(i));
  }
  // A target written for the graph's batch follows the batch of this run.
  if (call.batch != call.graph_batch && !shape.empty() && (*given)[0] == call.graph_batch)
    shape[0] = call.batch;
  int64_t elements = 1;
  bool derived = false;
  for (const int64_t size : shape) {
    if (size == -1)
      derived = true;
    else
      elements *= size;
  }
  if (derived ? (elements == 0 || input.numel() % elements != 0) : elements != input.numel()) {
    call.refuse("{} elements do not fit the shape [{}]", input.numel(), fmt::join(shape, ", "));
  }
  return {input.reshape(shape)};
}

Results flatten(const Call& call) {
  const at::Tensor& input = call.input(0);
  const int64_t value = call.node.integer("axis", 1);
  const int64_t axis = value == input.dim() ? value : call.axis(value, input.dim());
  int64_t rows = 1;
  for (int64_t i = 0; i < axis; ++i) rows *= input.size(i);
  return {input.reshape({rows, input.numel() / std::max<int64_t>(rows, 1)})};
}

Results squeeze(const Call& call) {
  at::Tensor result = call.input(0);
  const auto given = call.integers(1, "axes");
  if (!given) {  // every axis of length 1 in the graph's shape; the batch of this run must not decide
    const graph::Shape& shape = call.description(0).shape;
    for (int64_t axis = static_cast<int64_t>(shape.size()); axis-- > 0;) {
      if (shape[static_cast<size_t>(axis)] == 1) result = result.squeeze(axis);
    }
    return {result};
  }
  std::set<int64_t> axes;
  for (const int64_t value : *given) axes.insert(call.axis(value, result.dim()));
  for (auto axis = axes.rbegin(); axis != axes.rend(); ++axis) {
    if (result.size(*axis) != 1)
      call.refuse("axis {} has {} elements, expected 1", *axis, result.size(*axis));
    result = result.squeeze(*axis);
  }
  return {result};
}

Results unsqueeze(const Call& call) {
  at::Tensor result = call.input(0);
  const auto given = call.integers(1, "axes");
  if (!given) call.refuse("axes are missing");
  const int64_t rank = result.dim() + static_cast<int64_t>(given->size());
  std::set<int64_t> axes;
  for (const int64_t value : *given) axes.insert(call.axis(value, rank));
  for (const int64_t axis : axes) result = result.unsqueeze(axis);
  return {result};
}

Results expand(const Call& call) {
  const auto given = call.integers(1, "shape");
  if (!given) call.refuse("the target shape is missing");
  return {call.input(0).expand(at::infer_size(call.input(0).sizes(), *given))};
}

Results gather(const Call& call) {
  const at::Tensor& input = call.input(0);
  const int64_t axis = call.axis(call.node.integer("axis", 0), input.dim());
  const auto given = call.integers(1, "indices");
  if (!given) call.refuse("indices are missing");
  std::vector<int64_t> indices = *given;
  for (int64_t& index : indices) {
    if (index < 0) index += input.size(axis);
    if (index < 0 || index >= input.size(axis))
      call.refuse("index {} is outside axis {} of {}", index, axis, input.size(axis));
  }
  std::vector<int64_t> shape = input.sizes().vec();
  const graph::Shape& index_shape = call.description(1).shape;
  shape.erase(shape.begin() + axis);
  shape.insert(shape.begin() + axis, index_shape.begin(), index_shape.end());
  return {at::index_select(input, axis, index_tensor(indices)).reshape(shape)};
}

// Of each sequence the first steps in reverse order, the others as they are.
Results reverse_sequence(const Call& call) {
  const at::Tensor& input = call.input(0);
  const auto lengths = call.integers(1, "sequence_lens");
  const int64_t batch = call.node.integer("batch_axis", 1), time = 1 - batch;
  if (!lengths || static_cast<int64_t>(lengths->size()) != input.size(batch))
    call.refuse("lengths are missing or not one a sequence");
  std::vector<at::Tensor> sequences;
  for (int64_t i = 0; i < input.size(batch); ++i) {
    std::vector<int64_t> order(static_cast<size_t>(input.size(time)));
    std::iota(order.begin(), order.end(), 0);
    const int64_t length = (*lengths)[static_cast<size_t>(i)];
    if (length < 0 || length > input.size(time)) call.refuse("a length of {} is not in the sequence", length);
    std::reverse(order.begin(), order.begin() + length);
    sequences.push_back(at::index_select(input.narrow(batch, i, 1), time, index_tensor(order)));
  }
  return {at::cat(sequences, batch)};
}

int64_t reflected(int64_t index, int64_t size) {
  if (size == 1) return 0;
  const int64_t period = 2 * (size - 1);
  const int64_t inside = ((index % period) + period) % period;
  return inside < size ? inside : period - inside;
}

Results pad(const Call& call) {
  at::Tensor result = call.input(0);
  const auto given = call.integers(1, "pads");
  if (!given) call.refuse("pads are missing");
  std::vector<int64_t> axes(static_cast<size_t>(result.dim()));
  std::iota(axes.begin(), axes.end(), 0);
  if (call.has(3)) axes = *call.integers(3, "axes");
  if (given->size() != 2 * axes.size())
    call.refuse("expected {} pads, found {}", 2 * axes.size(), given->size());
  const std::string mode = call.node.text("mode", "constant");
  if (mode != "constant" && mode != "reflect" && mode != "edge" && mode != "wrap")
    call.refuse("mode '{}' is not supported", mode);
  const double value = call.number(2, "value").value_or(0.0);

  for (size_t i = 0; i < axes.size(); ++i) {
    const int64_t begin = (*given)[i], end = (*given)[i + axes.size()];
    if (begin == 0 && end == 0) continue;
    const int64_t axis = call.axis(axes[i], result.dim()), size = result.size(axis);
    if (mode == "constant") {
      std::vector<int64_t> pads(static_cast<size_t>(2 * (result.dim() - axis)), 0);  // last axis first
      pads[pads.size() - 2] = begin;
      pads[pads.size() - 1] = end;
      result = at::constant_pad_nd(result, pads, value);
      continue;
    }
    std::vector<int64_t> indices;
    for (int64_t index = -begin; index < size + end; ++index) {
      indices.push_back(mode == "edge"   ? std::clamp<int64_t>(index, 0, size - 1)
                        : mode == "wrap" ? ((index % size) + size) % size
                                         : reflected(index, size));
    }
    result = at::index_select(result, axis, index_tensor(indices));
  }
  return {result};
}

Results depth_to_space(const Call& call) {
  const at::Tensor& input = call.input(0);
  const int64_t block = call.node.integer("blocksize", 1);
  const int64_t batch = input.size(0), height = input.size(2), width = input.size(3);
  const int64_t channels = input.size(1) / (block * block);
  const bool depth_first = call.node.text("mode", "DCR") == "DCR";
  const at::Tensor parts =
      depth_first ? input.reshape({batch, block, block, channels, height, width}).permute({0, 3, 4, 1, 5, 2})
                  : input.reshape({batch, channels, block, block, height, width}).permute({0, 1, 4, 2, 5, 3});
  return {parts.reshape({batch, channels, height * block, width * block})};
}

Results space_to_depth(const Call& call) {
  const at::Tensor& input = call.input(0);
  const int64_t block = call.node.integer("blocksize", 1);
  const int64_t batch = input.size(0), channels = input.size(1), height = input.size(2) / block,
                width = input.size(3) / block;
  return {input.reshape({batch, channels, height, block, width, block})
              .permute({0, 3, 5, 1, 2, 4})
              .reshape({batch, channels * block * block, height, width})};
}

}  // namespace

OperatorList movement_operators() {
  return {{"Identity", identity},
          {"Dropout", identity},
          {"Concat", concat},
          {"Split", split},
          {"Slice", slice},
          {"Transpose", transpose},
          {"Reshape", reshape},
          {"Flatten", flatten},
          {"Squeeze", squeeze},
          {"Unsqueeze", unsqueeze},
          {"Expand", expand},
          {"Gather", gather},
          {"ReverseSequence", reverse_sequence},
          {"Pad", pad},
          {"DepthToSpace", depth_to_space},
          {"SpaceToDepth", space_to_depth}};
}

}  // namespace shrike::engine
