// Add, Sub and Neg: raw integers, saturated; exponents are not consulted (spec/numerics.md 5.1, 5.4).
#include "kernels/kernels.h"
#include "ops/broadcast.h"
#include "ops/checks.h"
#include "ops/numeric.h"
#include "ops/parallel.h"

namespace shrike {
namespace {

constexpr int32_t kGrain = 1 << 15;

Status prepare(Prepare& node) {
  SHRIKE_RETURN_IF_ERROR(expect_arithmetic(node));
  Broadcast* plan = new_parameters<Broadcast>(node);
  if (plan == nullptr) return node.arena_status();
  SHRIKE_RETURN_IF_ERROR(plan_broadcast(node, *node.inputs[0], *node.inputs[1], node.outputs[0], plan));
  if (node.inputs[0]->bytes() == node.outputs[0]->bytes()) node.in_place = InPlace::kOverwrite;
  return {};
}

template <typename T>
void add_integers(const Broadcast& plan, const Run& node) {
  broadcast_apply<T, T>(plan, node, [](int32_t a, int32_t b) { return saturate<T>(a + b); });
}

template <typename T>
void subtract_integers(const Broadcast& plan, const Run& node) {
  broadcast_apply<T, T>(plan, node, [](int32_t a, int32_t b) { return saturate<T>(a - b); });
}

void run_add(const Run& node) {
  const Broadcast& plan = *static_cast<const Broadcast*>(node.parameters);
  switch (node.inputs[0]->type) {
    case DataType::kInt8:
      if (plan.rows == 1 && plan.a_inner == 1 && plan.b_inner == 1) {
        const int8_t* a = static_cast<const int8_t*>(node.inputs[0]->data);
        const int8_t* b = static_cast<const int8_t*>(node.inputs[1]->data);
        int8_t* output = static_cast<int8_t*>(node.outputs[0]->data);
        parallel_for(node.workers, plan.inner, kGrain, [&](int32_t begin, int32_t end, int32_t) {
          node.kernels->add8(a + begin, b + begin, output + begin, static_cast<size_t>(end - begin));
        });
      } else {
        add_integers<int8_t>(plan, node);
      }
      break;
    case DataType::kInt16:
      add_integers<int16_t>(plan, node);
      break;
    default:
      broadcast_apply<float, float>(plan, node, [](float a, float b) { return a + b; });
  }
}

void run_sub(const Run& node) {
  const Broadcast& plan = *static_cast<const Broadcast*>(node.parameters);
  switch (node.inputs[0]->type) {
    case DataType::kInt8:
      subtract_integers<int8_t>(plan, node);
      break;
    case DataType::kInt16:
      subtract_integers<int16_t>(plan, node);
      break;
    default:
      broadcast_apply<float, float>(plan, node, [](float a, float b) { return a - b; });
  }
}

Status prepare_neg(Prepare& node) {
  SHRIKE_RETURN_IF_ERROR(expect_operands(node, 1, 1));
  const DataType type = node.inputs[0]->type;
  if (!is_integer_8_or_16(type) && type != DataType::kFloat32) {
    return node.error(StatusCode::kUnsupportedType, "the input is not INT8, INT16 or FLOAT");
  }
  SHRIKE_RETURN_IF_ERROR(expect_same_format(node, *node.inputs[0], *node.outputs[0]));
  node.outputs[0]->shape = node.inputs[0]->shape;
  node.in_place = InPlace::kOverwrite;
  return {};
}

template <typename T, typename Function>
void map(const Run& node, const Function& function) {
  const T* input = static_cast<const T*>(node.inputs[0]->data);
  T* output = static_cast<T*>(node.outputs[0]->data);
  const int64_t count = node.inputs[0]->shape.elements();
  for (int64_t i = 0; i < count; ++i) output[i] = function(input[i]);
}

void run_neg(const Run& node) {
  switch (node.inputs[0]->type) {
    case DataType::kInt8:
      map<int8_t>(node, [](int32_t q) { return saturate<int8_t>(-q); });
      break;
    case DataType::kInt16:
      map<int16_t>(node, [](int32_t q) { return saturate<int16_t>(-q); });
      break;
    default:
      map<float>(node, [](float value) { return -value; });
  }
}

}  // namespace

extern const Operator op_add = {"Add", prepare, run_add};
extern const Operator op_sub = {"Sub", prepare, run_sub};
extern const Operator op_neg = {"Neg", prepare_neg, run_neg};

}  // namespace shrike
