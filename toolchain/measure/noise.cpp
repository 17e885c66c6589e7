#include "toolchain/measure/noise.h"

namespace shrike::quantize {

Power compare(const float* reference, const float* quantized, int64_t count) {
  Power power;
  power.noise = sum_of(count, [&](int64_t i) {
    const float difference = quantized[i] - reference[i];
    return difference * difference;
  });
  power.signal = sum_of(count, [&](int64_t i) { return reference[i] * reference[i]; });
  return power;
}

Power compare_above(float floor, const engine::Array& reference, const engine::Array& quantized) {
  Power power;
  for (size_t i = 0; i < reference.values.size(); ++i) {
    const double wanted = std::max(reference.values[i], floor), got = std::max(quantized.values[i], floor);
    power.noise += (got - wanted) * (got - wanted);
    power.signal += (wanted - floor) * (wanted - floor);
  }
  return power;
}

}  // namespace shrike::quantize
