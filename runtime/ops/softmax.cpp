// Softmax and LogSoftmax along one axis, 8/16-bit integers in, float32 out (rules SM8 and SM16,
// spec/numerics.md section 10). At 8 bits the exponentials come from a table of 256 floats and the maximum is
// not subtracted.
#include <math.h>

#include "ops/checks.h"
#include "ops/constants.h"
#include "ops/float_math.h"
#include "ops/numeric.h"
#include "ops/parallel.h"

namespace shrike {
namespace {

struct Parameters {
  int32_t outer, size, inner;
  float scale;
  const float* exponentials;  // of q * scale at q + 128; 8 bit only
};

Status prepare(Prepare& node) {
  SHRIKE_RETURN_IF_ERROR(expect_operands(node, 1, 1));
  const Tensor& input = *node.inputs[0];
  Tensor& output = *node.outputs[0];
  if (!is_integer_8_or_16(input.type)) {
    return node.error(StatusCode::kUnsupportedType, "the input is not INT8 or INT16");
  }
  if (output.type != DataType::kFloat32)
    return node.error(StatusCode::kUnsupportedType, "the output is not FLOAT");
  SHRIKE_RETURN_IF_ERROR(expect_exponents(node, input, output));
  const Shape& shape = input.shape;
  const int32_t axis = axis_position(node.attributes.integer("axis", -1), shape.rank);
  if (axis < 0) return node.error(StatusCode::kBadAttribute, "axis is out of range");
  int64_t dims[kMaxRank] = {};
  for (int32_t i = 0; i < shape.rank; ++i) dims[i] = shape.dims[i];
  SHRIKE_RETURN_IF_ERROR(set_shape(node, &output, dims, shape.rank));

  Parameters* parameters = new_parameters<Parameters>(node);
  if (parameters == nullptr) return node.arena_status();
  parameters->outer = static_cast<int32_t>(product(shape, 0, axis));
  parameters->size = shape.dims[axis];
  parameters->inner = static_cast<int32_t>(product(shape, axis + 1, shape.rank));
  parameters->scale = power_of_two(input.exponent);
  if (input.type == DataType::kInt8) {
    float* table = static_cast<float*>(node.allocate(256 * sizeof(float), alignof(float)));
    if (table == nullptr) return node.arena_status();
    for (int32_t q = -128; q < 128; ++q) table[q + 128] = exp_f32(static_cast<float>(q) * parameters->scale);
    parameters->exponentials = table;
  }
  return {};
}

// The `size` logits of one group, `stride` elements apart.
void softmax(const Parameters& parameters, const int8_t* input, float* output, ptrdiff_t stride) {
  const float* exponentials = parameters.exponentials + 128;
  float sum = 0;
  for (int32_t i = 0; i < parameters.size; ++i) sum += exponentials[input[i * stride]];
  for (int32_t i = 0; i < parameters.size; ++i) output[i * stride] = exponentials[input[i * stride]] / sum;
}

void log_softmax(const Parameters& parameters, const int8_t* input, float* output, ptrdiff_t stride) {
  const float* exponentials = parameters.exponentials + 128;
  float sum = 0;
  for (int32_t i = 0; i < parameters.size; ++i) sum += exponentials[input[i * stride]];
  const float log_sum = log_f32(sum);
  for (int32_t i = 0; i < parameters.size; ++i) {
    output[i * stride] = static_cast<float>(input[i * stride]) * parameters.scale - log_sum;
  }
}

// Leaves x - max in `output`.
void subtract_maximum(const Parameters& parameters, const int16_t* input, float* output, ptrdiff_t stride) {
  int16_t largest = input[0];
  for (int32_t i = 1; i < parameters.size; ++i)
    largest = input[i * stride] > largest ? input[i * stride] : largest;
  const float top = static_cast<float>(largest) * parameters.scale;
  for (int32_t i = 0; i < parameters.size; ++i) {
    output[i * stride] = static_cast<float>(input[i * stride]) * parameters.scale - top;
  }
}

void softmax(const Parameters& parameters, const int16_t* input, float* output, ptrdiff_t stride) {
  subtract_maximum(parameters, input, output, stride);
  float sum = 0;
  for (int32_t i = 0; i < parameters.size; ++i) {
    output[i * stride] = exp_f32(output[i * stride]);
    sum += output[i * stride];
  }
  for (int32_t i = 0; i < parameters.size; ++i) output[i * stride] /= sum;
}

void log_softmax(const Parameters& parameters, const int16_t* input, float* output, ptrdiff_t stride) {
  subtract_maximum(parameters, input, output, stride);
  float sum = 0;
  for (int32_t i = 0; i < parameters.size; ++i) sum += exp_f32(output[i * stride]);
  const float log_sum = log_f32(sum);
  for (int32_t i = 0; i < parameters.size; ++i) output[i * stride] -= log_sum;
}

// Groups whose logits lie side by side, kRows of them behind one another. A sum adds its terms one after the
// other, as the chip does; several sums at a time don't wait for one another's additions.
constexpr int32_t kRows = 4;

void softmax_rows(const Parameters& parameters, const int8_t* input, float* output) {
  const float* exponentials = parameters.exponentials + 128;
  const ptrdiff_t size = parameters.size;
  float sums[kRows] = {};
  for (ptrdiff_t i = 0; i < size; ++i) {
    for (ptrdiff_t row = 0; row < kRows; ++row) {
      const float value = exponentials[input[row * size + i]];
      output[row * size + i] = value;
      sums[row] += value;
    }
  }
  for (ptrdiff_t row = 0; row < kRows; ++row) {
    const float sum = sums[row];
    for (ptrdiff_t i = 0; i < size; ++i) output[row * size + i] /= sum;
  }
}

template <typename T, bool logarithmic>
void run_groups(const Run& node) {
  const Parameters& parameters = *static_cast<const Parameters*>(node.parameters);
  const T* input = static_cast<const T*>(node.inputs[0]->data);
  float* output = static_cast<float*>(node.outputs[0]->data);
  const int32_t inner = parameters.inner;
  const int32_t grain = 4096 / parameters.size + 1;
  parallel_for(node.workers, parameters.outer * inner, grain, [&](int32_t begin, int32_t end, int32_t) {
    int32_t group = begin;
    if constexpr (!logarithmic && sizeof(T) == 1) {
      const bool together = kCodeIsCheap && inner == 1;
      for (; together && group + kRows <= end; group += kRows) {
        const ptrdiff_t first = static_cast<ptrdiff_t>(group) * parameters.size;
        softmax_rows(parameters, input + first, output + first);
      }
    }
    for (; group < end; ++group) {
      const ptrdiff_t first = static_cast<ptrdiff_t>(group / inner) * parameters.size * inner + group % inner;
      if constexpr (logarithmic) {
        log_softmax(parameters, input + first, output + first, inner);
      } else {
        softmax(parameters, input + first, output + first, inner);
      }
    }
  });
}

template <bool logarithmic>
void run(const Run& node) {
  node.inputs[0]->type == DataType::kInt8 ? run_groups<int8_t, logarithmic>(node)
                                          : run_groups<int16_t, logarithmic>(node);
}

}  // namespace

extern const Operator op_softmax = {"Softmax", prepare, run<false>};
extern const Operator op_log_softmax = {"LogSoftmax", prepare, run<true>};

}  // namespace shrike
