#include "toolchain/formats/statistics.h"

#include <algorithm>
#include <cmath>

namespace shrike::quantize {

double TensorStatistics::noise_to_signal(int exponent) const {
  const double votes = static_cast<double>(std::max<int64_t>(images, 1));
  const int index = exponent - first_exponent;
  if (index < 0) return 1.0;
  if (index >= kCandidates) return noise[kCandidates - 1] / votes * std::pow(4.0, index - kCandidates + 1);
  return noise[index] / votes;
}

int TensorStatistics::best_exponent() const {
  int best = first_exponent;
  for (int i = 1; i < kCandidates; ++i) {
    if (noise_to_signal(first_exponent + i) < noise_to_signal(best)) best = first_exponent + i;
  }
  return best;
}

void TensorStatistics::merge(const TensorStatistics& other) {
  if (images == 0) {
    *this = other;
    return;
  }
  images += other.images;
  minimum = std::min(minimum, other.minimum);
  maximum = std::max(maximum, other.maximum);
  for (int i = 0; i < kCandidates; ++i) noise[i] += other.noise[i];
  power += other.power;
  histogram.merge(other.histogram);
}

}  // namespace shrike::quantize
