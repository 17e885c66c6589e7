#include "toolchain/formats/clip.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "toolchain/measure/grid.h"

namespace shrike::quantize {
namespace {

int exponent_of_range(double range) {
  if (!(range > 0)) return -20;
  return std::clamp(covering_exponent(static_cast<float>(range), kSteps8), -24, 24);
}

double percentile_range(const Histogram& histogram, double fraction) {
  const int64_t total = std::accumulate(histogram.counts.begin(), histogram.counts.end(), int64_t{0});
  int64_t seen = 0;
  for (int i = 0; i < Histogram::kBins; ++i) {
    seen += histogram.counts[i];
    if (static_cast<double>(seen) >= fraction * static_cast<double>(total))
      return (i + 1) * histogram.width();
  }
  return Histogram::kBins * histogram.width();
}

// Kullback-Leibler divergence between the histogram and its 128-level quantisation when everything from bin
// `top` on is clipped. Both are distributions over bins.
double divergence(const Histogram& histogram, int top) {
  constexpr int kLevels = 128;
  std::vector<double> reference(histogram.counts.begin(), histogram.counts.begin() + top);
  for (int i = top; i < Histogram::kBins; ++i) reference[top - 1] += static_cast<double>(histogram.counts[i]);
  std::vector<double> quantized(top, 0.0);
  for (int level = 0; level < kLevels; ++level) {
    const int begin = level * top / kLevels, end = (level + 1) * top / kLevels;
    double mass = 0;
    int filled = 0;
    for (int i = begin; i < end; ++i) {
      mass += static_cast<double>(histogram.counts[i]);
      filled += histogram.counts[i] > 0;
    }
    for (int i = begin; i < end; ++i) {
      if (histogram.counts[i] > 0) quantized[i] = mass / filled;
    }
  }
  const double reference_total = std::accumulate(reference.begin(), reference.end(), 0.0);
  const double quantized_total = std::accumulate(quantized.begin(), quantized.end(), 0.0);
  if (reference_total <= 0 || quantized_total <= 0) return 1e30;
  double sum = 0;
  for (int i = 0; i < top; ++i) {
    if (reference[i] <= 0) continue;
    const double p = reference[i] / reference_total, q = std::max(quantized[i] / quantized_total, 1e-30);
    sum += p * std::log(p / q);
  }
  return sum;
}

double kl_range(const Histogram& histogram) {
  int used = 0;
  for (int i = 0; i < Histogram::kBins; ++i) {
    if (histogram.counts[i] > 0) used = i + 1;
  }
  int best_top = std::max(used, 128);
  double best = 1e30;
  for (int k = 1; k <= 32; ++k) {
    const int top = std::max(128, used * k / 32);
    const double value = divergence(histogram, top);
    if (value < best) {
      best = value;
      best_top = top;
    }
  }
  return best_top * histogram.width();
}

// Squared error of the histogram's mass at 8 bit and step 2^exponent.
double histogram_error(const Histogram& histogram, int exponent) {
  const double step = std::ldexp(1.0, exponent);
  double error = 0;
  for (int i = 0; i < Histogram::kBins; ++i) {
    if (histogram.counts[i] == 0) continue;
    const double value = (i + 0.5) * histogram.width();
    const double difference =
        value - static_cast<double>(integer_of(value, exponent, 8, Rounding::kHalfEven)) * step;
    error += static_cast<double>(histogram.counts[i]) * difference * difference;
  }
  return error;
}

}  // namespace

int clipped_exponent(const TensorStatistics& statistics, Calibration method, double percentile) {
  switch (method) {
    case Calibration::kDirect:
      return statistics.best_exponent();
    case Calibration::kMinMax:
      return exponent_of_range(statistics.largest());
    case Calibration::kPercentile:
      return exponent_of_range(percentile_range(statistics.histogram, percentile));
    case Calibration::kKl: {
      // To the nearest power of two, as the tutorial's.
      const double range = kl_range(statistics.histogram);
      return std::clamp(static_cast<int>(std::floor(std::log2(range / 128) + 0.5)), -24, 24);
    }
    case Calibration::kMse: {
      int best = statistics.first_exponent;
      for (int i = 1; i < TensorStatistics::kCandidates; ++i) {
        const int exponent = statistics.first_exponent + i;
        if (histogram_error(statistics.histogram, exponent) < histogram_error(statistics.histogram, best))
          best = exponent;
      }
      return best;
    }
  }
  return statistics.best_exponent();
}

}  // namespace shrike::quantize
