#include "toolchain/analyze/measure.h"

#include <algorithm>
#include <cmath>
#include <tuple>

#include "toolchain/engine/rounding.h"

namespace shrike::analyze {
namespace {

constexpr int64_t kBlock = 1024;
constexpr int64_t kLanes = 8;
// Histograms see about this many elements of an image's tensor.
constexpr int64_t kSamples = 30'000;

// Sums f(i) over [0, count) in float lanes of a block and double blocks: vectorises, and always in the same
// order.
template <typename Term>
double sum_of(int64_t count, const Term& term) {
  double total = 0;
  for (int64_t begin = 0; begin < count; begin += kBlock) {
    const int64_t end = std::min(count, begin + kBlock);
    float lanes[kLanes] = {};
    int64_t i = begin;
    for (; i + kLanes <= end; i += kLanes) {
      for (int64_t lane = 0; lane < kLanes; ++lane) lanes[lane] += term(i + lane);
    }
    for (; i < end; ++i) lanes[0] += term(i);
    for (const float lane : lanes) total += lane;
  }
  return total;
}

std::pair<float, float> range_of(const float* values, int64_t count) {
  float low[kLanes], high[kLanes];
  std::fill(low, low + kLanes, values[0]);
  std::fill(high, high + kLanes, values[0]);
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    for (int64_t lane = 0; lane < kLanes; ++lane) {
      low[lane] = std::min(low[lane], values[i + lane]);
      high[lane] = std::max(high[lane], values[i + lane]);
    }
  }
  for (; i < count; ++i) {
    low[0] = std::min(low[0], values[i]);
    high[0] = std::max(high[0], values[i]);
  }
  return {*std::min_element(low, low + kLanes), *std::max_element(high, high + kLanes)};
}

void add_to(Histogram& histogram, float position) {
  if (!(position >= 0)) {
    ++histogram.below;
  } else if (position >= Histogram::kBins) {
    ++histogram.above;
  } else {
    ++histogram.counts[static_cast<size_t>(position)];
  }
}

}  // namespace

Power compare(const float* reference, const float* quantized, int64_t count) {
  Power power;
  power.noise = sum_of(count, [&](int64_t i) {
    const float difference = quantized[i] - reference[i];
    return difference * difference;
  });
  power.signal = sum_of(count, [&](int64_t i) { return reference[i] * reference[i]; });
  return power;
}

std::vector<float> on_grid(const std::vector<float>& values, int bits, int exponent, bool half_even) {
  std::vector<float> rounded = values;
  engine::round_to_grid(rounded.data(), static_cast<int64_t>(rounded.size()), bits, exponent, {half_even});
  return rounded;
}

void Histogram::merge(const Histogram& other) {
  for (size_t i = 0; i < counts.size(); ++i) counts[i] += other.counts[i];
  below += other.below;
  above += other.above;
}

double Distribution::deviation() const {
  if (count == 0) return 0;
  return std::sqrt(std::max(0.0, sum_squares / static_cast<double>(count) - mean() * mean()));
}

int Distribution::bits_used() const {
  int bits = 1;
  while (highest > (int64_t{1} << (bits - 1)) - 1 || lowest < -(int64_t{1} << (bits - 1))) ++bits;
  return bits;
}

void Distribution::merge(const Distribution& other) {
  if (count == 0) {
    *this = other;
    return;
  }
  count += other.count;
  ratio_sum += other.ratio_sum;
  images += other.images;
  minimum = std::min(minimum, other.minimum);
  maximum = std::max(maximum, other.maximum);
  sum += other.sum;
  sum_squares += other.sum_squares;
  lowest = std::min(lowest, other.lowest);
  highest = std::max(highest, other.highest);
  saturated += other.saturated;
  sampled += other.sampled;
  clipped += other.clipped;
  reference.merge(other.reference);
  quantized.merge(other.quantized);
}

Distribution measure(const float* reference, const float* quantized, int64_t count, int bits, int exponent) {
  Distribution result;
  if (count == 0) return result;
  const Power power = compare(reference, quantized, count);
  result.count = count;
  result.images = 1;
  result.ratio_sum = power.ratio();
  result.sum_squares = power.signal;
  result.sum = sum_of(count, [&](int64_t i) { return reference[i]; });
  std::tie(result.minimum, result.maximum) = range_of(reference, count);
  if (bits == 0) return result;

  const float inverse = std::ldexp(1.0f, -exponent);
  const float low = std::ldexp(-1.0f, bits - 1), high = std::ldexp(1.0f, bits - 1) - 1.0f;
  const auto [least, greatest] = range_of(quantized, count);
  result.lowest = std::llround(least * inverse);
  result.highest = std::llround(greatest * inverse);
  const float least_value = std::ldexp(low, exponent), greatest_value = std::ldexp(high, exponent);
  result.saturated = static_cast<int64_t>(sum_of(count, [&](int64_t i) {
    return quantized[i] <= least_value || quantized[i] >= greatest_value ? 1.0f : 0.0f;
  }));

  const int64_t stride = std::max<int64_t>(1, (count / kSamples) | 1);  // odd: not in step with the rows
  const float per_bin = std::ldexp(1.0f, bits) / Histogram::kBins;
  for (int64_t i = 0; i < count; i += stride) {
    const float x = reference[i] * inverse;
    ++result.sampled;
    result.clipped += x < low - 0.5f || x > high + 0.5f;
    // An integer's bin also takes the floats that round to it.
    add_to(result.reference, (x + 0.5f - low) / per_bin);
    add_to(result.quantized, (quantized[i] * inverse + 0.5f - low) / per_bin);
  }
  return result;
}

}  // namespace shrike::analyze
