// Pow and Mod: floats on every target (spec/numerics.md 5.4).
#include <math.h>

#include "ops/broadcast.h"
#include "ops/checks.h"
#include "ops/float_math.h"
#include "ops/numeric.h"

namespace shrike {
namespace {

struct Parameters {
  Broadcast broadcast;
  Rounding rounding;
  float a_scale, b_scale, inverse_out_scale;
};

Status prepare(Prepare& node) {
  SHRIKE_RETURN_IF_ERROR(expect_arithmetic(node));
  const Tensor& a = *node.inputs[0];
  const Tensor& b = *node.inputs[1];
  Parameters* parameters = new_parameters<Parameters>(node);
  if (parameters == nullptr) return node.arena_status();
  SHRIKE_RETURN_IF_ERROR(plan_broadcast(node, a, b, node.outputs[0], &parameters->broadcast));
  parameters->rounding = node.rounding;
  parameters->a_scale = power_of_two(a.exponent);
  parameters->b_scale = power_of_two(b.exponent);
  parameters->inverse_out_scale = power_of_two(-node.outputs[0]->exponent);
  return {};
}

float remainder_of(float a, float b) {
  return b == 0.0f ? 0.0f : fmodf(a, b);
}

using Function = float (*)(float, float);

template <typename T, Function function>
void apply_to_integers(const Parameters& p, const Run& node) {
  broadcast_apply<T, T>(p.broadcast, node, [&](int32_t a, int32_t b) {
    const float value = function(static_cast<float>(a) * p.a_scale, static_cast<float>(b) * p.b_scale);
    return quantize_float<T>(value * p.inverse_out_scale, p.rounding);
  });
}

template <Function function>
void run(const Run& node) {
  const Parameters& parameters = *static_cast<const Parameters*>(node.parameters);
  switch (node.inputs[0]->type) {
    case DataType::kInt8:
      apply_to_integers<int8_t, function>(parameters, node);
      break;
    case DataType::kInt16:
      apply_to_integers<int16_t, function>(parameters, node);
      break;
    default:
      broadcast_apply<float, float>(parameters.broadcast, node, function);
  }
}

}  // namespace

extern const Operator op_pow = {"Pow", prepare, run<pow_f32>};
extern const Operator op_mod = {"Mod", prepare, run<remainder_of>};

}  // namespace shrike
