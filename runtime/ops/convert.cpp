// RequantizeLinear, QuantizeLinear and DequantizeLinear: one routine between any two formats of INT8, INT16
// and FLOAT (rule RQ, spec/numerics.md 6.1). The scale and zero point operands are informative only and never
// read.
#include <string.h>

#include "kernels/kernels.h"
#include "ops/checks.h"
#include "ops/format_change.h"
#include "ops/numeric.h"
#include "ops/parallel.h"

namespace shrike {
namespace {

constexpr int32_t kGrain = 1 << 15;

struct Parameters {
  int32_t shift;  // output exponent - input exponent
  float in_scale, inverse_out_scale;
  Rounding rounding;
};

bool is_supported(DataType type) {
  return is_integer_8_or_16(type) || type == DataType::kFloat32;
}

Status prepare(Prepare& node) {
  SHRIKE_RETURN_IF_ERROR(expect_operands(node, 1, 3));
  const Tensor& input = *node.inputs[0];
  Tensor& output = *node.outputs[0];
  if (!is_supported(input.type) || !is_supported(output.type)) {
    return node.error(StatusCode::kUnsupportedType, "conversion is between INT8, INT16 and FLOAT only");
  }
  SHRIKE_RETURN_IF_ERROR(expect_exponents(node, input, output));
  int64_t dims[kMaxRank] = {};
  for (int32_t i = 0; i < input.shape.rank; ++i) dims[i] = input.shape.dims[i];
  SHRIKE_RETURN_IF_ERROR(set_shape(node, &output, dims, input.shape.rank));
  Parameters* parameters = new_parameters<Parameters>(node);
  if (parameters == nullptr) return node.arena_status();
  parameters->shift = output.exponent - input.exponent;
  parameters->in_scale = power_of_two(input.exponent);
  parameters->inverse_out_scale = power_of_two(-output.exponent);
  parameters->rounding = node.rounding;
  if (size_of(output.type) <= size_of(input.type)) node.in_place = InPlace::kOverwrite;
  return {};
}

template <typename From, typename To>
void convert_integers(const Parameters& parameters, const From* from, To* to, int32_t count) {
  change_format(from, to, count, parameters.shift, parameters.rounding);
}

void convert_integers(const Run& node, const Parameters& parameters, const int8_t* from, int8_t* to,
                      int32_t count) {
  const int32_t shift = parameters.shift < -30 ? -30 : parameters.shift > 30 ? 30 : parameters.shift;
  node.kernels->requantize8(from, to, static_cast<size_t>(count), shift, parameters.rounding);
}

template <typename From>
void dequantize(const Parameters& parameters, const From* from, float* to, int32_t count) {
  for (int32_t i = 0; i < count; ++i) to[i] = static_cast<float>(from[i]) * parameters.in_scale;
}

void quantize(const Run& node, const Parameters& parameters, const float* from, int8_t* to, int32_t count) {
  node.kernels->quantize8(from, to, static_cast<size_t>(count), parameters.inverse_out_scale,
                          parameters.rounding);
}

void quantize(const Run&, const Parameters& parameters, const float* from, int16_t* to, int32_t count) {
  for (int32_t i = 0; i < count; ++i) {
    to[i] = quantize_float<int16_t>(from[i] * parameters.inverse_out_scale, parameters.rounding);
  }
}

void convert(const Run& node, const Parameters& parameters, int32_t begin, int32_t end) {
  const int32_t count = end - begin;
  const DataType from_type = node.inputs[0]->type, to_type = node.outputs[0]->type;
  const int8_t* from8 = static_cast<const int8_t*>(node.inputs[0]->data) + begin;
  const int16_t* from16 = static_cast<const int16_t*>(node.inputs[0]->data) + begin;
  const float* from_float = static_cast<const float*>(node.inputs[0]->data) + begin;
  int8_t* to8 = static_cast<int8_t*>(node.outputs[0]->data) + begin;
  int16_t* to16 = static_cast<int16_t*>(node.outputs[0]->data) + begin;
  float* to_float = static_cast<float*>(node.outputs[0]->data) + begin;
  if (from_type == DataType::kInt8) {
    if (to_type == DataType::kInt8) convert_integers(node, parameters, from8, to8, count);
    if (to_type == DataType::kInt16) convert_integers(parameters, from8, to16, count);
    if (to_type == DataType::kFloat32) dequantize(parameters, from8, to_float, count);
  } else if (from_type == DataType::kInt16) {
    if (to_type == DataType::kInt8) convert_integers(parameters, from16, to8, count);
    if (to_type == DataType::kInt16) convert_integers(parameters, from16, to16, count);
    if (to_type == DataType::kFloat32) dequantize(parameters, from16, to_float, count);
  } else {
    if (to_type == DataType::kInt8) quantize(node, parameters, from_float, to8, count);
    if (to_type == DataType::kInt16) quantize(node, parameters, from_float, to16, count);
    if (to_type == DataType::kFloat32)
      memmove(to_float, from_float, static_cast<size_t>(count) * sizeof(float));
  }
}

void run(const Run& node) {
  const Parameters& parameters = *static_cast<const Parameters*>(node.parameters);
  const int32_t count = static_cast<int32_t>(node.inputs[0]->shape.elements());
  // A narrowing conversion in place must run from front to back.
  const bool same_width = size_of(node.inputs[0]->type) == size_of(node.outputs[0]->type);
  parallel_for(node.workers, count, same_width ? kGrain : INT32_MAX,
               [&](int32_t begin, int32_t end, int32_t) { convert(node, parameters, begin, end); });
}

}  // namespace

extern const Operator op_requantize_linear = {"RequantizeLinear", prepare, run};
extern const Operator op_quantize_linear = {"QuantizeLinear", prepare, run};
extern const Operator op_dequantize_linear = {"DequantizeLinear", prepare, run};

}  // namespace shrike
