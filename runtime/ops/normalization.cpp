// LayerNormalization, RMSNormalization (over the axes from `axis` on) and LpNormalization (over one axis),
// float per element on exact integer sums (spec/numerics.md 13.3, 13.4).
#include <math.h>

#include "ops/checks.h"
#include "ops/constants.h"
#include "ops/numeric.h"
#include "ops/parallel.h"

namespace shrike {
namespace {

struct Parameters {
  int32_t groups, count;    // normalised groups, elements in each
  int32_t inner;            // LpNormalization: distance between the elements of a group
  int32_t norm;             // LpNormalization: 1 or 2
  float scale;              // 2^input exponent
  float inverse_out_scale;  // 2^-output exponent
  float epsilon;
  const float* gamma;  // [count]
  const float* beta;   // [count] or null
  Rounding rounding;
};

// A constant per normalised element, as floats that live as long as the model.
Status dequantized(Prepare& node, const Tensor& tensor, int32_t count, const float** values) {
  if (!tensor.constant) return node.error(StatusCode::kBadAttribute, "scale or bias is not a constant");
  if (tensor.shape.elements() != count) {
    return node.error(StatusCode::kBadShape, "scale or bias has not one entry per normalised element");
  }
  if (tensor.type == DataType::kFloat32) {
    *values = static_cast<const float*>(tensor.data);
    return {};
  }
  if (!is_integer_8_or_16(tensor.type)) {
    return node.error(StatusCode::kUnsupportedType, "scale or bias is not FLOAT, INT8 or INT16");
  }
  SHRIKE_RETURN_IF_ERROR(expect_exponents(node, tensor, tensor));
  float* copy =
      static_cast<float*>(node.allocate(static_cast<size_t>(count) * sizeof(float), alignof(float)));
  if (copy == nullptr) return node.arena_status();
  for (int32_t i = 0; i < count; ++i) {
    const int32_t q = tensor.type == DataType::kInt8 ? static_cast<const int8_t*>(tensor.data)[i]
                                                     : static_cast<const int16_t*>(tensor.data)[i];
    copy[i] = ldexpf(static_cast<float>(q), tensor.exponent);
  }
  *values = copy;
  return {};
}

Status prepare_common(Prepare& node, int32_t min_inputs, int32_t max_inputs, int32_t* axis,
                      Parameters** parameters) {
  SHRIKE_RETURN_IF_ERROR(expect_operands(node, min_inputs, max_inputs));
  SHRIKE_RETURN_IF_ERROR(expect_integer_operator(node));
  const Tensor& input = *node.inputs[0];
  *axis = axis_position(node.attributes.integer("axis", -1), input.shape.rank);
  if (*axis < 0) return node.error(StatusCode::kBadAttribute, "axis is out of range");
  node.outputs[0]->shape = input.shape;
  *parameters = new_parameters<Parameters>(node);
  if (*parameters == nullptr) return node.arena_status();
  (*parameters)->rounding = node.rounding;
  (*parameters)->scale = power_of_two(input.exponent);
  (*parameters)->inverse_out_scale = power_of_two(-node.outputs[0]->exponent);
  node.in_place = InPlace::kOverwrite;  // a group is read completely before it is written
  return {};
}

Status prepare_scaled(Prepare& node, int32_t max_inputs) {
  int32_t axis = 0;
  Parameters* parameters = nullptr;
  SHRIKE_RETURN_IF_ERROR(prepare_common(node, 2, max_inputs, &axis, &parameters));
  const Shape& shape = node.inputs[0]->shape;
  parameters->groups = static_cast<int32_t>(product(shape, 0, axis));
  parameters->count = static_cast<int32_t>(product(shape, axis, shape.rank));
  parameters->epsilon = node.attributes.real("epsilon", 1e-5f);
  SHRIKE_RETURN_IF_ERROR(dequantized(node, *node.inputs[1], parameters->count, &parameters->gamma));
  if (const Tensor* beta = optional_input(node, 2)) {
    SHRIKE_RETURN_IF_ERROR(dequantized(node, *beta, parameters->count, &parameters->beta));
  }
  return {};
}

Status prepare_layer(Prepare& node) {
  return prepare_scaled(node, 3);
}
Status prepare_rms(Prepare& node) {
  return prepare_scaled(node, 2);
}

Status prepare_lp(Prepare& node) {
  int32_t axis = 0;
  Parameters* parameters = nullptr;
  SHRIKE_RETURN_IF_ERROR(prepare_common(node, 1, 1, &axis, &parameters));
  const Shape& shape = node.inputs[0]->shape;
  const int64_t norm = node.attributes.integer("p", 2);
  if (norm != 1 && norm != 2) return node.error(StatusCode::kBadAttribute, "p is not 1 or 2");
  parameters->norm = static_cast<int32_t>(norm);
  parameters->count = shape.dims[axis];
  parameters->inner = static_cast<int32_t>(product(shape, axis + 1, shape.rank));
  parameters->groups = static_cast<int32_t>(product(shape, 0, axis)) * parameters->inner;
  return {};
}

template <typename T>
void layer(const Parameters& p, const T* input, T* output) {
  int64_t sum = 0;
  for (int32_t i = 0; i < p.count; ++i) sum += input[i];
  const float mean = static_cast<float>(static_cast<double>(sum) / p.count);
  float squares = 0;
  for (int32_t i = 0; i < p.count; ++i) {
    const float difference = static_cast<float>(input[i]) - mean;
    squares += difference * difference;
  }
  const float variance = squares * (p.scale * p.scale) / static_cast<float>(p.count);
  const float inverse = 1.0f / sqrtf(variance + p.epsilon);
  const float shifted_mean = mean * p.scale;
  for (int32_t i = 0; i < p.count; ++i) {
    const float centred = static_cast<float>(input[i]) * p.scale - shifted_mean;
    const float value = centred * inverse * p.gamma[i] + (p.beta != nullptr ? p.beta[i] : 0.0f);
    output[i] = quantize_float<T>(value * p.inverse_out_scale, p.rounding);
  }
}

template <typename T>
void rms(const Parameters& p, const T* input, T* output) {
  int64_t squares = 0;
  for (int32_t i = 0; i < p.count; ++i) squares += static_cast<int32_t>(input[i]) * input[i];
  const float mean = static_cast<float>(squares) * (p.scale * p.scale) / static_cast<float>(p.count);
  const float factor = p.scale * p.inverse_out_scale / sqrtf(mean + p.epsilon);
  for (int32_t i = 0; i < p.count; ++i) {
    output[i] = quantize_float<T>(static_cast<float>(input[i]) * factor * p.gamma[i], p.rounding);
  }
}

template <typename T>
void lp(const Parameters& p, const T* input, T* output) {
  int64_t total = 0;
  for (int32_t i = 0; i < p.count; ++i) {
    const int32_t q = input[static_cast<ptrdiff_t>(i) * p.inner];
    total += p.norm == 2 ? q * q : (q < 0 ? -q : q);
  }
  const float length = p.norm == 2 ? sqrtf(static_cast<float>(total)) : static_cast<float>(total);
  const float factor = total == 0 ? 0.0f : 1.0f / length;
  for (int32_t i = 0; i < p.count; ++i) {
    const float value = static_cast<float>(input[static_cast<ptrdiff_t>(i) * p.inner]) * factor;
    output[static_cast<ptrdiff_t>(i) * p.inner] = quantize_float<T>(value * p.inverse_out_scale, p.rounding);
  }
}

template <typename T, void (*normalize)(const Parameters&, const T*, T*)>
void run_rows(const Run& node) {
  const Parameters& p = *static_cast<const Parameters*>(node.parameters);
  const T* input = static_cast<const T*>(node.inputs[0]->data);
  T* output = static_cast<T*>(node.outputs[0]->data);
  parallel_for(node.workers, p.groups, 4096 / p.count + 1, [&](int32_t begin, int32_t end, int32_t) {
    for (int32_t group = begin; group < end; ++group) {
      ptrdiff_t first = static_cast<ptrdiff_t>(group) * p.count;
      if (p.inner > 1) first = static_cast<ptrdiff_t>(group / p.inner) * p.count * p.inner + group % p.inner;
      normalize(p, input + first, output + first);
    }
  });
}

void run_layer(const Run& node) {
  node.inputs[0]->type == DataType::kInt8 ? run_rows<int8_t, layer<int8_t>>(node)
                                          : run_rows<int16_t, layer<int16_t>>(node);
}

void run_rms(const Run& node) {
  node.inputs[0]->type == DataType::kInt8 ? run_rows<int8_t, rms<int8_t>>(node)
                                          : run_rows<int16_t, rms<int16_t>>(node);
}

void run_lp(const Run& node) {
  node.inputs[0]->type == DataType::kInt8 ? run_rows<int8_t, lp<int8_t>>(node)
                                          : run_rows<int16_t, lp<int16_t>>(node);
}

}  // namespace

extern const Operator op_layer_normalization = {"LayerNormalization", prepare_layer, run_layer};
extern const Operator op_rms_normalization = {"RMSNormalization", prepare_rms, run_rms};
extern const Operator op_lp_normalization = {"LpNormalization", prepare_lp, run_lp};

}  // namespace shrike
