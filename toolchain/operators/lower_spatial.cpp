// Pools, Resize and block rearrangements: [N, H, W, C] or [N, W, C] in and out.
#include <cmath>

#include "toolchain/espdl/window.h"
#include "toolchain/operators/lower.h"
#include "toolchain/operators/operator.h"
#include "toolchain/support/error.h"

namespace shrike::espdl {

using graph::Node;

std::string in_channels_last(Builder& builder, const Node& node, const std::string& tensor) {
  const size_t rank = builder.tensor(tensor).shape.size();
  if (rank != 3 && rank != 4) {
    fail("node '{}' ({}): '{}' has rank {}; only [N, C, W] and [N, C, H, W] can be lowered", node.name,
         node.op, tensor, rank);
  }
  return builder.in_layout(tensor, channels_last(rank));
}

namespace {

void emit(Builder& builder, const Node& node, const std::vector<std::string>& inputs, Attributes attributes) {
  builder.define(node.outputs[0], channels_last(builder.tensor(node.outputs[0]).shape.size()));
  builder.add_node(node.op, node.name, inputs, {node.outputs[0]}, std::move(attributes),
                   bits_of(builder.graph(), node));
}

}  // namespace

void lower_pool(Builder& builder, const Node& node) {
  const Window window = window_of(node, builder.tensor(node.inputs[0]).shape,
                                  builder.tensor(node.outputs[0]).shape, node.integers("kernel_shape"));
  Attributes attributes = {{"auto_pad", std::string("NOTSET")},
                           {"ceil_mode", int64_t{0}},
                           {"kernel_shape", window.kernel},
                           {"pads", window.pads},
                           {"strides", window.strides}};
  if (operators::is_copy(node.op)) {  // the maximum
    attributes["dilations"] = window.dilations;
    attributes["storage_order"] = int64_t{0};
  } else {
    attributes["count_include_pad"] = int64_t{1};
  }
  emit(builder, node, {in_channels_last(builder, node, node.inputs[0])}, std::move(attributes));
}

void lower_global_pool(Builder& builder, const Node& node) {
  emit(builder, node, {in_channels_last(builder, node, node.inputs[0])}, {});
}

namespace {

// The float scale from which the chip gets `to` = floor(from * scale).
float scale_between(int64_t from, int64_t to) {
  float scale = static_cast<float>(to) / static_cast<float>(from);
  if (static_cast<int64_t>(static_cast<float>(from) * scale) < to) scale = std::nextafterf(scale, 2 * scale);
  return scale;
}

}  // namespace

// Scales stay in [N, C, H, W] order and full rank; sizes become scales (section 5.2). A given scale may lie
// beside the ratio of the sizes, which are rounded down.
void lower_resize(Builder& builder, const Node& node) {
  const Dims& from = builder.tensor(node.inputs[0]).shape;
  const Dims& to = builder.tensor(node.outputs[0]).shape;
  const bool by_scales = (node.inputs.size() < 4 || node.inputs[3].empty()) && node.inputs.size() > 2 &&
                         builder.tensor(node.inputs[2]).values.size() == from.size();
  std::vector<float> scales;
  for (size_t i = 0; i < from.size(); ++i) {
    const float given = by_scales ? builder.tensor(node.inputs[2]).values[i] : 0.0f;
    const bool fits = static_cast<int64_t>(static_cast<float>(from[i]) * given) == to[i];
    scales.push_back(fits ? given : scale_between(from[i], to[i]));
  }
  const std::string input = in_channels_last(builder, node, node.inputs[0]);
  const bool linear = node.text("mode", "nearest") == "linear";
  const bool align = node.text("coordinate_transformation_mode", "half_pixel") == "align_corners";
  // What the chip computes whatever is written: asymmetric and floor for nearest, half_pixel unless
  // align_corners for linear (numerics.md section 12). check_constraints has refused anything else.
  emit(builder, node,
       {input, "", builder.add_floats(node.name + "/scales", {static_cast<int64_t>(scales.size())}, scales)},
       {{"coordinate_transformation_mode", std::string(!linear ? "asymmetric"
                                                       : align ? "align_corners"
                                                               : "half_pixel")},
        {"cubic_coeff_a", -0.75f},
        {"mode", std::string(linear ? "linear" : "nearest")},
        {"nearest_mode", std::string("floor")}});
}

void lower_insert_zeros(Builder& builder, const Node& node) {
  const size_t axes = builder.tensor(node.inputs[0]).shape.size() - 2;
  emit(builder, node, {in_channels_last(builder, node, node.inputs[0])},
       {{"output_padding", node.integers("output_padding", Dims(axes, 0))},
        {"stride", node.integers("stride", Dims(axes, 1))}});
}

void lower_depth_space(Builder& builder, const Node& node) {
  Attributes attributes = {{"blocksize", node.integer("blocksize", 1)}};
  if (node.op == "DepthToSpace") attributes["mode"] = node.text("mode", "DCR");
  emit(builder, node, {in_channels_last(builder, node, node.inputs[0])}, std::move(attributes));
}

}  // namespace shrike::espdl
