// Comparisons: raw integers (their exponents are the quantiser's business) or floats, one BOOL byte a result
// (spec/numerics.md 5.4).
#include "ops/broadcast.h"
#include "ops/checks.h"

namespace shrike {
namespace {

enum class Relation : uint8_t { kEqual, kGreater, kGreaterOrEqual, kLess, kLessOrEqual };

Status prepare(Prepare& node) {
  SHRIKE_RETURN_IF_ERROR(expect_operands(node, 2, 2));
  const Tensor& a = *node.inputs[0];
  const Tensor& b = *node.inputs[1];
  Tensor& output = *node.outputs[0];
  SHRIKE_RETURN_IF_ERROR(expect_same_type(node, a, b));
  if (!is_integer_8_or_16(a.type) && a.type != DataType::kFloat32) {
    return node.error(StatusCode::kUnsupportedType, "operands are not INT8, INT16 or FLOAT");
  }
  if (output.type != DataType::kBool)
    return node.error(StatusCode::kUnsupportedType, "the output is not BOOL");
  Broadcast* plan = new_parameters<Broadcast>(node);
  if (plan == nullptr) return node.arena_status();
  return plan_broadcast(node, a, b, &output, plan);
}

template <Relation relation, typename T>
void compare(const Run& node) {
  broadcast_apply<T, uint8_t>(*static_cast<const Broadcast*>(node.parameters), node, [](T a, T b) -> uint8_t {
    switch (relation) {
      case Relation::kEqual:
        return a == b;
      case Relation::kGreater:
        return a > b;
      case Relation::kGreaterOrEqual:
        return a >= b;
      case Relation::kLess:
        return a < b;
      case Relation::kLessOrEqual:
        return a <= b;
    }
    return 0;
  });
}

template <Relation relation>
void run(const Run& node) {
  switch (node.inputs[0]->type) {
    case DataType::kInt8:
      compare<relation, int8_t>(node);
      break;
    case DataType::kInt16:
      compare<relation, int16_t>(node);
      break;
    default:
      compare<relation, float>(node);
  }
}

}  // namespace

extern const Operator op_equal = {"Equal", prepare, run<Relation::kEqual>};
extern const Operator op_greater = {"Greater", prepare, run<Relation::kGreater>};
extern const Operator op_greater_or_equal = {"GreaterOrEqual", prepare, run<Relation::kGreaterOrEqual>};
extern const Operator op_less = {"Less", prepare, run<Relation::kLess>};
extern const Operator op_less_or_equal = {"LessOrEqual", prepare, run<Relation::kLessOrEqual>};

}  // namespace shrike
