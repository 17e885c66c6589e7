#include "toolchain/engine/conventions.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cmath>

#include "toolchain/graph/activation.h"
#include "toolchain/operators/operator.h"

namespace shrike::engine {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Variable;
using torch::autograd::variable_list;

// `tensor` with its elements in the order of memory of `like`, which is dense.
at::Tensor in_order_of(const at::Tensor& like, const at::Tensor& tensor) {
  return tensor.strides() == like.strides() ? tensor : at::empty_like(like).copy_(tensor);
}
at::Tensor dense(const at::Tensor& tensor) {
  return tensor.is_non_overlapping_and_dense() ? tensor : tensor.contiguous();
}

// One exponent, float32, at most 16 bits: activations, nearly all of the work. One pass forward and one back.
struct RoundActivation : torch::autograd::Function<RoundActivation> {
  static Variable forward(AutogradContext* context, const Variable& given, const Variable& exponent,
                          const Grid& grid) {
    const at::Tensor value = dense(given);
    at::Tensor rounded = value.clone();
    round_to_grid(rounded.data_ptr<float>(), rounded.numel(), grid.format.bits, grid.format.exponent,
                  grid.rounding);
    context->save_for_backward({value});
    context->saved_data["bits"] = static_cast<int64_t>(grid.format.bits);
    context->saved_data["exponent"] = static_cast<int64_t>(grid.format.exponent);
    context->saved_data["half even"] = grid.rounding.half_even;
    context->saved_data["exponent too"] = exponent.requires_grad();
    return rounded;
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const at::Tensor value = context->get_saved_variables()[0];
    const at::Tensor gradient = in_order_of(value, gradients[0]);
    at::Tensor passed = at::empty_like(value);
    const auto bits = static_cast<int>(context->saved_data["bits"].toInt()),
               exponent = static_cast<int>(context->saved_data["exponent"].toInt());
    const float lowest = std::ldexp(-1.0f, bits - 1 + exponent),
                highest = std::ldexp(std::ldexp(1.0f, bits - 1) - 1, exponent);
    const float *x = value.data_ptr<float>(), *g = gradient.data_ptr<float>();
    float* result = passed.data_ptr<float>();
    const int64_t count = value.numel();
    for (int64_t i = 0; i < count; ++i) result[i] = x[i] >= lowest && x[i] <= highest ? g[i] : 0.0f;
    at::Tensor by_exponent;
    if (context->saved_data["exponent too"].toBool()) {
      const Rounding rounding{context->saved_data["half even"].toBool()};
      double sum = 0;
      constexpr int64_t kBlock = 4096;
      std::vector<float> rounded(kBlock);
      for (int64_t first = 0; first < count; first += kBlock) {
        const int64_t size = std::min(kBlock, count - first);
        std::copy_n(x + first, size, rounded.begin());
        round_to_grid(rounded.data(), size, bits, exponent, rounding);
        for (int64_t i = 0; i < size; ++i) {
          const float now = x[first + i];
          const float slope = rounded[static_cast<size_t>(i)] - (now >= lowest && now <= highest ? now : 0);
          sum += static_cast<double>(slope) * g[first + i];
        }
      }
      by_exponent = at::full({1}, sum * std::log(2.0), at::kDouble);
    }
    return {passed, by_exponent, Variable()};
  }
};

// Any grid and width: filters and biases.
struct RoundAny : torch::autograd::Function<RoundAny> {
  static Variable forward(AutogradContext* context, const Variable& value, const Variable& exponent,
                          const Grid& grid) {
    const at::Tensor scale = grid.scale(value);
    const at::Tensor units = value / scale;
    const at::Tensor clamped = at::clamp(units, grid.lowest(), grid.highest());
    const at::Tensor nearest = grid.rounding.half_even ? at::round(clamped) : at::floor(clamped + 0.5);
    const at::Tensor inside = at::logical_and(units >= grid.lowest(), units <= grid.highest());
    context->save_for_backward({inside});
    if (exponent.requires_grad()) {
      context->saved_data["slope"] =
          (scale * std::log(2.0) * at::where(inside, nearest - units, nearest)).to(at::kFloat);
      context->saved_data["channels"] = static_cast<int64_t>(exponent.numel());
      context->saved_data["axis"] = grid.axis;
    }
    return nearest * scale;
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const at::Tensor inside = context->get_saved_variables()[0];
    const at::Tensor& gradient = gradients[0];
    at::Tensor by_exponent;
    if (context->saved_data.count("slope") > 0) {
      by_exponent = gradient * context->saved_data["slope"].toTensor();
      const int64_t axis = context->saved_data["axis"].toInt();
      std::vector<int64_t> others;
      for (int64_t i = 0; i < by_exponent.dim(); ++i) {
        if (i != axis || context->saved_data["channels"].toInt() == 1) others.push_back(i);
      }
      by_exponent = at::sum(by_exponent.to(at::kDouble), others).reshape({-1});
    }
    return {gradient * inside, by_exponent, Variable()};
  }
};

// A function by the table that the chip has for it: a value and a slope for every code of its input.
struct LookUp : torch::autograd::Function<LookUp> {
  static Variable forward(AutogradContext* context, const Variable& given, const at::Tensor& values,
                          const at::Tensor& slopes, int64_t exponent) {
    const at::Tensor input = dense(given);
    const int64_t last = values.numel() - 1;
    at::Tensor result = at::empty_like(input);
    at::Tensor codes = at::empty_like(input, input.options().dtype(at::kByte));
    const float *x = input.data_ptr<float>(), *table = values.data_ptr<float>();
    float* y = result.data_ptr<float>();
    uint8_t* code = codes.data_ptr<uint8_t>();
    const float inverse = std::ldexp(1.0f, static_cast<int>(-exponent));
    const auto zero = static_cast<int>((last + 1) / 2);
    for (int64_t i = 0; i < input.numel(); ++i) {
      const int index = static_cast<int>(x[i] * inverse) + zero;  // exact: the input is on its grid
      code[i] = static_cast<uint8_t>(std::clamp(index, 0, static_cast<int>(last)));
      y[i] = table[code[i]];
    }
    context->save_for_backward({codes, slopes});
    return result;
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor& codes = saved[0];
    at::Tensor result = at::empty_like(codes, codes.options().dtype(at::kFloat));
    const at::Tensor gradient = in_order_of(result, gradients[0]);
    const uint8_t* code = codes.data_ptr<uint8_t>();
    const float *slope = saved[1].data_ptr<float>(), *g = gradient.data_ptr<float>();
    float* passed = result.data_ptr<float>();
    for (int64_t i = 0; i < codes.numel(); ++i) passed[i] = g[i] * slope[code[i]];
    return {result, Variable(), Variable(), Variable()};
  }
};

at::Tensor look_up_with_slopes(const Call& call) {
  const graph::Format& format = call.format(0);
  const auto function = graph::activation_function(call.graph, call.node);
  const int64_t codes = int64_t{1} << format.bits;
  const float unit = std::ldexp(1.0f, format.exponent);
  at::Tensor values = at::empty({codes}, at::kFloat), slopes = at::empty({codes}, at::kFloat);
  for (int64_t code = 0; code < codes; ++code) {
    const float x = static_cast<float>(code - codes / 2) * unit;
    values.data_ptr<float>()[code] = function(x);
    slopes.data_ptr<float>()[code] = (function(x + unit / 2) - function(x - unit / 2)) / unit;
  }
  return LookUp::apply(call.input(0), values, slopes, static_cast<int64_t>(format.exponent));
}

// Functions that the engine evaluates without derivatives.
struct ByDifference : torch::autograd::Function<ByDifference> {
  static Variable forward(AutogradContext* context, const Variable& input, const Call& call) {
    constexpr double kStep = 0x1p-9;
    context->save_for_backward({input});
    const OperatorFunction function = find_operator(call.node.op);
    Call plain = call;  // what the derivative needs, free of the graph of operations
    plain.inputs[0] = input;
    const at::Tensor result = function(plain)[0];
    static const Arithmetic kFloatArithmetic{};
    const auto at_offset = [&](double offset) {
      const Call moved{call.graph, call.node, plain.inputs, kFloatArithmetic, call.graph_batch, call.batch};
      Call other = moved;
      other.inputs[0] = input + offset;
      return function(other)[0].to(at::kFloat);
    };
    context->saved_data["slope"] = (at_offset(kStep) - at_offset(-kStep)) / (2 * kStep);
    return result;
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    return {gradients[0] * context->saved_data["slope"].toTensor(), Variable()};
  }
};

}  // namespace

at::Tensor Grid::scale(const at::Tensor& like) const {
  if (!format.per_channel()) return at::full({}, std::ldexp(1.0, format.exponent), like.options());
  std::vector<double> scales;
  for (const int exponent : format.channel_exponents) scales.push_back(std::ldexp(1.0, exponent));
  std::vector<int64_t> shape(static_cast<size_t>(like.dim()), 1);
  shape[static_cast<size_t>(axis)] = -1;
  return at::tensor(scales, at::kDouble).to(like.scalar_type()).reshape(shape);
}

double Grid::lowest() const {
  return -std::ldexp(1.0, format.bits - 1);
}
double Grid::highest() const {
  return std::ldexp(1.0, format.bits - 1) - 1;
}

at::Tensor on_grid_with_gradient(const at::Tensor& value, const at::Tensor& exponent, const Grid& grid) {
  constexpr int kWidestInFloat = 16;
  const bool plain =
      !grid.format.per_channel() && grid.format.bits <= kWidestInFloat && value.scalar_type() == at::kFloat;
  return plain ? RoundActivation::apply(value, exponent, grid) : RoundAny::apply(value, exponent, grid);
}

at::Tensor activation_with_gradient(const Call& call) {
  const bool fake_quantized = call.arithmetic.fake_quantized;
  const graph::Format& format = call.format(0);
  if (fake_quantized && format.bits > 0 && format.bits <= 8 && operators::is_function(call.graph, call.node))
    return look_up_with_slopes(call);
  if (call.node.op == "Swish" && !fake_quantized && !call.node.attributes.contains(graph::kInputScale))
    return at::silu(call.input(0));
  return ByDifference::apply(call.input(0), call);
}

}  // namespace shrike::engine
