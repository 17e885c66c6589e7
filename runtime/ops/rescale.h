// Rule RQ of spec/numerics.md section 6.1 between 8- and 16-bit tensors, for operators that only pass values
// on.
#pragma once
#include <string.h>

#include "ops/numeric.h"
#include "ops/op.h"

namespace shrike {

// sat(RS(value, shift)) of 8- and 16-bit integers. `to` may be `from` unless To is the wider type. Goes
// through a small buffer so that the compiler need not fear that they overlap.
template <Rounding kRounding, typename From, typename To>
void rescale_values(const From* from, To* to, int64_t count, int32_t shift) {
  // Beyond these shifts every value gives 0, or 0 and the limits.
  const int32_t right = shift < 0 ? 0 : shift > 17 ? 17 : shift;
  const int32_t left = shift >= 0 ? 0 : shift < -15 ? 15 : -shift;
  constexpr int64_t kChunk = 256;
  To chunk[kChunk];
  while (count > 0) {
    const int64_t size = count < kChunk ? count : kChunk;
    for (int64_t i = 0; i < size; ++i) {
      chunk[i] = saturate<To>(rounding_shift<kRounding, int32_t>(from[i], right) << left);
    }
    memcpy(to, chunk, static_cast<size_t>(size) * sizeof(To));
    from += size;
    to += size;
    count -= size;
  }
}

template <typename From, typename To>
void rescale_values(const From* from, To* to, int64_t count, int32_t shift, Rounding rounding) {
  if (rounding == Rounding::kHalfEven) {
    rescale_values<Rounding::kHalfEven>(from, to, count, shift);
  } else {
    rescale_values<Rounding::kHalfUp>(from, to, count, shift);
  }
}

struct Rescale {
  int32_t shift = 0;  // output exponent - input exponent
  Rounding rounding = Rounding::kHalfEven;
};

// Checks that `input` can be passed on to `output`: the same type and exponent (any type), or 8/16-bit
// integers.
Status prepare_rescale(const Prepare& node, const Tensor& input, const Tensor& output, Rescale* rescale);
void run_rescale(const Rescale& rescale, const Tensor& input, Tensor& output, const Run& run);

}  // namespace shrike
