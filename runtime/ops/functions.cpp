#include "ops/functions.h"

#include <math.h>

#include "ops/float_math.h"

namespace shrike {
namespace {

float clamp(float value, float lowest, float highest) {
  return value < lowest ? lowest : value > highest ? highest : value;
}

// The chip's constant is 0.166667, not 1/6, and its inner part is in double.
float hard_swish(float x) {
  const double inner = 0.166667 * static_cast<double>(x) + 0.5;
  return static_cast<float>(inner < 0.0 ? 0.0 : inner > 1.0 ? 1.0 : inner) * x;
}

}  // namespace

float evaluate(const FunctionParameters& parameters, float x) {
  switch (parameters.function) {
    case Function::kClip:
      return clamp(x, parameters.lowest, parameters.highest);
    case Function::kElu:
      return x >= 0.0f ? x : parameters.alpha * (exp_f32(x) - 1.0f);
    case Function::kExp:
      return exp_f32(x);
    case Function::kHardSigmoid:
      return clamp(parameters.alpha * x + parameters.beta, 0.0f, 1.0f);
    case Function::kHardSwish:
      return hard_swish(x);
    case Function::kLeakyRelu:
      return x >= 0.0f ? x : x * parameters.alpha;
    case Function::kLog:
      return log_f32(x);
    case Function::kRelu:
      return x > 0.0f ? x : 0.0f;
    case Function::kSigmoid:
      return sigmoid_f32(x);
    case Function::kSqrt:
      // Processors disagree about the sign of a square root that is none.
      return x < 0.0f ? __builtin_nanf("") : sqrtf(x);
    case Function::kSwish:
      return sigmoid_f32(x) * x;
    case Function::kTanh:
      return tanh_f32(x);
  }
  return 0.0f;
}

float evaluate_integer(const FunctionParameters& parameters, const IntegerDomain& domain, int32_t q) {
  const float value = static_cast<float>(q);
  switch (parameters.function) {
    case Function::kRelu:
      return q > 0 ? value * domain.rescale : 0.0f;
    case Function::kLeakyRelu:
      return q >= 0 ? value * domain.rescale : value * domain.rescale * parameters.alpha;
    case Function::kClip: {
      const int32_t bounded = q < domain.lowest ? domain.lowest : q > domain.highest ? domain.highest : q;
      return static_cast<float>(bounded) * domain.rescale;
    }
    default:
      return evaluate(parameters, value * domain.in_scale) * domain.inverse_out_scale;
  }
}

}  // namespace shrike
