// PRelu (spec/numerics.md 13.1). One slope at 8 bit is a table; several are one per element of the last axis.
// At 8 bit both signs are rounded once to the output's grid, on esp32 too: the golden vectors say so,
// although the chip's portable code is read to floor there. At 16 bit the chips keep q >= 0 as it is and
// floor the rest.
#include "ops/checks.h"
#include "ops/lookup.h"
#include "ops/numeric.h"

namespace shrike {
namespace {

struct Parameters {
  const int8_t* table;  // one slope, 8 bit
  int32_t channels;
  int32_t slope_step;      // 1, or 0 for one slope
  int32_t positive_shift;  // e_out - e_in
  int32_t negative_shift;  // e_out - e_in - e_slope
  Rounding rounding;
};

Status prepare(Prepare& node) {
  SHRIKE_RETURN_IF_ERROR(expect_operands(node, 2, 2));
  const Tensor& input = *node.inputs[0];
  const Tensor& slope = *node.inputs[1];
  Tensor& output = *node.outputs[0];
  if (input.type != DataType::kFloat32) SHRIKE_RETURN_IF_ERROR(expect_integer_operator(node));
  SHRIKE_RETURN_IF_ERROR(expect_same_type(node, input, output));
  SHRIKE_RETURN_IF_ERROR(expect_same_type(node, input, slope));
  SHRIKE_RETURN_IF_ERROR(expect_exponents(node, slope, slope));
  if (!slope.constant) return node.error(StatusCode::kBadShape, "the slope is not a constant");
  const int32_t channels = input.shape.rank == 0 ? 1 : input.shape.dims[input.shape.rank - 1];
  const int64_t slopes = slope.shape.elements();
  if (slopes != 1 && slopes != channels) {
    return node.error(StatusCode::kBadShape, "slopes are neither one nor as many as the last axis is long");
  }
  Parameters* parameters = new_parameters<Parameters>(node);
  if (parameters == nullptr) return node.arena_status();
  parameters->channels = channels;
  parameters->slope_step = slopes == 1 ? 0 : 1;
  parameters->positive_shift = output.exponent - input.exponent;
  parameters->negative_shift = parameters->positive_shift - slope.exponent;
  parameters->rounding = node.rounding;
  output.shape = input.shape;
  node.in_place = InPlace::kOverwrite;
  if (input.type == DataType::kInt8 && slopes == 1) {
    SHRIKE_RETURN_IF_ERROR(find_table_8(node, &parameters->table));
    if (parameters->table != nullptr) return {};
  }
  if (input.type != DataType::kFloat32 && parameters->negative_shift < 0 && !node.chip->left_shifts) {
    return node.error(StatusCode::kBadExponent, "the output exponent is below input plus slope exponent");
  }
  return {};
}

// function(value, slope) over all elements.
template <typename T, typename Function>
void apply(const Parameters& parameters, const Run& node, const Function& function) {
  const T* input = static_cast<const T*>(node.inputs[0]->data);
  const T* slopes = static_cast<const T*>(node.inputs[1]->data);
  T* output = static_cast<T*>(node.outputs[0]->data);
  const int64_t count = node.inputs[0]->shape.elements();
  for (int64_t i = 0; i < count; i += parameters.channels) {
    for (int32_t c = 0; c < parameters.channels; ++c) {
      output[i + c] = function(input[i + c], slopes[c * parameters.slope_step]);
    }
  }
}

void run(const Run& node) {
  const Parameters& parameters = *static_cast<const Parameters*>(node.parameters);
  const Rounding rounding = parameters.rounding;
  const int32_t positive_shift = parameters.positive_shift, negative_shift = parameters.negative_shift;
  if (parameters.table != nullptr) {
    run_table_8(node, parameters.table);
  } else if (node.inputs[0]->type == DataType::kInt8) {
    apply<int8_t>(parameters, node, [=](int32_t q, int32_t slope) {
      const int32_t value = q >= 0 ? q : q * slope;
      return saturate<int8_t>(rounding_shift_any(value, q >= 0 ? positive_shift : negative_shift, rounding));
    });
  } else if (node.inputs[0]->type == DataType::kInt16) {
    apply<int16_t>(parameters, node, [=](int32_t q, int32_t slope) -> int16_t {
      if (q >= 0) return static_cast<int16_t>(q);
      const int64_t product = int64_t{q} * slope;
      if (negative_shift <= 0)
        return saturate<int16_t>(rounding_shift_any(product, negative_shift, rounding));
      return saturate<int16_t>(product >> (negative_shift > 62 ? 62 : negative_shift));
    });
  } else {
    apply<float>(parameters, node,
                 [](float value, float slope) { return value >= 0.0f ? value : value * slope; });
  }
}

}  // namespace

extern const Operator op_prelu = {"PRelu", prepare, run};

}  // namespace shrike
