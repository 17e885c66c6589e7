// Range of a tensor.
#pragma once
#include <cstdint>
#include <utility>

namespace shrike::quantize {

// Smallest and largest of `count` (at least one) values; NaN or an infinity anywhere gives NaN.
std::pair<float, float> range_of(const float* values, int64_t count);

}  // namespace shrike::quantize
