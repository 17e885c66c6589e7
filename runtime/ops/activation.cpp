// The element-wise functions of one input: at 8 bit a table, stored in the model or, without one, computed at
// load; at 16 bit and on floats evaluated per element (spec/numerics.md 8, 9).
#include "ops/checks.h"
#include "ops/functions.h"
#include "ops/lookup.h"
#include "ops/numeric.h"
#include "ops/parallel.h"

namespace shrike {
namespace {

constexpr int32_t kGrain = 1 << 12;

struct Parameters {
  FunctionParameters function;
  IntegerDomain domain;
  Rounding rounding;
  const int8_t* table;  // 8 bit
};

// One value of a quantised or float constant as a float.
float constant_value(const Tensor& tensor) {
  const float scale = power_of_two(tensor.exponent);
  if (tensor.type == DataType::kInt8)
    return static_cast<float>(*static_cast<const int8_t*>(tensor.data)) * scale;
  if (tensor.type == DataType::kInt16)
    return static_cast<float>(*static_cast<const int16_t*>(tensor.data)) * scale;
  return *static_cast<const float*>(tensor.data);
}

// Bound `index` of Clip: on the input's grid for integers.
Status read_bound(const Prepare& node, int32_t index, float* bound, int32_t* grid_bound) {
  if (index >= node.input_count || !node.inputs[index]->present()) return {};
  const Tensor& tensor = *node.inputs[index];
  const bool known = is_integer_8_or_16(tensor.type) || tensor.type == DataType::kFloat32;
  if (!tensor.constant || !known || tensor.shape.elements() != 1) {
    return node.error(StatusCode::kBadShape, "a bound of Clip is not one constant");
  }
  SHRIKE_RETURN_IF_ERROR(expect_exponents(node, tensor, *node.inputs[0]));
  *bound = constant_value(tensor);
  *grid_bound = quantize_float<int16_t>(*bound * power_of_two(-node.inputs[0]->exponent), node.rounding);
  return {};
}

Status prepare_function(Prepare& node, Function function) {
  const Tensor& input = *node.inputs[0];
  Tensor& output = *node.outputs[0];
  const bool real = input.type == DataType::kFloat32;
  if (!real && !is_integer_8_or_16(input.type)) {
    return node.error(StatusCode::kUnsupportedType, "the input is not INT8, INT16 or FLOAT");
  }
  SHRIKE_RETURN_IF_ERROR(expect_same_type(node, input, output));
  SHRIKE_RETURN_IF_ERROR(expect_exponents(node, input, output));
  Parameters* parameters = new_parameters<Parameters>(node);
  if (parameters == nullptr) return node.arena_status();
  FunctionParameters& f = parameters->function;
  IntegerDomain& domain = parameters->domain;
  f.function = function;
  f.alpha = node.attributes.real("alpha", function == Function::kHardSigmoid ? 0.2f
                                          : function == Function::kElu       ? 1.0f
                                                                             : 0.01f);
  f.beta = node.attributes.real("beta", 0.5f);
  f.lowest = -INFINITY;
  f.highest = INFINITY;
  domain = {power_of_two(input.exponent), power_of_two(input.exponent - output.exponent),
            power_of_two(-output.exponent), INT32_MIN, INT32_MAX};
  parameters->rounding = node.rounding;
  if (function == Function::kClip) {
    SHRIKE_RETURN_IF_ERROR(read_bound(node, 1, &f.lowest, &domain.lowest));
    SHRIKE_RETURN_IF_ERROR(read_bound(node, 2, &f.highest, &domain.highest));
  }
  output.shape = input.shape;
  node.in_place = InPlace::kOverwrite;
  if (input.type != DataType::kInt8) return {};
  SHRIKE_RETURN_IF_ERROR(find_table_8(node, &parameters->table));
  node.table_8 = parameters->table;
  if (parameters->table != nullptr) return {};
  int8_t* table = static_cast<int8_t*>(node.allocate(256));
  if (table == nullptr) return node.arena_status();
  for (int32_t q = -128; q < 128; ++q)
    table[q + 128] = quantize_float<int8_t>(evaluate_integer(f, domain, q), node.rounding);
  node.table_8 = parameters->table = table;
  return {};
}

template <Function function>
Status prepare(Prepare& node) {
  SHRIKE_RETURN_IF_ERROR(expect_operands(node, 1, function == Function::kClip ? 3 : 1));
  return prepare_function(node, function);
}

void run(const Run& node) {
  const Parameters& parameters = *static_cast<const Parameters*>(node.parameters);
  if (parameters.table != nullptr) {
    run_table_8(node, parameters.table);
    return;
  }
  const Tensor& input = *node.inputs[0];
  const Tensor& output = *node.outputs[0];
  parallel_for(node.workers, static_cast<int32_t>(input.shape.elements()), kGrain,
               [&](int32_t begin, int32_t end, int32_t) {
                 for (int32_t i = begin; i < end; ++i) {
                   if (input.type == DataType::kInt16) {
                     const int16_t q = static_cast<const int16_t*>(input.data)[i];
                     const float value = evaluate_integer(parameters.function, parameters.domain, q);
                     static_cast<int16_t*>(output.data)[i] =
                         quantize_float<int16_t>(value, parameters.rounding);
                   } else {
                     const float value = static_cast<const float*>(input.data)[i];
                     static_cast<float*>(output.data)[i] = evaluate(parameters.function, value);
                   }
                 }
               });
}

}  // namespace

extern const Operator op_clip = {"Clip", prepare<Function::kClip>, run};
extern const Operator op_elu = {"Elu", prepare<Function::kElu>, run};
extern const Operator op_exp = {"Exp", prepare<Function::kExp>, run};
extern const Operator op_hard_sigmoid = {"HardSigmoid", prepare<Function::kHardSigmoid>, run};
extern const Operator op_hard_swish = {"HardSwish", prepare<Function::kHardSwish>, run};
extern const Operator op_leaky_relu = {"LeakyRelu", prepare<Function::kLeakyRelu>, run};
extern const Operator op_log = {"Log", prepare<Function::kLog>, run};
extern const Operator op_relu = {"Relu", prepare<Function::kRelu>, run};
extern const Operator op_sigmoid = {"Sigmoid", prepare<Function::kSigmoid>, run};
extern const Operator op_sqrt = {"Sqrt", prepare<Function::kSqrt>, run};
extern const Operator op_swish = {"Swish", prepare<Function::kSwish>, run};
extern const Operator op_tanh = {"Tanh", prepare<Function::kTanh>, run};

}  // namespace shrike
