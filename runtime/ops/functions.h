// The scalar functions behind the activation operators, evaluated as the chip does (spec/numerics.md 9.3).
#pragma once
#include "ops/op.h"

namespace shrike {

enum class Function : uint8_t {
  kClip,
  kElu,
  kExp,
  kHardSigmoid,
  kHardSwish,
  kLeakyRelu,
  kLog,
  kRelu,
  kSigmoid,
  kSqrt,
  kSwish,
  kTanh,
};

struct FunctionParameters {
  Function function;
  float alpha, beta;
  float lowest, highest;  // Clip
};

// Value on floats. LeakyRelu and Relu on integers rescale instead: see evaluate_integer.
float evaluate(const FunctionParameters& parameters, float x);

// f(q * 2^e_in) * 2^-e_out, not yet rounded.
struct IntegerDomain {
  float in_scale;           // 2^e_in
  float rescale;            // 2^(e_in - e_out)
  float inverse_out_scale;  // 2^-e_out
  int32_t lowest, highest;  // Clip, on the input's grid
};
float evaluate_integer(const FunctionParameters& parameters, const IntegerDomain& domain, int32_t q);

}  // namespace shrike
