// Conv, ConvTranspose, Gemm and MatMul.
//
// Everything in float32 goes through at::mkldnn_convolution: at::conv2d chooses other libraries depending on
// the number of threads (and then gives other bits), and the BLAS behind at::matmul may be the reference one.
// In channels-last order the convolution needs no reordering of its input, and its results are the same for
// any number of threads.
#include <cmath>

#include "toolchain/engine/operators.h"

namespace shrike::engine {
namespace {

constexpr double kFloatExactLimit = 16777216.0;  // 2^24: integers below it are exact in float32

at::Tensor in_float(const at::Tensor& tensor) {
  return tensor.defined() ? tensor.to(at::kFloat) : tensor;
}
at::Tensor in_double(const at::Tensor& tensor) {
  return tensor.defined() ? tensor.to(at::kDouble) : tensor;
}

// Largest magnitude, in units, that a tensor of this format can have.
double largest_integer(const graph::Format& format) {
  return std::ldexp(1.0, format.bits - 1);
}

// Sum over each output channel of |weight| in the units of its exponent; its maximum over channels.
double largest_filter_sum(const at::Tensor& weight, const graph::Format& format) {
  const at::Tensor channels = weight.reshape({weight.size(0), -1}).to(at::kDouble);
  const at::Tensor sums = channels.abs().sum(1).contiguous();
  const double* sum = sums.data_ptr<double>();
  double largest = 0;
  for (int64_t channel = 0; channel < sums.numel(); ++channel) {
    const size_t index = static_cast<size_t>(channel);
    const int exponent =
        index < format.channel_exponents.size() ? format.channel_exponents[index] : format.exponent;
    largest = std::max(largest, std::ldexp(sum[channel], -exponent));
  }
  return largest;
}

// Same for the bias, in units of input exponent plus weight exponent.
double largest_bias(const at::Tensor& bias, int input_exponent, const graph::Format& weight) {
  if (!bias.defined()) return 0;
  const at::Tensor values = bias.to(at::kDouble).reshape({-1}).contiguous();
  double largest = 0;
  for (int64_t channel = 0; channel < values.numel(); ++channel) {
    const size_t index = static_cast<size_t>(channel);
    const int exponent =
        index < weight.channel_exponents.size() ? weight.channel_exponents[index] : weight.exponent;
    largest = std::max(largest,
                       std::ldexp(std::abs(values.data_ptr<double>()[channel]), -exponent - input_exponent));
  }
  return largest;
}

struct Geometry {
  std::vector<int64_t> strides, dilations, pads;  // pads: begin of every dimension, then end
  int64_t groups = 1;
};

// LibTorch leaves the derivatives of undilated 1x1 filters to the BLAS when it runs on one thread, twenty
// times slower than oneDNN where that is the reference one. To a single tap dilation means nothing.
std::vector<int64_t> dilations_for(const std::vector<int64_t>& dilations, const at::Tensor& input,
                                   const at::Tensor& weight) {
  const bool derived = at::GradMode::is_enabled() && (input.requires_grad() || weight.requires_grad());
  const bool single_tap = weight.size(2) == 1 && weight.size(3) == 1;
  return derived && single_tap ? std::vector<int64_t>{2, 2} : dilations;
}

// Rank-4 float32 convolution.
at::Tensor convolve_float(const at::Tensor& input, const at::Tensor& weight, const at::Tensor& bias,
                          const Geometry& geometry) {
  at::Tensor padded = input;
  std::vector<int64_t> pads = {geometry.pads[0], geometry.pads[1]};
  const bool symmetric = geometry.pads[0] == geometry.pads[2] && geometry.pads[1] == geometry.pads[3];
  if (!symmetric || pads[0] < 0 || pads[1] < 0) {
    padded = pad_spatial(input, geometry.pads, 0);
    pads = {0, 0};
  }
  return at::mkldnn_convolution(
      padded.contiguous(at::MemoryFormat::ChannelsLast), weight.contiguous(at::MemoryFormat::ChannelsLast),
      bias, pads, geometry.strides, dilations_for(geometry.dilations, input, weight), geometry.groups);
}

at::Tensor convolve_double(const at::Tensor& input, const at::Tensor& weight, const at::Tensor& bias,
                           const Geometry& geometry) {
  return at::conv2d(pad_spatial(input, geometry.pads, 0).to(at::kDouble).contiguous(),
                    weight.to(at::kDouble).contiguous(), in_double(bias), geometry.strides,
                    at::IntArrayRef({0, 0}), geometry.dilations, geometry.groups);
}

// Convolution whose sums are exact when the operands are on their grids; then the result may be float64.
// `weight` has the output channels first.
at::Tensor convolve(const Call& call, const at::Tensor& input, const at::Tensor& weight,
                    const at::Tensor& bias, const Geometry& geometry) {
  const Arithmetic& arithmetic = call.arithmetic;
  if (arithmetic.fake_quantized && !call.format(0).is_float() && !call.format(1).is_float()) {
    const double products = largest_filter_sum(weight, call.format(1)) * largest_integer(call.format(0));
    if (products > kFloatExactLimit) return convolve_double(input, weight, bias, geometry);
    if (products + largest_bias(bias, call.format(0).exponent, call.format(1)) > kFloatExactLimit) {
      const at::Tensor sums = convolve_float(input, in_float(weight), {}, geometry);
      return sums.to(at::kDouble) + in_double(bias).reshape({1, -1, 1, 1});
    }
  }
  return convolve_float(input, in_float(weight), in_float(bias), geometry);
}

std::vector<int64_t> spatial_attribute(const Call& call, const char* key, size_t rank) {
  std::vector<int64_t> values = call.node.integers(key, std::vector<int64_t>(rank, 1));
  if (values.size() != rank) call.refuse("expected {} numbers in {}, found {}", rank, key, values.size());
  return values;
}

// One-dimensional data as two-dimensional of height 1.
at::Tensor with_height(const at::Tensor& tensor) {
  return tensor.dim() == 3 ? tensor.unsqueeze(2) : tensor;
}

Geometry read_geometry(const Call& call, const at::Tensor& weight) {
  const size_t rank = static_cast<size_t>(weight.dim()) - 2;
  if ((rank != 1 && rank != 2) || call.input(0).dim() != weight.dim()) {
    call.refuse("expected input and weight of rank 3 or 4, found {} and {}", call.input(0).dim(),
                weight.dim());
  }
  Geometry geometry;
  geometry.strides = spatial_attribute(call, "strides", rank);
  geometry.dilations = spatial_attribute(call, "dilations", rank);
  geometry.groups = call.node.integer("group", 1);
  return geometry;
}

void add_height(Geometry& geometry) {
  if (geometry.strides.size() == 2) return;
  geometry.strides.insert(geometry.strides.begin(), 1);
  geometry.dilations.insert(geometry.dilations.begin(), 1);
  geometry.pads = {0, geometry.pads[0], 0, geometry.pads[1]};
}

Results conv(const Call& call) {
  const at::Tensor& input = call.input(0);
  const at::Tensor& weight = call.input(1);
  Geometry geometry = read_geometry(call, weight);
  if (input.size(1) != weight.size(1) * geometry.groups) {
    call.refuse("expected {} input channels, found {}", weight.size(1) * geometry.groups, input.size(1));
  }
  geometry.pads = window_pads(call, weight.sizes().slice(2).vec(), geometry.strides, geometry.dilations);
  add_height(geometry);
  const at::Tensor output = convolve(call, with_height(input), with_height(weight),
                                     call.has(2) ? call.input(2) : at::Tensor(), geometry);
  return {input.dim() == 3 ? output.squeeze(2) : output};
}

// As the chip does it (spec/numerics.md 3.1): zeros between the input's elements, then a plain convolution
// with the filters turned round.
Results conv_transpose(const Call& call) {
  const at::Tensor input = with_height(call.input(0));
  Geometry geometry = read_geometry(call, call.input(1));
  const size_t rank = geometry.strides.size();
  const std::vector<int64_t> kernel = call.input(1).sizes().slice(2).vec();
  const std::vector<int64_t> output_padding =
      call.node.integers("output_padding", std::vector<int64_t>(rank, 0));
  if (call.node.text("auto_pad", "NOTSET") != "NOTSET" || call.node.attributes.contains("output_shape")) {
    call.refuse("only explicit pads are supported, found auto_pad or output_shape");
  }
  const std::vector<int64_t> pads = call.node.integers("pads", std::vector<int64_t>(2 * rank, 0));
  geometry.pads.resize(2 * rank);
  for (size_t i = 0; i < rank; ++i) {
    const int64_t reach = geometry.dilations[i] * (kernel[i] - 1);
    geometry.pads[i] = reach - pads[i];
    geometry.pads[i + rank] = reach - pads[i + rank] + output_padding[i];
  }
  add_height(geometry);

  const int64_t height = (input.size(2) - 1) * geometry.strides[0] + 1,
                width = (input.size(3) - 1) * geometry.strides[1] + 1;
  at::Tensor spread = at::zeros({input.size(0), input.size(1), height, width}, input.options());
  spread.slice(2, 0, height, geometry.strides[0]).slice(3, 0, width, geometry.strides[1]).copy_(input);

  const at::Tensor weight = with_height(call.input(1));  // [in, out / groups, kH, kW]
  const int64_t groups = geometry.groups, group_inputs = weight.size(0) / groups,
                group_outputs = weight.size(1);
  const at::Tensor turned =
      weight.reshape({groups, group_inputs, group_outputs, weight.size(2), weight.size(3)})
          .transpose(1, 2)
          .reshape({groups * group_outputs, group_inputs, weight.size(2), weight.size(3)})
          .flip({2, 3});
  geometry.strides = {1, 1};
  const at::Tensor output =
      convolve(call, spread, turned, call.has(2) ? call.input(2) : at::Tensor(), geometry);
  return {call.input(0).dim() == 3 ? output.squeeze(2) : output};
}

// Zeros between the elements and, where output_padding says so, behind them.
Results insert_zeros(const Call& call) {
  const at::Tensor& input = call.input(0);
  const size_t axes = static_cast<size_t>(input.dim()) - 2;
  const std::vector<int64_t> strides = call.node.integers("stride", std::vector<int64_t>(axes, 1)),
                             extra = call.node.integers("output_padding", std::vector<int64_t>(axes, 0));
  std::vector<int64_t> sizes = input.sizes().vec();
  for (size_t i = 0; i < axes; ++i) sizes[i + 2] = (sizes[i + 2] - 1) * strides[i] + 1 + extra[i];
  const at::Tensor result = at::zeros(sizes, input.options());
  at::Tensor places = result;
  for (size_t i = 0; i < axes; ++i) {
    const int64_t axis = static_cast<int64_t>(i) + 2;
    places = places.slice(axis, 0, (input.size(axis) - 1) * strides[i] + 1, strides[i]);
  }
  places.copy_(input);
  return {result};
}

Results gemm(const Call& call) {
  at::Tensor input = call.input(0), weight = call.input(1);
  if (input.dim() != 2 || weight.dim() != 2)
    call.refuse("expected matrices, found ranks {} and {}", input.dim(), weight.dim());
  if (call.node.integer("transA", 0) != 0) input = input.t();
  if (call.node.integer("transB", 0) == 0) weight = weight.t();  // now [N, K]
  if (input.size(1) != weight.size(1))
    call.refuse("expected {} columns, found {}", weight.size(1), input.size(1));
  const float alpha = call.node.real("alpha", 1.0f), beta = call.node.real("beta", 1.0f);
  const at::Tensor bias = call.has(2) ? call.input(2) : at::Tensor();
  if (alpha == 1.0f && beta == 1.0f && (!bias.defined() || bias.numel() == weight.size(0))) {
    const Geometry plain{{1, 1}, {1, 1}, {0, 0, 0, 0}, 1};
    const at::Tensor rows =
        input.contiguous().view({1, 1, input.size(0), input.size(1)}).permute({0, 3, 1, 2});
    const at::Tensor output = convolve(call, rows, weight.unsqueeze(2).unsqueeze(3),
                                       bias.defined() ? bias.reshape({-1}) : bias, plain);
    return {output.permute({0, 2, 3, 1}).reshape({input.size(0), weight.size(0)})};
  }
  at::Tensor output = multiply_transposed(in_float(input), in_float(weight)) * alpha;
  if (bias.defined()) output = output + in_float(bias) * beta;
  return {output};
}

at::Tensor multiply(const at::Tensor& a, const at::Tensor& b, bool wide) {
  return wide ? at::mm(a.to(at::kDouble), b.to(at::kDouble))
              : multiply_transposed(in_float(a), in_float(b.t()));
}

Results matmul(const Call& call) {
  at::Tensor a = call.input(0), b = call.input(1);
  const bool vector_a = a.dim() == 1, vector_b = b.dim() == 1;
  if (vector_a) a = a.unsqueeze(0);
  if (vector_b) b = b.unsqueeze(1);
  if (a.size(-1) != b.size(-2))
    call.refuse("expected inner dimensions to agree, found {} and {}", a.size(-1), b.size(-2));
  const Arithmetic& arithmetic = call.arithmetic;
  const bool wide =
      arithmetic.fake_quantized && !call.format(0).is_float() && !call.format(1).is_float() &&
      static_cast<double>(a.size(-1)) * largest_integer(call.format(0)) * largest_integer(call.format(1)) >
          kFloatExactLimit;

  at::Tensor product;
  if (b.dim() == 2) {  // one right operand for every row of every matrix
    std::vector<int64_t> shape = a.sizes().vec();
    shape.back() = b.size(1);
    product = multiply(a.reshape({-1, a.size(-1)}), b, wide).reshape(shape);
  } else {
    const std::vector<int64_t> batch_a = a.sizes().slice(0, static_cast<size_t>(a.dim()) - 2).vec();
    const std::vector<int64_t> batch_b = b.sizes().slice(0, static_cast<size_t>(b.dim()) - 2).vec();
    std::vector<int64_t> batch = at::infer_size(batch_a, batch_b);
    std::vector<int64_t> shape_a = batch, shape_b = batch;
    shape_a.insert(shape_a.end(), {a.size(-2), a.size(-1)});
    shape_b.insert(shape_b.end(), {b.size(-2), b.size(-1)});
    const at::Tensor matrices_a = a.expand(shape_a).reshape({-1, a.size(-2), a.size(-1)});
    const at::Tensor matrices_b = b.expand(shape_b).reshape({-1, b.size(-2), b.size(-1)});
    std::vector<at::Tensor> products;
    for (int64_t i = 0; i < matrices_a.size(0); ++i)
      products.push_back(multiply(matrices_a[i], matrices_b[i], wide));
    std::vector<int64_t> shape = batch;
    shape.insert(shape.end(), {a.size(-2), b.size(-1)});
    product = at::stack(products).reshape(shape);
  }
  if (vector_b) product = product.squeeze(-1);
  if (vector_a) product = product.squeeze(vector_b ? -1 : -2);
  return {product};
}

}  // namespace

at::Tensor multiply_transposed(const at::Tensor& a, const at::Tensor& b) {
  // The rows of a are the pixels of a channels-last picture with K channels; b is a filter bank of 1x1
  // filters.
  const at::Tensor picture = a.contiguous().view({1, 1, a.size(0), a.size(1)}).permute({0, 3, 1, 2});
  const at::Tensor filters = b.contiguous().view({b.size(0), b.size(1), 1, 1});
  const at::Tensor product = at::mkldnn_convolution(picture, filters, {}, {0, 0}, {1, 1},
                                                    dilations_for({1, 1}, picture, filters), 1);
  return product.permute({0, 2, 3, 1}).reshape({a.size(0), b.size(0)});
}

OperatorList matrix_operators() {
  return {{"Conv", conv},
          {"ConvTranspose", conv_transpose},
          {"InsertZeros", insert_zeros},
          {"Gemm", gemm},
          {"MatMul", matmul}};
}

}  // namespace shrike::engine
