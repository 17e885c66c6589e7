// Histogram of magnitudes in one pass, whatever comes.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

namespace shrike::quantize {

// Counts of |x| in bins whose power-of-two width doubles (neighbouring bins merge) when a value does not fit.
struct Histogram {
  static constexpr int kBins = 4096;
  int width_exponent = -24;  // bin width 2^width_exponent
  std::vector<int64_t> counts = std::vector<int64_t>(kBins, 0);

  void cover(float largest);                // widens until `largest` fits
  void add(std::span<const float> values);  // must be covered
  void merge(const Histogram& other);
  double width() const;
};

}  // namespace shrike::quantize
