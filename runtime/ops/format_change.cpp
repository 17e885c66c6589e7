#include "ops/format_change.h"

#include <string.h>

#include "kernels/kernels.h"
#include "ops/checks.h"
#include "ops/numeric.h"

namespace shrike {
namespace {

template <typename From, typename To>
void convert(const FormatChange& change, const void* input, void* output, int64_t count) {
  change_format(static_cast<const From*>(input), static_cast<To*>(output), count, change.shift,
                change.rounding);
}

}  // namespace

// Rule RS with both roundings as data (kernels/x86/requantize_lanes.h): one loop for each pair of types,
// which counts on a board. It goes through a small buffer so that the compiler need not fear that `from` and
// `to` overlap.
template <typename From, typename To>
void change_format(const From* from, To* to, int64_t count, int32_t shift, Rounding rounding) {
  // Beyond these shifts every value gives 0, or 0 and the limits.
  const int32_t right = shift < 0 ? 0 : shift > 17 ? 17 : shift;
  const int32_t left = shift >= 0 ? 0 : shift < -15 ? 15 : -shift;
  const int32_t odd = right > 0 && rounding == Rounding::kHalfEven ? 1 : 0;
  const int32_t addend = (right > 0 ? 1 << (right - 1) : 0) - odd;
  constexpr int64_t kChunk = 256;
  To chunk[kChunk];
  while (count > 0) {
    const int64_t size = count < kChunk ? count : kChunk;
    for (int64_t i = 0; i < size; ++i) {
      const int32_t value = from[i];
      chunk[i] = saturate<To>(((value + addend + ((value >> right) & odd)) >> right) << left);
    }
    memcpy(to, chunk, static_cast<size_t>(size) * sizeof(To));
    from += size;
    to += size;
    count -= size;
  }
}

template void change_format(const int8_t*, int16_t*, int64_t, int32_t, Rounding);
template void change_format(const int16_t*, int8_t*, int64_t, int32_t, Rounding);
template void change_format(const int16_t*, int16_t*, int64_t, int32_t, Rounding);

Status prepare_format_change(const Prepare& node, const Tensor& input, const Tensor& output,
                             FormatChange* change) {
  change->rounding = node.rounding;
  if (input.type == output.type && input.exponent == output.exponent) {
    return expect_same_type(node, input, output);
  }
  if (!is_integer_8_or_16(input.type) || !is_integer_8_or_16(output.type)) {
    return node.error(StatusCode::kUnsupportedType, "formats differ and are not INT8 or INT16 on both sides");
  }
  SHRIKE_RETURN_IF_ERROR(expect_exponents(node, input, output));
  change->shift = output.exponent - input.exponent;
  return {};
}

void run_format_change(const FormatChange& change, const Tensor& input, Tensor& output, const Run& run) {
  const int64_t count = input.shape.elements();
  const bool narrow_in = input.type == DataType::kInt8;
  const bool narrow_out = output.type == DataType::kInt8;
  if (input.type == output.type && change.shift == 0) {
    if (input.data != output.data) memcpy(output.data, input.data, byte_count(input));
  } else if (narrow_in && narrow_out) {
    const int32_t shift = change.shift < -30 ? -30 : change.shift > 30 ? 30 : change.shift;
    run.kernels->requantize8(static_cast<const int8_t*>(input.data), static_cast<int8_t*>(output.data),
                             static_cast<size_t>(count), shift, change.rounding);
  } else if (narrow_in) {
    convert<int8_t, int16_t>(change, input.data, output.data, count);
  } else {
    narrow_out ? convert<int16_t, int8_t>(change, input.data, output.data, count)
               : convert<int16_t, int16_t>(change, input.data, output.data, count);
  }
}

}  // namespace shrike
