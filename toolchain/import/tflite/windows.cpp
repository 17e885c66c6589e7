// Convolutions, pooling, resizing and products of matrices.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "toolchain/import/tflite/converter.h"
#include "toolchain/support/model_limits.h"

namespace shrike::graph::tflite {
namespace {

constexpr int8_t kSame = 0;
constexpr int64_t kLargestWindow = 1 << 16;

// Ultralytics' mean of a distribution: weights 0, 1, 2, ... which a quantised file only holds approximately.
bool is_expectation(const Shape& shape, const std::vector<float>& weights) {
  if (shape.size() != 4 || shape[0] != 1 || shape[1] != 1 || shape[2] != 1 || weights.size() < 8)
    return false;
  for (size_t i = 0; i < weights.size(); ++i) {
    if (std::abs(weights[i] - static_cast<float>(i)) >= 0.25f) return false;
  }
  return true;
}

}  // namespace

// Top, left, bottom, right: the same padding's share (section B5), more at the end, plus what a PAD in front
// adds.
std::vector<int64_t> Converter::pads(bool same, const Axis& rows, const Axis& columns,
                                     const Shape& extra) const {
  std::vector<int64_t> result = extra.empty() ? std::vector<int64_t>(4, 0) : std::vector<int64_t>(extra);
  for (size_t i = 0; i < 2; ++i) {
    const Axis& axis = i == 0 ? rows : columns;
    for (const int64_t value : {axis.kernel, axis.stride, axis.dilation}) {
      if (value < 1 || value > kLargestWindow) refuse("a window of {} is not sensible", value);
    }
    if (!same) continue;
    const int64_t count = (axis.size + axis.stride - 1) / axis.stride;
    const int64_t total =
        std::max<int64_t>(0, (count - 1) * axis.stride + (axis.kernel - 1) * axis.dilation + 1 - axis.size);
    result[i] += total / 2;
    result[i + 2] += total - total / 2;
  }
  return result;
}

void Converter::convolution(const Operator& op) {
  const Shape weight = shape(input(op, 1));
  const Shape& x = shape(input(op, 0));
  if (weight.size() != 4 || x.size() != 4 || weight[3] < 1 || x[3] % weight[3] != 0)
    refuse("filters [{}] do not fit an input [{}]", fmt::join(weight, ","), fmt::join(x, ","));
  const FlatTable& options = op.options;
  write_convolution(op, weight, floats(input(op, 1)), x[3] / weight[3],
                    {x[1], weight[1], options.scalar<int32_t>(2, 0), options.scalar<int32_t>(5, 1)},
                    {x[2], weight[2], options.scalar<int32_t>(1, 0), options.scalar<int32_t>(4, 1)});
}

// Filters [1, kh, kw, C*m]: output channel c*m + j reads channel c.
void Converter::depthwise(const Operator& op) {
  const Shape& stored = shape(input(op, 1));
  const Shape& x = shape(input(op, 0));
  if (stored.size() != 4 || x.size() != 4 || stored[0] != 1 || x[3] < 1 || stored[3] % x[3] != 0)
    refuse("filters [{}] do not fit an input [{}]", fmt::join(stored, ","), fmt::join(x, ","));
  const std::vector<float> values = floats(input(op, 1));
  const int64_t channels = stored[3], window = stored[1] * stored[2];
  std::vector<float> weights(values.size());
  for (int64_t k = 0; k < window; ++k) {
    for (int64_t c = 0; c < channels; ++c)
      weights[static_cast<size_t>(c * window + k)] = values[static_cast<size_t>(k * channels + c)];
  }
  const FlatTable& options = op.options;
  write_convolution(op, {channels, stored[1], stored[2], 1}, std::move(weights), x[3],
                    {x[1], stored[1], options.scalar<int32_t>(2, 0), options.scalar<int32_t>(6, 1)},
                    {x[2], stored[2], options.scalar<int32_t>(1, 0), options.scalar<int32_t>(5, 1)});
}

// Weights [O,kh,kw,I].
void Converter::write_convolution(const Operator& op, Shape weight_shape, std::vector<float> weights,
                                  int64_t groups, const Axis& rows, const Axis& columns) {
  int32_t x = input(op, 0);
  Shape extra;
  if (const auto found = padded_.find(x); found != padded_.end()) {
    x = found->second.first;
    extra = found->second.second;
  }
  const bool same = op.options.scalar<int8_t>(0, 0) == kSame;
  Attributes attributes = {{"group", groups},
                           {"kernel_shape", std::vector<int64_t>{rows.kernel, columns.kernel}},
                           {"strides", std::vector<int64_t>{rows.stride, columns.stride}},
                           {"dilations", std::vector<int64_t>{rows.dilation, columns.dilation}},
                           {"pads", pads(same, rows, columns, extra)}};
  const bool expectation = is_expectation(weight_shape, weights);
  if (expectation) std::iota(weights.begin(), weights.end(), 0.0f);
  const Shape logical = {weight_shape[0], weight_shape[3], weight_shape[1], weight_shape[2]};
  std::vector<float> ordered(weights.size());
  const int64_t window = weight_shape[1] * weight_shape[2], depth = weight_shape[3];
  for (int64_t o = 0; o < weight_shape[0]; ++o) {
    for (int64_t k = 0; k < window; ++k) {
      for (int64_t i = 0; i < depth; ++i)
        ordered[static_cast<size_t>((o * depth + i) * window + k)] =
            weights[static_cast<size_t>((o * window + k) * depth + i)];
    }
  }
  std::vector<std::string> inputs = {bring(x, image()),
                                     writer_.constant(name("Conv") + "/weight", logical, std::move(ordered))};
  if (has_input(op, 2)) {
    std::vector<float> bias = floats(op.inputs[2]);
    const bool zero = std::all_of(bias.begin(), bias.end(), [](float value) { return value == 0; });
    const Shape size = {static_cast<int64_t>(bias.size())};
    if (!(expectation && zero))
      inputs.push_back(writer_.constant(name("Conv") + "/bias", size, std::move(bias)));
  }
  const int activation_slot = op.code == 3 ? 3 : 4;
  const std::string y = node("Conv", std::move(inputs), std::move(attributes));
  set(op.outputs[0], activated(y, op.options.scalar<int8_t>(activation_slot, 0)), image());
}

// Inputs (shape of the result, filters [O,kh,kw,I], x, bias).
void Converter::transposed_convolution(const Operator& op) {
  const Shape weight = shape(input(op, 1)), x = shape(input(op, 2)), y = shape(op.outputs[0]);
  if (weight.size() != 4 || x.size() != 4 || y.size() != 4 || weight[3] != x[3])
    refuse("filters [{}] do not fit an input [{}]", fmt::join(weight, ","), fmt::join(x, ","));
  const std::vector<int64_t> strides = {op.options.scalar<int32_t>(2, 0), op.options.scalar<int32_t>(1, 0)};
  std::vector<int64_t> pads(4, 0), extra(2, 0);
  for (size_t i = 0; i < 2; ++i) {
    if (strides[i] < 1 || strides[i] > kLargestWindow) refuse("a stride of {} is not sensible", strides[i]);
    const int64_t total = (x[i + 1] - 1) * strides[i] + weight[i + 1] - y[i + 1];
    pads[i] = std::max<int64_t>(total, 0) / 2;
    pads[i + 2] = std::max<int64_t>(total, 0) - pads[i];
    extra[i] = std::max<int64_t>(-total, 0);
  }
  std::vector<std::string> inputs = {bring(input(op, 2), image()),
                                     constant(input(op, 1), weight, {3, 0, 1, 2})};
  if (has_input(op, 3)) inputs.push_back(bring(op.inputs[3], {0}));
  const std::string result = node("ConvTranspose", std::move(inputs),
                                  {{"kernel_shape", std::vector<int64_t>{weight[1], weight[2]}},
                                   {"strides", strides},
                                   {"pads", std::move(pads)},
                                   {"output_padding", std::move(extra)}});
  set(op.outputs[0], activated(result, op.options.scalar<int8_t>(3, 0)), image());
}

// Padding is left out of maxima and means.
void Converter::pooling(const Operator& op) {
  const int32_t x = input(op, 0);
  const Shape& size = shape(x);
  if (size.size() != 4) refuse("an image was expected, found the shape [{}]", fmt::join(size, ","));
  const FlatTable& options = op.options;
  const Axis rows = {size[1], options.scalar<int32_t>(4, 0), options.scalar<int32_t>(2, 0), 1};
  const Axis columns = {size[2], options.scalar<int32_t>(3, 0), options.scalar<int32_t>(1, 0), 1};
  const std::vector<int64_t> padding = pads(options.scalar<int8_t>(0, 0) == kSame, rows, columns, {});
  const bool whole =
      rows.kernel == size[1] && columns.kernel == size[2] && padding == std::vector<int64_t>(4, 0);
  std::string y;
  if (op.code == 1 && whole) {
    y = node("GlobalAveragePool", {bring(x, image())});
  } else {
    y = node(op.code == 17 ? "MaxPool" : "AveragePool", {bring(x, image())},
             {{"kernel_shape", std::vector<int64_t>{rows.kernel, columns.kernel}},
              {"strides", std::vector<int64_t>{rows.stride, columns.stride}},
              {"pads", padding}});
  }
  set(op.outputs[0], activated(y, options.scalar<int8_t>(5, 0)), image());
}

void Converter::resize(const Operator& op) {
  const int32_t x = input(op, 0);
  const Shape from = shape(x), to = shape(op.outputs[0]);
  if (from.size() != 4 || to.size() != 4)
    refuse("an image was expected, found the shape [{}]", fmt::join(from, ","));
  const bool nearest = op.code == 97;
  const bool corners = op.options.scalar<uint8_t>(nearest ? 0 : 2, 0) != 0;
  const bool half_pixel = op.options.scalar<uint8_t>(nearest ? 1 : 3, 0) != 0;
  const bool whole = to[1] % from[1] == 0 && to[2] % from[2] == 0;
  Attributes attributes = {{"mode", std::string(nearest ? "nearest" : "linear")}};
  std::string coordinates = corners ? "align_corners" : half_pixel ? "half_pixel" : "asymmetric";
  std::string rounding = corners || half_pixel ? "round_prefer_ceil" : "floor";
  if (nearest && !corners && whole) {  // with whole factors both ways take the same pixel (section B6)
    coordinates = "asymmetric";
    rounding = "floor";
  }
  attributes["coordinate_transformation_mode"] = coordinates;
  if (nearest) attributes["nearest_mode"] = rounding;
  std::vector<std::string> inputs = {bring(x, image()), ""};
  if (whole) {
    inputs.push_back(
        writer_.constant(name("Resize") + "/scales", {4},
                         {1, 1, static_cast<float>(to[1] / from[1]), static_cast<float>(to[2] / from[2])}));
  } else {
    inputs.emplace_back();
    inputs.push_back(writer_.integers(name("Resize") + "/sizes", {to[0], to[3], to[1], to[2]}));
  }
  set(op.outputs[0], node("Resize", std::move(inputs), std::move(attributes)), image());
}

void Converter::fully_connected(const Operator& op) {
  const int32_t x = input(op, 0), w = input(op, 1);
  const Shape weight = shape(w), result = shape(op.outputs[0]);
  if (op.options.scalar<int8_t>(1, 0) != 0) refuse("shuffled weights are not supported");
  if (weight.size() != 2 || weight[1] < 1 || element_count(shape(x)) % weight[1] != 0)
    refuse("weights [{}] do not fit an input [{}]", fmt::join(weight, ","), fmt::join(shape(x), ","));
  const Shape rows = {element_count(shape(x)) / weight[1], weight[1]};
  std::string data, y;
  std::vector<float> values = is_constant(w) ? floats(w) : std::vector<float>();
  const Shape flat = is_constant(x) ? Shape() : state(x).flat_image;
  if (!flat.empty() && is_constant(w) && rows[0] == 1) {
    // The pixels lie channel by channel: the columns of the weights move along.
    std::vector<float> moved(values.size());
    const int64_t pixels = flat[0] * flat[1], channels = flat[2];
    for (int64_t o = 0; o < weight[0]; ++o) {
      for (int64_t k = 0; k < weight[1]; ++k)
        moved[static_cast<size_t>(o * weight[1] + k % channels * pixels + k / channels)] =
            values[static_cast<size_t>(o * weight[1] + k)];
    }
    values = std::move(moved);
    data = state(x).name;
  } else {
    data = bring(x, identity(shape(x).size()));
    if (shape(x) != rows) data = reshaped(data, rows);
  }
  if (is_constant(w)) {
    std::vector<std::string> inputs = {data,
                                       writer_.constant(name("Gemm") + "/weight", weight, std::move(values))};
    if (has_input(op, 2)) inputs.push_back(bring(op.inputs[2], identity(shape(op.inputs[2]).size())));
    y = node("Gemm", std::move(inputs), {{"transB", int64_t{1}}});
  } else {
    y = node("MatMul", {data, bring(w, {1, 0})});
    if (has_input(op, 2)) y = node("Add", {y, bring(op.inputs[2], identity(shape(op.inputs[2]).size()))});
  }
  y = activated(y, op.options.scalar<int8_t>(0, 0));
  if (result != Shape{rows[0], weight[0]}) y = reshaped(y, result);
  set(op.outputs[0], y, identity(result.size()));
}

void Converter::batch_matmul(const Operator& op) {
  const int32_t a = input(op, 0), b = input(op, 1);
  const size_t size = shape(a).size();
  if (size < 2 || shape(b).size() != size || shape(op.outputs[0]).size() != size)
    refuse("two matrices of equal rank were expected");
  const auto side = [&](bool swapped) {
    Order order = identity(size);
    if (swapped) std::swap(order[size - 1], order[size - 2]);
    return order;
  };
  const bool swap_a = op.options.scalar<uint8_t>(0, 0) != 0, swap_b = op.options.scalar<uint8_t>(1, 0) != 0;
  const Shape right = in_order(shape(b), side(swap_b));
  // Converters write q.k as a batch of n products with one column each: [1,h,m,d] x [n,h,d,1]. It is one
  // product [1,h,m,d] x [1,h,d,n], whose result is the same tensor with the first and the last axis exchanged
  // (section B8.4).
  if (size == 4 && right[3] == 1 && right[0] > 1 && shape(a)[0] == 1) {
    const Order order = side(swap_b);
    const Order columns = {order[3], order[1], order[2], order[0]};
    set(op.outputs[0], node("MatMul", {bring(a, side(swap_a)), bring(b, columns)}), {3, 1, 2, 0});
    return;
  }
  set(op.outputs[0], node("MatMul", {bring(a, side(swap_a)), bring(b, side(swap_b))}), identity(size));
}

}  // namespace shrike::graph::tflite
