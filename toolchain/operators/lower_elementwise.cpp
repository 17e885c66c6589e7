// Operators that work element by element or along one axis: the layout of their input passes through.
#include <algorithm>

#include "toolchain/espdl/library_version.h"
#include "toolchain/espdl/tables.h"
#include "toolchain/operators/lower.h"
#include "toolchain/operators/operator.h"
#include "toolchain/support/error.h"

namespace shrike::espdl {
namespace {

using graph::Node;

// Inputs between two entries of a coarse table of 16-bit values; the chip takes the nearest
// (spec/numerics.md 9.2).
constexpr int kCoarseStep = 32;

bool is_channels_last(const Permutation& order) {
  return order.size() >= 3 && order == channels_last(order.size());
}

// Constant operand of a binary operator, in the stored order of the variable it meets: leading ones dropped,
// a single element as [1].
std::string add_operand(Builder& builder, const std::string& name, const Permutation& order) {
  const graph::Tensor& constant = builder.tensor(name);
  Dims dims = constant.shape;
  dims.insert(dims.begin(), order.size() - std::min(order.size(), dims.size()), 1);
  // A constant of higher rank than the variable meets it in logical order and needs no change.
  const Permutation perm = dims.size() == order.size() ? order : identity_order(dims.size());
  Dims stored = permuted(dims, perm);
  if (product(stored) == 1) stored = {1};
  while (stored.size() > 1 && stored.front() == 1) stored.erase(stored.begin());
  if (constant.format.is_float())
    return builder.add_floats(name, stored, transposed(constant.values, dims, perm));
  if (static_cast<int64_t>(constant.integers.size()) != constant.elements()) {
    fail("constant '{}' has no quantised integers; materialize the graph before lowering it", name);
  }
  return builder.add_parameter(name, stored, type_of(constant.format, name), exponents_of(constant.format),
                               transposed(constant.integers, dims, perm));
}

Attributes only(const Node& node, std::initializer_list<const char*> keys) {
  Attributes result;
  for (const char* key : keys) {
    if (const auto found = node.attributes.find(key); found != node.attributes.end())
      result[key] = found->second;
  }
  return result;
}

}  // namespace

std::string add_on_grid(Builder& builder, const Node& node, const std::string& name,
                        const graph::Format& format) {
  const graph::Tensor& constant = builder.tensor(name);
  if (format.is_float()) return builder.add_constant(name);
  if (!constant.constant || constant.values.size() != 1) {
    fail("node '{}' ({}): '{}' must be a constant with one element", node.name, node.op, name);
  }
  return builder.add_parameter(name, {}, type_of(format, name), exponents_of(format),
                               {quantized(constant.values[0], format, rounding_of(builder.target()))});
}

void lower_activation(Builder& builder, const Node& node) {
  const std::string& input = node.inputs[0];
  const std::string& output = node.outputs[0];
  const graph::Format& from = builder.tensor(input).format;
  const graph::Format& to = builder.tensor(output).format;
  Attributes attributes = only(node, {"alpha", "beta", "approximate"});
  std::vector<std::string> inputs = {input};
  for (size_t i = 1; i < node.inputs.size(); ++i) {  // Clip's bounds, PRelu's single slope
    if (node.inputs[i].empty()) {
      inputs.emplace_back();
    } else {
      const bool plain = operators::operand(builder.graph(), node, i) == operators::Operand::kPlain;
      inputs.push_back(plain ? add_on_grid(builder, node, node.inputs[i], from)
                             : builder.add_constant(node.inputs[i]));
    }
  }
  std::string op = operators::runtime_operator(*operators::find(node.op), 8);
  if (op != node.op) attributes["original_op_type"] = node.op;
  const Rounding rounding = rounding_of(builder.target());
  if (to.bits == 8) {
    attributes["lut"] =
        builder.add_table(node.op, to, activation_table(builder.graph(), node, from, to, 1, rounding));
  } else if (to.bits == 16 && operators::is_written_as_table(builder.graph(), node, 16)) {
    // Libraries that interpolate get every entry.
    const bool fine = operators::find(node.op)->table16 == operators::Table16::kFine ||
                      !row_of(library_of(builder.graph())).nearest_entries;
    const int step = fine ? 1 : kCoarseStep;
    attributes["lut"] =
        builder.add_table(node.op, to, activation_table(builder.graph(), node, from, to, step, rounding));
    attributes["original_op_type"] = node.op;
    attributes["int16_lut_step"] = static_cast<int64_t>(step);
    op = "LUT";
  }
  builder.define(output, builder.layout_of(input));
  builder.add_node(op, node.name, inputs, {output}, attributes, to.bits);
}

void lower_prelu(Builder& builder, const Node& node) {
  const graph::Tensor& slope = builder.tensor(node.inputs[1]);
  const graph::Tensor& output = builder.tensor(node.outputs[0]);
  if (slope.elements() == 1 && output.format.bits == 8) return lower_activation(builder, node);
  const size_t rank = output.shape.size();
  const int64_t channels = rank < 2 ? 1 : output.shape[1];
  std::vector<int64_t> slopes = integers_of(slope, node);
  // The kernel reads one slope per stored last axis, past the end of a single one (numerics.md 13.1).
  if (slopes.size() == 1) slopes.assign(static_cast<size_t>(channels), slopes[0]);
  if (static_cast<int64_t>(slopes.size()) != channels) {
    fail("node '{}' (PRelu): {} slopes for {} channels; only one slope or one per channel can be lowered",
         node.name, slopes.size(), channels);
  }
  const std::string input =
      rank == 2 ? builder.in_logical_order(node.inputs[0]) : in_channels_last(builder, node, node.inputs[0]);
  Dims dims(rank - 1, 1);
  dims[0] = channels;
  builder.define(output.name, rank == 2 ? identity_order(rank) : channels_last(rank));
  builder.add_node("PRelu", node.name,
                   {input, builder.add_parameter(slope.name, dims, type_of(slope.format, slope.name),
                                                 exponents_of(slope.format), slopes)},
                   {output.name}, {}, output.format.bits);
}

void lower_unary(Builder& builder, const Node& node) {
  builder.define(node.outputs[0], builder.layout_of(node.inputs[0]));
  builder.add_node(node.op, node.name, {node.inputs[0]}, {node.outputs[0]}, {},
                   bits_of(builder.graph(), node));
}

// Scale and zero point are there for readers of the file; the chip works from the exponents (section 3.4).
void lower_requantize(Builder& builder, const Node& node) {
  const graph::Format& from = builder.tensor(node.inputs[0]).format;
  const graph::Format& to = builder.tensor(node.outputs[0]).format;
  const bool to_float = to.is_float();
  const int exponent = to_float ? from.exponent : from.is_float() ? to.exponent : to.exponent - from.exponent;
  const std::string stem = node.name.empty() ? node.outputs[0] : node.name;
  const std::string scale = builder.add_floats(stem + "/scale", {1}, {std::ldexp(1.0f, exponent)});
  const std::string zero = builder.add_parameter(stem + "/zero_point", {1},
                                                 type_of(to_float ? from : to, node.outputs[0]), {0}, {0});
  builder.define(node.outputs[0], builder.layout_of(node.inputs[0]));
  builder.add_node(node.op, node.name, {node.inputs[0], scale, zero}, {node.outputs[0]}, {},
                   bits_of(builder.graph(), node));
}

void lower_binary(Builder& builder, const Node& node) {
  const std::string& left = node.inputs[0];
  const std::string& right = node.inputs[1];
  const std::string& output = node.outputs[0];
  const size_t rank = builder.tensor(output).shape.size();
  Permutation order = identity_order(rank);  // where ranks differ, everything meets in logical order
  const bool constants[2] = {builder.is_constant(left), builder.is_constant(right)};
  std::vector<Permutation> orders;
  for (const std::string& name : {left, right}) {
    if (!builder.is_constant(name)) orders.push_back(builder.layout_of(name));
  }
  const bool full_rank =
      std::all_of(orders.begin(), orders.end(), [&](const Permutation& p) { return p.size() == rank; });
  if (full_rank && !orders.empty()) {
    order = orders[0];
    for (const Permutation& candidate :
         orders) {  // channel-last wins, then any order that is not the logical one
      if (is_channels_last(order)) break;
      if (is_channels_last(candidate) || is_identity(order)) order = candidate;
    }
  }
  std::vector<std::string> inputs;
  for (int i = 0; i < 2; ++i) {
    const std::string& name = node.inputs[static_cast<size_t>(i)];
    if (constants[i]) {
      inputs.push_back(add_operand(builder, name, order));
    } else {
      inputs.push_back(full_rank ? builder.in_layout(name, order) : builder.in_logical_order(name));
    }
  }
  builder.define(output, order);
  builder.add_node(node.op, node.name, inputs, {output}, only(node, {"fmod"}),
                   bits_of(builder.graph(), node));
}

// Softmax, LogSoftmax, LpNormalization: one axis, any layout.
void lower_softmax(Builder& builder, const Node& node) {
  const Permutation order = builder.layout_of(node.inputs[0]);
  const int64_t axis = axis_of(node, node.integer("axis", -1), order.size());
  Attributes attributes = only(node, {"p"});
  attributes["axis"] = static_cast<int64_t>(position_of(order, axis));
  builder.define(node.outputs[0], order);
  builder.add_node(node.op, node.name, {node.inputs[0]}, {node.outputs[0]}, attributes,
                   bits_of(builder.graph(), node));
}

// LayerNormalization, RMSNormalization: over the trailing logical axes.
void lower_normalization(Builder& builder, const Node& node) {
  std::vector<std::string> inputs = {builder.in_logical_order(node.inputs[0])};
  for (size_t i = 1; i < node.inputs.size(); ++i) {
    if (!node.inputs[i].empty()) inputs.push_back(builder.add_constant(node.inputs[i]));
  }
  Attributes attributes = only(node, {"epsilon", "stash_type"});
  attributes["axis"] = node.integer("axis", -1);
  builder.define(node.outputs[0], identity_order(builder.tensor(node.outputs[0]).shape.size()));
  builder.add_node(node.op, node.name, inputs, {node.outputs[0]}, attributes, bits_of(builder.graph(), node));
}

}  // namespace shrike::espdl
