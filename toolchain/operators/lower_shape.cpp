// Operators that move elements about: axes and bounds are rewritten to stored positions where the layout can
// stay.
#include <algorithm>
#include <limits>

#include "toolchain/operators/lower.h"
#include "toolchain/support/error.h"

namespace shrike::espdl {

using graph::Node;

int64_t axis_of(const Node& node, int64_t axis, size_t rank) {
  const int64_t limit = static_cast<int64_t>(rank);
  if (axis < -limit || axis >= limit) {
    fail("node '{}' ({}): axis {} of a tensor of rank {}; it must be in -{}..{}", node.name, node.op, axis,
         rank, rank, limit - 1);
  }
  return axis < 0 ? axis + limit : axis;
}

std::vector<int64_t> integer_argument(const Builder& builder, const Node& node, size_t index,
                                      const std::string& key) {
  if (node.inputs.size() > index && !node.inputs[index].empty()) {
    return integers_of(builder.tensor(node.inputs[index]), node);
  }
  return node.integers(key);
}

void lower_concat(Builder& builder, const Node& node) {
  Permutation order;
  bool agree = true;
  for (const std::string& name : node.inputs) {
    if (builder.is_constant(name)) continue;
    const Permutation candidate = builder.layout_of(name);
    if (order.empty()) order = candidate;
    agree = agree && candidate == order;
    // Layouts that differ meet in channel-last order: convolutions are near.
    if (candidate.size() >= 3 && candidate == channels_last(candidate.size())) order = candidate;
  }
  if (order.empty())
    fail("node '{}' (Concat): all inputs are constant; fold constants before lowering", node.name);
  if (!agree && order != channels_last(order.size())) order = identity_order(order.size());
  std::vector<std::string> inputs;
  for (const std::string& name : node.inputs) {
    if (!builder.is_constant(name)) {
      inputs.push_back(builder.in_layout(name, order));
      continue;
    }
    const graph::Tensor& constant = builder.tensor(name);
    inputs.push_back(builder.add_parameter(name, permuted(constant.shape, order),
                                           type_of(constant.format, name), exponents_of(constant.format),
                                           transposed(integers_of(constant, node), constant.shape, order)));
  }
  const int64_t axis = axis_of(node, node.integer("axis", 0), order.size());
  builder.define(node.outputs[0], order);
  builder.add_node("Concat", node.name, inputs, {node.outputs[0]},
                   {{"axis", static_cast<int64_t>(position_of(order, axis))}},
                   bits_of(builder.graph(), node));
}

void lower_split(Builder& builder, const Node& node) {
  const Permutation order = builder.layout_of(node.inputs[0]);
  const int64_t axis = axis_of(node, node.integer("axis", 0), order.size());
  std::vector<int64_t> sizes;  // always written: without them the runtime reads num_outputs in its own way
  for (const std::string& output : node.outputs) {
    sizes.push_back(builder.tensor(output).shape[static_cast<size_t>(axis)]);
    builder.define(output, order);
  }
  builder.add_node("Split", node.name, {node.inputs[0], builder.add_int64s(node.name + "/sizes", sizes)},
                   node.outputs, {{"axis", static_cast<int64_t>(position_of(order, axis))}},
                   bits_of(builder.graph(), node));
}

void lower_slice(Builder& builder, const Node& node) {
  const Permutation order = builder.layout_of(node.inputs[0]);
  std::vector<int64_t> starts = integer_argument(builder, node, 1, "starts");
  std::vector<int64_t> ends = integer_argument(builder, node, 2, "ends");
  std::vector<int64_t> axes = integer_argument(builder, node, 3, "axes");
  std::vector<int64_t> steps = integer_argument(builder, node, 4, "steps");
  if (axes.empty()) {
    for (size_t i = 0; i < starts.size(); ++i) axes.push_back(static_cast<int64_t>(i));
  }
  if (steps.empty()) steps.assign(starts.size(), 1);
  if (starts.empty() || ends.size() != starts.size() || axes.size() != starts.size() ||
      steps.size() != starts.size()) {
    fail("node '{}' (Slice): {} starts, {} ends, {} axes and {} steps; give one of each per sliced axis",
         node.name, starts.size(), ends.size(), axes.size(), steps.size());
  }
  for (int64_t& axis : axes) axis = position_of(order, axis_of(node, axis, order.size()));
  builder.define(node.outputs[0], order);
  const std::vector<std::string> inputs = {node.inputs[0], builder.add_int64s(node.name + "/starts", starts),
                                           builder.add_int64s(node.name + "/ends", ends),
                                           builder.add_int64s(node.name + "/axes", axes),
                                           builder.add_int64s(node.name + "/steps", steps)};
  builder.add_node("Slice", node.name, inputs, {node.outputs[0]}, {}, bits_of(builder.graph(), node));
}

namespace {

struct PaddedAxes {
  Dims dims;
  std::vector<int64_t> pads;  // the begin of every axis, then the end
};

// Neighbouring axes as one where that changes nothing: what follows the last padded axis joins it, and axes
// of size 1 before the first padded one go. The chip's Pad allocates memory for each of its innermost rows,
// which are otherwise the channels of a single pixel (ESP-DL 3.3, dl_base_pad.cpp).
PaddedAxes joined_axes(const Dims& dims, const std::vector<int64_t>& pads) {
  const size_t rank = dims.size();
  const auto is_padded = [&](size_t axis) { return pads[axis] != 0 || pads[rank + axis] != 0; };
  size_t first = 0, last = rank - 1;
  while (first < last && dims[first] == 1 && !is_padded(first)) ++first;
  while (last > first && !is_padded(last)) --last;
  int64_t inner = 1;
  for (size_t i = last + 1; i < rank; ++i) inner *= dims[i];
  if (inner == 1) return {dims, pads};
  PaddedAxes joined{
      {dims.begin() + static_cast<ptrdiff_t>(first), dims.begin() + static_cast<ptrdiff_t>(last) + 1}, {}};
  joined.dims.back() *= inner;
  for (const size_t side : {size_t{0}, rank}) {
    joined.pads.insert(joined.pads.end(), pads.begin() + static_cast<ptrdiff_t>(side + first),
                       pads.begin() + static_cast<ptrdiff_t>(side + last) + 1);
    joined.pads.back() *= inner;
  }
  return joined;
}

}  // namespace

void lower_pad(Builder& builder, const Node& node) {
  const Permutation order = builder.layout_of(node.inputs[0]);
  const size_t rank = order.size();
  const std::vector<int64_t> given = integer_argument(builder, node, 1, "pads");
  std::vector<int64_t> axes = integer_argument(builder, node, 3, "axes");
  if (axes.empty()) {
    for (size_t i = 0; i < rank; ++i) axes.push_back(static_cast<int64_t>(i));
  }
  if (given.size() != 2 * axes.size()) {
    fail("node '{}' (Pad): {} pads for {} axes; give a begin and an end for each", node.name, given.size(),
         axes.size());
  }
  std::vector<int64_t> pads(2 * rank, 0);
  for (size_t i = 0; i < axes.size(); ++i) {
    const size_t stored = static_cast<size_t>(position_of(order, axis_of(node, axes[i], rank)));
    pads[stored] = given[i];
    pads[rank + stored] = given[axes.size() + i];
  }
  const std::string mode = node.text("mode", "constant");
  const Dims stored = permuted(builder.tensor(node.inputs[0]).shape, order);
  const auto [dims, amounts] = mode == "constant" ? joined_axes(stored, pads) : PaddedAxes{stored, pads};
  const bool joined = dims != stored;
  const std::string &input = node.inputs[0], &output = node.outputs[0];
  std::vector<std::string> inputs = {
      joined ? builder.add_reshape(node.name + "/joined", input, dims, input) : input,
      builder.add_int64s(node.name + "/pads", amounts)};
  if (node.inputs.size() > 2 && !node.inputs[2].empty())
    inputs.push_back(add_on_grid(builder, node, node.inputs[2], builder.tensor(input).format));
  builder.define(output, order);
  const Attributes attributes = {{"mode", mode}};
  const int bits = bits_of(builder.graph(), node);
  if (!joined) {
    builder.add_node("Pad", node.name, inputs, {output}, attributes, bits);
    return;
  }
  Dims padded = dims;
  for (size_t i = 0; i < dims.size(); ++i) padded[i] += amounts[i] + amounts[dims.size() + i];
  const std::string flat = builder.define_intermediate(node.name + "/padded", padded, output);
  builder.add_node("Pad", node.name, inputs, {flat}, attributes, bits);
  const Dims shape = permuted(builder.tensor(output).shape, order);
  builder.add_node("Reshape", node.name + "/apart", {flat, builder.add_int64s(node.name + "/shape", shape)},
                   {output}, {{"allowzero", int64_t{0}}}, bits);
}

void lower_reduce(Builder& builder, const Node& node) {
  const Permutation order = builder.layout_of(node.inputs[0]);
  const size_t rank = order.size();
  const bool keep = node.integer("keepdims", 1) != 0;
  std::vector<int64_t> axes = integer_argument(builder, node, 1, "axes");
  if (axes.empty()) {
    for (size_t i = 0; i < rank; ++i) axes.push_back(static_cast<int64_t>(i));
  }
  std::vector<bool> reduced(rank, false);  // by logical axis
  for (const int64_t axis : axes) reduced[static_cast<size_t>(axis_of(node, axis, rank))] = true;
  std::vector<int64_t> stored_axes;
  Permutation left;  // order of the output
  for (size_t i = 0; i < rank; ++i) {
    const int logical = order[i];
    if (reduced[static_cast<size_t>(logical)]) stored_axes.push_back(static_cast<int64_t>(i));
    if (keep) {
      left.push_back(logical);
    } else if (!reduced[static_cast<size_t>(logical)]) {
      left.push_back(logical -
                     static_cast<int>(std::count(reduced.begin(), reduced.begin() + logical, true)));
    }
  }
  builder.define(node.outputs[0], left);
  builder.add_node(node.op, node.name, {node.inputs[0], builder.add_int64s(node.name + "/axes", stored_axes)},
                   {node.outputs[0]}, {{"keepdims", int64_t{keep}}, {"noop_with_empty_axes", int64_t{0}}},
                   bits_of(builder.graph(), node));
}

// Reshape, Flatten, Squeeze, Unsqueeze: the same bytes under other dims. Shapes are known, so all are written
// as one Reshape with explicit dims. The layout has to be undone first, unless only axes of length one were
// moved.
void lower_reshape(Builder& builder, const Node& node) {
  const std::string& input = node.inputs[0];
  const Permutation order = builder.layout_of(input);
  const Permutation undo = conversion(order, identity_order(order.size()));
  const Dims stored = permuted(builder.tensor(input).shape, order);
  const std::string source = keeps_bytes(stored, undo) ? input : builder.in_logical_order(input);
  const Dims& dims = builder.tensor(node.outputs[0]).shape;
  builder.define(node.outputs[0], identity_order(dims.size()));
  builder.add_node("Reshape", node.name, {source, builder.add_int64s(node.name + "/shape", dims)},
                   {node.outputs[0]}, {{"allowzero", int64_t{0}}}, bits_of(builder.graph(), node));
}

// Starts from the stored order of its input and gives logical order, so it swallows a layout conversion.
void lower_transpose(Builder& builder, const Node& node) {
  const Permutation order = builder.layout_of(node.inputs[0]);
  const size_t rank = order.size();
  std::vector<int64_t> perm = node.integers("perm");
  if (perm.empty()) {
    for (size_t i = rank; i-- > 0;) perm.push_back(static_cast<int64_t>(i));
  }
  if (perm.size() != rank) {
    fail("node '{}' (Transpose): perm has {} entries for a tensor of rank {}", node.name, perm.size(), rank);
  }
  for (int64_t& axis : perm) axis = position_of(order, axis_of(node, axis, rank));
  builder.define(node.outputs[0], identity_order(rank));
  builder.add_node("Transpose", node.name, {node.inputs[0]}, {node.outputs[0]}, {{"perm", perm}},
                   bits_of(builder.graph(), node));
}

void lower_gather(Builder& builder, const Node& node) {
  const graph::Tensor& indices = builder.tensor(node.inputs[1]);
  integers_of(indices, node);
  builder.define(node.outputs[0], identity_order(builder.tensor(node.outputs[0]).shape.size()));
  builder.add_node("Gather", node.name,
                   {builder.in_logical_order(node.inputs[0]), builder.add_constant(indices.name)},
                   {node.outputs[0]}, {{"axis", node.integer("axis", 0)}}, bits_of(builder.graph(), node));
}

// The chip knows the first two axes only.
void lower_reverse_sequence(Builder& builder, const Node& node) {
  const graph::Tensor& lengths = builder.tensor(node.inputs[1]);
  builder.define(node.outputs[0], identity_order(builder.tensor(node.outputs[0]).shape.size()));
  builder.add_node(
      "ReverseSequence", node.name,
      {builder.in_logical_order(node.inputs[0]), builder.add_constant(lengths.name)}, {node.outputs[0]},
      {{"batch_axis", node.integer("batch_axis", 1)}, {"time_axis", node.integer("time_axis", 0)}},
      bits_of(builder.graph(), node));
}

}  // namespace shrike::espdl
