#include "toolchain/formats/statistics.h"

#include <algorithm>
#include <cmath>

#include "toolchain/measure/noise.h"

namespace shrike::quantize {

// On the coarse side each bit doubles the step, until all that there was is rounded away.
double TensorStatistics::Image::squared_error_at(int exponent) const {
  const int beyond = exponent - first_exponent - kCandidates + 1;
  if (beyond <= 0) return squared_error[static_cast<size_t>(exponent - first_exponent)];
  return std::min(squared_error.back() * std::pow(4.0, beyond), std::max(squared_error.back(), power));
}

void TensorStatistics::count_votes() {
  std::vector<double> powers;
  first_exponent = votes.front().first_exponent;
  for (const Image& image : votes) {
    first_exponent = std::max(first_exponent, image.first_exponent);
    powers.push_back(image.power);
  }
  powers = voting_powers(std::move(powers));
  for (size_t image = 0; image < votes.size(); ++image) {
    for (int i = 0; i < kCandidates; ++i)
      noise[i] += votes[image].squared_error_at(first_exponent + i) / powers[image];
  }
  votes.clear();
}

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
  votes.insert(votes.end(), other.votes.begin(), other.votes.end());
  power += other.power;
  histogram.merge(other.histogram);
}

}  // namespace shrike::quantize
