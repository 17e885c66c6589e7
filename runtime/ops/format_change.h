// Rule RQ of spec/numerics.md section 6.1 between 8- and 16-bit tensors, for operators that only pass values
// on.
#pragma once
#include "ops/op.h"

namespace shrike {

// sat(RS(value, shift)) between 8 and 16 bits and from 16 to 16 (8 to 8: KernelSet::requantize8). `to` may be
// `from` unless To is the wider type.
template <typename From, typename To>
void change_format(const From* from, To* to, int64_t count, int32_t shift, Rounding rounding);

struct FormatChange {
  int32_t shift = 0;  // output exponent - input exponent
  Rounding rounding = Rounding::kHalfEven;
};

// Checks that `input` can be passed on to `output`: the same type and exponent (any type), or 8/16-bit
// integers.
Status prepare_format_change(const Prepare& node, const Tensor& input, const Tensor& output,
                             FormatChange* change);
void run_format_change(const FormatChange& change, const Tensor& input, Tensor& output, const Run& run);

}  // namespace shrike
