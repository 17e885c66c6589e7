// Div (spec/numerics.md 5.3): float quotients; at 8 bit with a one-element operand a table of all 256 of
// them.
#include "ops/broadcast.h"
#include "ops/checks.h"
#include "ops/numeric.h"

namespace shrike {
namespace {

struct Parameters {
  Broadcast broadcast;
  Rounding rounding;
  float ratio;  // 2^(e_a - e_b - e_out)
  bool divisor_is_one_value, numerator_is_one_value;
};

Status prepare(Prepare& node) {
  SHRIKE_RETURN_IF_ERROR(expect_arithmetic(node));
  const Tensor& a = *node.inputs[0];
  const Tensor& b = *node.inputs[1];
  Parameters* parameters = new_parameters<Parameters>(node);
  if (parameters == nullptr) return node.arena_status();
  SHRIKE_RETURN_IF_ERROR(plan_broadcast(node, a, b, node.outputs[0], &parameters->broadcast));
  parameters->rounding = node.rounding;
  parameters->ratio = power_of_two(a.exponent - b.exponent - node.outputs[0]->exponent);
  parameters->divisor_is_one_value = b.shape.elements() == 1;
  parameters->numerator_is_one_value = a.shape.elements() == 1;
  return {};
}

template <typename T>
T divide(const Parameters& parameters, int32_t a, int32_t b) {
  if (a == 0) return 0;
  if (b == 0) return static_cast<T>(a > 0 ? Limits<T>::highest : Limits<T>::lowest);
  const float numerator = static_cast<float>(a) * parameters.ratio;
  return quantize_float<T>(numerator / static_cast<float>(b), parameters.rounding);
}

// Reciprocal first, for a divisor of one value.
template <typename T>
T divide_by(const Parameters& parameters, int32_t a, int32_t b) {
  if (a == 0 || b == 0) return divide<T>(parameters, a, b);
  const float reciprocal = parameters.ratio / static_cast<float>(b);
  return quantize_float<T>(static_cast<float>(a) * reciprocal, parameters.rounding);
}

template <typename T>
void divide_integers(const Parameters& parameters, const Run& node) {
  if (parameters.divisor_is_one_value) {
    broadcast_apply<T, T>(parameters.broadcast, node,
                          [&](int32_t a, int32_t b) { return divide_by<T>(parameters, a, b); });
  } else {
    broadcast_apply<T, T>(parameters.broadcast, node,
                          [&](int32_t a, int32_t b) { return divide<T>(parameters, a, b); });
  }
}

// The chip's numerator table has no case for 0 / 0: its entry for a zero divisor depends on the sign test
// alone.
void divide_one_numerator_8(const Parameters& parameters, const Run& node) {
  broadcast_apply<int8_t, int8_t>(parameters.broadcast, node, [&](int32_t a, int32_t b) -> int8_t {
    if (b == 0) return a > 0 ? 127 : -128;
    return divide<int8_t>(parameters, a, b);
  });
}

void run(const Run& node) {
  const Parameters& parameters = *static_cast<const Parameters*>(node.parameters);
  switch (node.inputs[0]->type) {
    case DataType::kInt8:
      if (parameters.numerator_is_one_value && !parameters.divisor_is_one_value) {
        divide_one_numerator_8(parameters, node);
      } else {
        divide_integers<int8_t>(parameters, node);
      }
      break;
    case DataType::kInt16:
      divide_integers<int16_t>(parameters, node);
      break;
    default:
      broadcast_apply<float, float>(parameters.broadcast, node, [](float a, float b) { return a / b; });
  }
}

}  // namespace

extern const Operator op_div = {"Div", prepare, run};

}  // namespace shrike
