#include "toolchain/measure/range.h"

#include <algorithm>

namespace shrike::quantize {

std::pair<float, float> range_of(const float* values, int64_t count) {
  constexpr int64_t kLanes = 8;
  float low[kLanes], high[kLanes], poison = 0;
  for (int64_t lane = 0; lane < kLanes; ++lane) low[lane] = high[lane] = values[0];
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    for (int64_t lane = 0; lane < kLanes; ++lane) {
      const float x = values[i + lane];
      low[lane] = x < low[lane] ? x : low[lane];
      high[lane] = x > high[lane] ? x : high[lane];
      poison += x * 0.0f;
    }
  }
  for (; i < count; ++i) {
    low[0] = std::min(low[0], values[i]);
    high[0] = std::max(high[0], values[i]);
    poison += values[i] * 0.0f;
  }
  return {*std::min_element(low, low + kLanes) + poison, *std::max_element(high, high + kLanes) + poison};
}

}  // namespace shrike::quantize
