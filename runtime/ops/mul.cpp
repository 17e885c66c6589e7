// Mul (spec/numerics.md 5.2): the exact product, rounded once (rule MU-I), or through a float product (MU-F)
// on chips without a vector unit and in rows too short for a vector.
#include "kernels/kernels.h"
#include "ops/broadcast.h"
#include "ops/checks.h"
#include "ops/numeric.h"
#include "ops/parallel.h"

namespace shrike {
namespace {

constexpr int32_t kGrain = 1 << 15;
constexpr int32_t kVectorInt16 = 8;  // elements

struct Parameters {
  Broadcast broadcast;
  int32_t shift;
  Rounding rounding;
  bool through_float;
  float scale;  // 2^-shift
};

Status prepare(Prepare& node) {
  SHRIKE_RETURN_IF_ERROR(expect_arithmetic(node));
  const Tensor& a = *node.inputs[0];
  const Tensor& b = *node.inputs[1];
  Parameters* parameters = new_parameters<Parameters>(node);
  if (parameters == nullptr) return node.arena_status();
  SHRIKE_RETURN_IF_ERROR(plan_broadcast(node, a, b, node.outputs[0], &parameters->broadcast));
  if (a.type != DataType::kFloat32) {
    parameters->shift = node.outputs[0]->exponent - a.exponent - b.exponent;
    if (parameters->shift < 0 && !node.chip->left_shifts) {
      return node.error(StatusCode::kBadExponent,
                        "the output exponent is below the sum of the input exponents");
    }
  }
  parameters->rounding = node.rounding;
  parameters->through_float = !node.chip->vector_unit || parameters->broadcast.inner < kVectorInt16;
  parameters->scale = power_of_two(-parameters->shift);
  if (a.bytes() == node.outputs[0]->bytes()) node.in_place = InPlace::kOverwrite;
  return {};
}

// At 8 bits both rules agree.
void multiply_8(const Parameters& parameters, const Run& node) {
  const Broadcast& plan = parameters.broadcast;
  const int32_t shift = parameters.shift > 30 ? 30 : parameters.shift;  // a product has 15 bits
  const Rounding rounding = parameters.rounding;
  if (shift >= 0 && plan.rows == 1 && plan.a_inner == 1 && plan.b_inner == 1) {
    const int8_t* a = static_cast<const int8_t*>(node.inputs[0]->data);
    const int8_t* b = static_cast<const int8_t*>(node.inputs[1]->data);
    int8_t* output = static_cast<int8_t*>(node.outputs[0]->data);
    parallel_for(node.workers, plan.inner, kGrain, [&](int32_t begin, int32_t end, int32_t) {
      node.kernels->mul8(a + begin, b + begin, output + begin, static_cast<size_t>(end - begin), shift,
                         rounding);
    });
    return;
  }
  if (shift < 0) {
    const int32_t factor = int32_t{1}
                           << (shift < -8 ? 8 : -shift);  // 8 places push everything but 0 out of range
    broadcast_apply<int8_t, int8_t>(plan, node,
                                    [=](int32_t a, int32_t b) { return saturate<int8_t>(a * b * factor); });
    return;
  }
  broadcast_apply<int8_t, int8_t>(plan, node, [=](int32_t a, int32_t b) {
    return saturate<int8_t>(rounding_shift<int32_t>(a * b, shift, rounding));
  });
}

void multiply_16(const Parameters& parameters, const Run& node) {
  const Rounding rounding = parameters.rounding;
  if (parameters.through_float) {
    const float scale = parameters.scale;
    broadcast_apply<int16_t, int16_t>(parameters.broadcast, node, [=](int32_t a, int32_t b) {
      return quantize_float<int16_t>(static_cast<float>(a * b) * scale, rounding);
    });
    return;
  }
  const int32_t shift = parameters.shift;
  broadcast_apply<int16_t, int16_t>(parameters.broadcast, node, [=](int32_t a, int32_t b) {
    return saturate<int16_t>(rounding_shift_any(int64_t{a} * b, shift, rounding));
  });
}

void run(const Run& node) {
  const Parameters& parameters = *static_cast<const Parameters*>(node.parameters);
  switch (node.inputs[0]->type) {
    case DataType::kInt8:
      multiply_8(parameters, node);
      break;
    case DataType::kInt16:
      multiply_16(parameters, node);
      break;
    default:
      broadcast_apply<float, float>(parameters.broadcast, node, [](float a, float b) { return a * b; });
  }
}

}  // namespace

extern const Operator op_mul = {"Mul", prepare, run};

}  // namespace shrike
