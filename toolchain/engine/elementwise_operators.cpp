// Arithmetic of one or two tensors, element by element, and the activation functions.
#include <algorithm>
#include <array>
#include <cmath>

#include "toolchain/engine/operators.h"
#include "toolchain/graph/activation.h"
#include "toolchain/operators/operator.h"

namespace shrike::engine {
namespace {

Results add(const Call& call) {
  return {call.input(0) + call.input(1)};
}
Results subtract(const Call& call) {
  return {call.input(0) - call.input(1)};
}

// Products of two 16-bit integers need 30 bits: exact in float64 only (rule MU-I of spec/numerics.md 5.2).
Results multiply(const Call& call) {
  const Arithmetic& arithmetic = call.arithmetic;
  if (arithmetic.fake_quantized && call.format(0).bits + call.format(1).bits > 24) {
    return {call.input(0).to(at::kDouble) * call.input(1).to(at::kDouble)};
  }
  return {call.input(0) * call.input(1)};
}

// On the chip a zero divided by anything is zero (spec/numerics.md 5.3).
Results divide(const Call& call) {
  const at::Tensor quotient = call.input(0) / call.input(1);
  if (!call.arithmetic.fake_quantized) return {quotient};
  return {at::where(call.input(0) == 0, at::zeros({}, quotient.options()), quotient)};
}

Results power(const Call& call) {
  return {at::pow(call.input(0), call.input(1))};
}
// The sign of the dividend, as the chip (spec/numerics.md 5.4); zero where the divisor is.
Results remainder(const Call& call) {
  const at::Tensor result = at::fmod(call.input(0), call.input(1));
  return {at::where(call.input(1) == 0, at::zeros({}, result.options()), result)};
}
Results negate(const Call& call) {
  return {at::neg(call.input(0))};
}
Results maximum(const Call& call) {
  at::Tensor result = call.input(0);
  for (size_t i = 1; i < call.inputs.size(); ++i) result = at::maximum(result, call.input(i));
  return {result};
}

Results minimum(const Call& call) {
  at::Tensor result = call.input(0);
  for (size_t i = 1; i < call.inputs.size(); ++i) result = at::minimum(result, call.input(i));
  return {result};
}

// Changes of format: the engine rounds every output, so the value itself passes through.
Results pass(const Call& call) {
  return {call.input(0)};
}

// Scales and offsets around an activation (graph/activation.h).
struct Rescaled {
  float input_scale, input_offset, output_scale, output_offset;

  float before(float x) const { return (x - input_offset) / input_scale; }
  float behind(float y) const { return y * output_scale + output_offset; }
};
std::optional<Rescaled> rescaled_by(const graph::Node& node) {
  if (!node.attributes.contains(graph::kInputScale)) return std::nullopt;
  return Rescaled{node.real(graph::kInputScale, 1), node.real(graph::kInputOffset, 0),
                  node.real(graph::kOutputScale, 1), node.real(graph::kOutputOffset, 0)};
}

// Transcendental functions by LibTorch, in tasks of fixed size: its vector code and the scalar code for what
// is left at the end of a task differ in the last bit, and its own tasks depend on the number of threads.
template <typename Function>
at::Tensor in_fixed_tasks(const Call& call, Function function) {
  constexpr int64_t kTask = 16384;
  const std::optional<Rescaled> rescaled = rescaled_by(call.node);
  const at::Tensor& given = call.input(0);
  const at::Tensor input = given.is_non_overlapping_and_dense() ? given : given.contiguous();
  const at::Tensor result = at::empty_like(input);
  const int64_t count = input.numel();
  const float* source = input.data_ptr<float>();
  float* target = result.data_ptr<float>();
  at::parallel_for(0, (count + kTask - 1) / kTask, 1, [&](int64_t first, int64_t last) {
    const c10::InferenceMode inference;
    for (int64_t task = first; task < last; ++task) {
      const int64_t begin = task * kTask, size = std::min(kTask, count - begin);
      float* const results = target + begin;
      at::Tensor part = at::from_blob(results, {size}, at::kFloat);
      if (!rescaled) {
        function(part, at::from_blob(const_cast<float*>(source + begin), {size}, at::kFloat));
        continue;
      }
      for (int64_t i = 0; i < size; ++i) results[i] = rescaled->before(source[begin + i]);
      function(part, part);
      for (int64_t i = 0; i < size; ++i) results[i] = rescaled->behind(results[i]);
    }
  });
  return result;
}

template <at::Tensor& (*function)(at::Tensor&, const at::Tensor&)>
Results pointwise(const Call& call) {
  return {in_fixed_tasks(call, function)};
}
Results elu(const Call& call) {
  const float alpha = call.node.real("alpha", 1.0f);
  return {in_fixed_tasks(call, [alpha](at::Tensor& y, const at::Tensor& x) { at::elu_out(y, x, alpha); })};
}
Results gelu(const Call& call) {
  const std::string form = call.node.text("approximate", "none");
  return {in_fixed_tasks(call, [&form](at::Tensor& y, const at::Tensor& x) { at::gelu_out(y, x, form); })};
}

Results relu(const Call& call) {
  return {at::relu(call.input(0))};
}
Results square_root(const Call& call) {
  return {at::sqrt(call.input(0))};
}
Results leaky_relu(const Call& call) {
  return {at::leaky_relu(call.input(0), call.node.real("alpha", 0.01f))};
}

Results hard_swish(const Call& call) {
  const at::Tensor& input = call.input(0);
  return {input * at::clamp(input / 6.0 + 0.5, 0.0, 1.0)};
}

Results hard_sigmoid(const Call& call) {
  const double alpha = call.node.real("alpha", 0.2f), beta = call.node.real("beta", 0.5f);
  return {at::clamp(call.input(0) * alpha + beta, 0.0, 1.0)};
}

Results clip(const Call& call) {
  c10::optional<at::Scalar> low, high;
  if (const auto bound = call.number(1, "min")) low = *bound;
  if (const auto bound = call.number(2, "max")) high = *bound;
  if (!low && !high) return {call.input(0)};
  return {at::clamp(call.input(0), low, high)};
}

Results prelu(const Call& call) {
  const at::Tensor& input = call.input(0);
  return {at::where(input >= 0, input, input * call.input(1))};
}

// The chip evaluates 8-bit activations by a table (spec/numerics.md section 8). So does this, with the
// function that makes the table.
bool uses_table(const Call& call) {
  return call.arithmetic.fake_quantized && call.format(0).bits > 0 && call.format(0).bits <= 8 &&
         operators::is_function(call.graph, call.node);
}

at::Tensor look_up(const Call& call) {
  const graph::Format& format = call.format(0);
  const auto function = graph::activation_function(call.graph, call.node);
  const int64_t lowest = -(int64_t{1} << (format.bits - 1)), highest = -lowest - 1;
  std::array<float, 256> table{};
  for (int64_t integer = lowest; integer <= highest; ++integer) {
    table[static_cast<size_t>(integer - lowest)] =
        function(std::ldexp(static_cast<float>(integer), format.exponent));
  }
  at::Tensor result = call.input(0).clone();  // dense, in the input's order of memory
  float* values = result.data_ptr<float>();
  const float inverse = std::ldexp(1.0f, -format.exponent);
  at::parallel_for(0, result.numel(), 65536, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t integer = static_cast<int64_t>(values[i] * inverse);  // exact: the input is on its grid
      values[i] = table[static_cast<size_t>(std::clamp(integer, lowest, highest) - lowest)];
    }
  });
  return result;
}

// The row's formula, element by element.
Results by_formula(const Call& call) {
  const operators::Formula function = operators::find(call.node.op)->formula(call.graph, call.node);
  at::Tensor result = call.input(0).clone();
  float* values = result.data_ptr<float>();
  at::parallel_for(0, result.numel(), 4096, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) values[i] = function(values[i]);
  });
  return {result};
}

template <Results (*function)(const Call&)>
Results activation(const Call& call) {
  if (uses_table(call)) return {look_up(call)};
  const std::optional<Rescaled> rescaled = rescaled_by(call.node);
  if (!rescaled) return function(call);
  Call plain = call;
  plain.inputs[0] = (call.input(0) - rescaled->input_offset) / rescaled->input_scale;
  at::Tensor result = function(plain)[0];
  return {result.mul_(rescaled->output_scale).add_(rescaled->output_offset)};
}

// Of a function that looks after scales and offsets itself.
template <Results (*function)(const Call&)>
Results activation_in_tasks(const Call& call) {
  return uses_table(call) ? Results{look_up(call)} : function(call);
}

}  // namespace

OperatorList elementwise_operators() {
  OperatorList list = {{"Add", add},
                       {"Sub", subtract},
                       {"Mul", multiply},
                       {"Div", divide},
                       {"Pow", power},
                       {"Mod", remainder},
                       {"Neg", negate},
                       {"Max", maximum},
                       {"Min", minimum},
                       {"RequantizeLinear", pass},
                       {"QuantizeLinear", pass},
                       {"DequantizeLinear", pass},
                       {"Swish", activation_in_tasks<pointwise<at::silu_out>>},
                       {"Sigmoid", activation_in_tasks<pointwise<at::sigmoid_out>>},
                       {"Relu", activation<relu>},
                       {"Tanh", activation_in_tasks<pointwise<at::tanh_out>>},
                       {"Exp", activation_in_tasks<pointwise<at::exp_out>>},
                       {"Log", activation_in_tasks<pointwise<at::log_out>>},
                       {"Sqrt", activation<square_root>},
                       {"LeakyRelu", activation<leaky_relu>},
                       {"Elu", activation_in_tasks<elu>},
                       {"Gelu", activation_in_tasks<gelu>},
                       {"HardSwish", activation<hard_swish>},
                       {"HardSigmoid", activation<hard_sigmoid>},
                       {"Clip", activation<clip>},
                       {"PRelu", activation<prelu>}};
  // Every other function of one variable needs no more than its row.
  for (const operators::Operator* row : operators::all()) {
    if (row->role == operators::Role::kTable) list.push_back({row->name, activation<by_formula>});
  }
  return list;
}

}  // namespace shrike::engine
