#include "toolchain/measure/histogram.h"

#include <algorithm>
#include <cmath>

namespace shrike::quantize {

double Histogram::width() const {
  return std::ldexp(1.0, width_exponent);
}

void Histogram::cover(float largest) {
  while (largest >= width() * kBins) {
    for (int i = 0; i < kBins / 2; ++i) counts[i] = counts[2 * i] + counts[2 * i + 1];
    std::fill(counts.begin() + kBins / 2, counts.end(), 0);
    ++width_exponent;
  }
}

void Histogram::add(std::span<const float> values) {
  const float inverse = std::ldexp(1.0f, -width_exponent);
  for (const float value : values) ++counts[static_cast<size_t>(std::fabs(value) * inverse)];
}

void Histogram::merge(const Histogram& other) {
  Histogram addend = other;
  const auto last_value = [](const Histogram& h) {
    return static_cast<float>(std::ldexp(kBins, h.width_exponent) * 0.999);
  };
  cover(last_value(addend));
  addend.cover(last_value(*this));
  for (int i = 0; i < kBins; ++i) counts[i] += addend.counts[i];
}

}  // namespace shrike::quantize
