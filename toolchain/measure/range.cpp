#include "toolchain/measure/range.h"

#include <algorithm>

#include "toolchain/measure/lanes.h"

namespace shrike::quantize {

std::pair<float, float> range_of(const float* values, int64_t count) {
  Floats4 low = four(values[0]), high = low, poison = {};
  const auto take = [&](Floats4 x) {
    low = x < low ? x : low;
    high = x > high ? x : high;
    poison += x * 0.0f;
  };
  int64_t i = 0;
  for (; i + 4 <= count; i += 4) take(loaded(values + i));
  for (; i < count; ++i) take(four(values[i]));
  float lowest = low[0], highest = high[0], poisoned = poison[0];
  for (int lane = 1; lane < 4; ++lane) {
    lowest = std::min(lowest, low[lane]);
    highest = std::max(highest, high[lane]);
    poisoned += poison[lane];
  }
  return {lowest + poisoned, highest + poisoned};
}

}  // namespace shrike::quantize
