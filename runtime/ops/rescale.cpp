#include "ops/rescale.h"

#include <string.h>

#include "kernels/kernels.h"
#include "ops/checks.h"

namespace shrike {
namespace {

template <typename From, typename To>
void convert(const Rescale& rescale, const void* input, void* output, int64_t count) {
  rescale_values(static_cast<const From*>(input), static_cast<To*>(output), count, rescale.shift,
                 rescale.rounding);
}

}  // namespace

Status prepare_rescale(const Prepare& node, const Tensor& input, const Tensor& output, Rescale* rescale) {
  rescale->rounding = node.rounding;
  if (input.type == output.type && input.exponent == output.exponent) {
    return expect_same_type(node, input, output);
  }
  if (!is_integer_8_or_16(input.type) || !is_integer_8_or_16(output.type)) {
    return node.error(StatusCode::kUnsupportedType, "formats differ and are not INT8 or INT16 on both sides");
  }
  SHRIKE_RETURN_IF_ERROR(expect_exponents(node, input, output));
  rescale->shift = output.exponent - input.exponent;
  return {};
}

void run_rescale(const Rescale& rescale, const Tensor& input, Tensor& output, const Run& run) {
  const int64_t count = input.shape.elements();
  const bool narrow_in = input.type == DataType::kInt8;
  const bool narrow_out = output.type == DataType::kInt8;
  if (input.type == output.type && rescale.shift == 0) {
    if (input.data != output.data) memcpy(output.data, input.data, byte_count(input));
  } else if (narrow_in && narrow_out && rescale.shift >= -30 && rescale.shift <= 30) {
    run.kernels->requantize8(static_cast<const int8_t*>(input.data), static_cast<int8_t*>(output.data),
                             static_cast<size_t>(count), rescale.shift, rescale.rounding);
  } else if (narrow_in) {
    narrow_out ? convert<int8_t, int8_t>(rescale, input.data, output.data, count)
               : convert<int8_t, int16_t>(rescale, input.data, output.data, count);
  } else {
    narrow_out ? convert<int16_t, int8_t>(rescale, input.data, output.data, count)
               : convert<int16_t, int16_t>(rescale, input.data, output.data, count);
  }
}

}  // namespace shrike
