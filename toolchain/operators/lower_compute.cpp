// Conv, ConvTranspose and Gemm: filters in the target's storage order, bias at accumulator scale.
#include <algorithm>

#include "toolchain/espdl/filters.h"
#include "toolchain/espdl/window.h"
#include "toolchain/operators/lower.h"
#include "toolchain/support/error.h"

namespace shrike::espdl {
namespace {

using graph::Node;
using graph::Tensor;

std::string activation_of(const Node* relu) {
  return relu == nullptr ? "Linear" : "Relu";
}

const std::string& output_of(const Node& node, const Node* relu) {
  return relu == nullptr ? node.outputs[0] : relu->outputs[0];
}

std::string add_filter(Builder& builder, const Tensor& weights, const StoredFilter& filter) {
  return builder.add_parameter(weights.name, filter.dims, type_of(weights.format, weights.name),
                               exponents_of(weights.format), filter.integers, filter.doc);
}

// INT32 beside 8-bit filters, INT64 beside 16-bit ones, whatever the target (section 6.5).
std::string add_bias(Builder& builder, const Node& node, const Tensor& bias, int filter_bits) {
  return builder.add_parameter(bias.name, {bias.elements()},
                               filter_bits == 16 ? DataType::kInt64 : DataType::kInt32,
                               exponents_of(bias.format), integers_of(bias, node));
}

const Tensor* optional_input(const Builder& builder, const Node& node, size_t index) {
  if (node.inputs.size() <= index || node.inputs[index].empty()) return nullptr;
  return &builder.tensor(node.inputs[index]);
}

// A convolution whose filter is in ONNX order [N, C, kernel...].
struct Convolution {
  std::string input;
  Dims filter_shape;
  std::vector<int64_t> filter;
  Window window;
  int64_t group = 1;
};

void emit_conv(Builder& builder, const Node& node, const Node* relu, const Convolution& conv) {
  const Tensor& weights = builder.tensor(node.inputs[1]);
  FilterShape shape;
  shape.outputs = conv.filter_shape[0];
  shape.channels = conv.filter_shape[1];
  shape.depthwise = conv.group > 1;
  const bool one_dimensional = conv.window.kernel.size() == 1;
  shape.kind = one_dimensional ? FilterKind::kConv1d : FilterKind::kConv2d;
  shape.height = one_dimensional ? 1 : conv.window.kernel[0];
  shape.width = conv.window.kernel.back();

  const int bits = builder.tensor(output_of(node, relu)).format.bits;
  std::vector<std::string> inputs = {conv.input};
  inputs.push_back(
      add_filter(builder, weights, store_filter(conv.filter, shape, block_of(builder.target(), bits))));
  if (const Tensor* bias = optional_input(builder, node, 2))
    inputs.push_back(add_bias(builder, node, *bias, bits));
  builder.define(output_of(node, relu), channels_last(conv.filter_shape.size()));
  builder.add_node("Conv", node.name, inputs, {output_of(node, relu)},
                   {{"activation", activation_of(relu)},
                    {"auto_pad", std::string("NOTSET")},
                    {"dilations", conv.window.dilations},
                    {"group", conv.group},
                    {"kernel_shape", conv.window.kernel},
                    {"pads", conv.window.pads},
                    {"strides", conv.window.strides}},
                   bits);
}

}  // namespace

void lower_conv(Builder& builder, const Node& node, const Node* relu) {
  const Tensor& weights = builder.tensor(node.inputs[1]);
  Convolution conv;
  conv.group = node.integer("group", 1);
  conv.filter_shape = weights.shape;
  conv.filter = integers_of(weights, node);
  conv.input = in_channels_last(builder, node, node.inputs[0]);
  conv.window = window_of(node, builder.tensor(node.inputs[0]).shape, builder.tensor(node.outputs[0]).shape,
                          Dims(weights.shape.begin() + 2, weights.shape.end()));
  emit_conv(builder, node, relu, conv);
}

// InsertZeros (where a stride exceeds 1), then a Conv of stride 1 with the kernel turned round (section 9).
void lower_conv_transpose(Builder& builder, const Node& node, const Node* relu) {
  const Tensor& weights = builder.tensor(node.inputs[1]);  // [C, N / group, kernel...]
  const Dims& input = builder.tensor(node.inputs[0]).shape;
  const size_t axes = weights.shape.size() - 2;
  const Dims kernel(weights.shape.begin() + 2, weights.shape.end());
  const Dims strides = node.integers("strides", Dims(axes, 1));
  const Dims dilations = node.integers("dilations", Dims(axes, 1));
  const Dims extra = node.integers("output_padding", Dims(axes, 0));
  const Dims pads = node.integers("pads", Dims(2 * axes, 0));
  const bool spread = std::any_of(strides.begin(), strides.end(), [](int64_t stride) { return stride > 1; });

  Convolution conv;
  conv.group = node.integer("group", 1);
  conv.window = {kernel, Dims(axes, 1), dilations, Dims(2 * axes, 0)};
  Dims spread_dims = {input[0]};
  for (size_t i = 0; i < axes; ++i) {
    const int64_t reach = dilations[i] * (kernel[i] - 1);
    const int64_t zeros = strides[i] * (input[i + 2] - 1) + 1;  // extent of the spread input
    spread_dims.push_back(zeros + (spread ? extra[i] : 0));
    conv.window.pads[i] = reach - pads[i];
    conv.window.pads[axes + i] = reach - pads[axes + i] + (spread ? 0 : extra[i]);
    if (conv.window.pads[i] < 0 || conv.window.pads[axes + i] < 0) {
      fail(
          "node '{}' (ConvTranspose): pads {} and {} exceed dilation * (kernel - 1) = {}; the chip cannot "
          "crop: use smaller pads and a Slice",
          node.name, pads[i], pads[axes + i], reach);
    }
  }
  spread_dims.push_back(input[1]);

  conv.input = in_channels_last(builder, node, node.inputs[0]);
  if (spread) {
    const std::string zeros = builder.define_intermediate(node.name + "/zeros", spread_dims, conv.input);
    builder.add_node("InsertZeros", zeros, {conv.input}, {zeros},
                     {{"output_padding", extra}, {"stride", strides}}, bits_of(builder.graph(), node));
    conv.input = zeros;
  }

  const int64_t taps = product(kernel);
  const int64_t inner = weights.shape[1];  // output channels of one group
  const int64_t channels = weights.shape[0] / conv.group;
  conv.filter_shape = {inner * conv.group, channels};
  conv.filter_shape.insert(conv.filter_shape.end(), kernel.begin(), kernel.end());
  const std::vector<int64_t>& source = integers_of(weights, node);
  for (int64_t n = 0; n < inner * conv.group; ++n) {
    for (int64_t c = 0; c < channels; ++c) {
      const int64_t base = ((n / inner * channels + c) * inner + n % inner) * taps;
      for (int64_t tap = taps; tap-- > 0;) conv.filter.push_back(source[static_cast<size_t>(base + tap)]);
    }
  }
  emit_conv(builder, node, relu, conv);
}

void lower_gemm(Builder& builder, const Node& node, const Node* relu) {
  const Tensor& weights = builder.tensor(node.inputs[1]);
  const bool transposed_filter = node.integer("transB", 0) != 0;
  const std::vector<int64_t>& source = integers_of(weights, node);
  FilterShape shape;
  shape.kind = FilterKind::kMatrix;
  shape.outputs = transposed_filter ? weights.shape[0] : weights.shape[1];
  shape.channels = transposed_filter ? weights.shape[1] : weights.shape[0];
  const std::vector<int64_t> filter = transposed_filter ? source : transposed(source, weights.shape, {1, 0});

  const std::string& output = output_of(node, relu);
  const int bits = builder.tensor(output).format.bits;
  // transA: the operand whose logical order is [M, K] is the input read in the order [1, 0].
  const Permutation order = node.integer("transA", 0) != 0 ? Permutation{1, 0} : Permutation{0, 1};
  std::vector<std::string> inputs = {builder.in_layout(node.inputs[0], order)};
  inputs.push_back(
      add_filter(builder, weights, store_filter(filter, shape, block_of(builder.target(), bits))));
  if (const Tensor* bias = optional_input(builder, node, 2)) {
    inputs.push_back(add_bias(builder, node, *bias, bits));
  } else {  // every published Gemm has one
    std::vector<int64_t> exponents = exponents_of(weights.format);
    for (int64_t& exponent : exponents) exponent += builder.tensor(node.inputs[0]).format.exponent;
    inputs.push_back(builder.add_parameter(node.name + "/bias", {shape.outputs},
                                           bits == 16 ? DataType::kInt64 : DataType::kInt32, exponents,
                                           std::vector<int64_t>(static_cast<size_t>(shape.outputs), 0)));
  }
  builder.define(output, identity_order(2));
  builder.add_node(
      "Gemm", node.name, inputs, {output},
      {{"activation", activation_of(relu)}, {"alpha", 1.0f}, {"beta", 1.0f}, {"transB", int64_t{0}}}, bits);
}

}  // namespace shrike::espdl
