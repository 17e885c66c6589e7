// Rounding of float data to a Format (spec/numerics.md section 1.4): value = integer * 2^exponent, saturated.
#pragma once
#include <cstdint>

#include "toolchain/graph/graph.h"

namespace shrike::engine {

inline constexpr int kFloatBits = 24;  // integers of up to 24 bits are exact in float32

// How real values become integers on the target.
struct Rounding {
  bool half_even = true;  // esp32p4; false: half up, floor(x + 0.5)
};

// Rounds `count` values in place to integers of `bits` bits (at most 16) times 2^exponent. NaN becomes the
// highest value.
void round_to_grid(float* values, int64_t count, int bits, int exponent, Rounding rounding);
// Same from values that a float can't hold exactly (wide sums); the rounded result always fits a float.
void round_to_grid(const double* values, float* rounded, int64_t count, int bits, int exponent,
                   Rounding rounding);

// One value, any number of bits up to 32 (biases).
double round_to_grid(double value, int bits, int exponent, Rounding rounding);

}  // namespace shrike::engine
