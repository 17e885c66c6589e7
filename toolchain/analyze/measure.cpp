#include "toolchain/analyze/measure.h"

#include <algorithm>
#include <cmath>
#include <tuple>

#include "toolchain/engine/rounding.h"
#include "toolchain/measure/noise.h"
#include "toolchain/measure/range.h"

namespace shrike::analyze {
namespace {

// Counts see about this many elements of an image's tensor.
constexpr int64_t kSamples = 30'000;

void add_to(CodeCounts& histogram, float position) {
  if (!(position >= 0)) {
    ++histogram.below;
  } else if (position >= CodeCounts::kBins) {
    ++histogram.above;
  } else {
    ++histogram.counts[static_cast<size_t>(position)];
  }
}

}  // namespace

std::vector<float> on_grid(const std::vector<float>& values, int bits, int exponent, Rounding rounding) {
  std::vector<float> rounded = values;
  engine::round_to_grid(rounded.data(), static_cast<int64_t>(rounded.size()), bits, exponent,
                        {rounding == Rounding::kHalfEven});
  return rounded;
}

void CodeCounts::merge(const CodeCounts& other) {
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
  behind_sum += other.behind_sum;
  weight += other.weight;
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
  const quantize::Power power = quantize::compare(reference, quantized, count);
  result.count = count;
  result.images = 1;
  result.ratio_sum = result.behind_sum = power.ratio();
  result.weight = 1;
  result.sum_squares = power.signal;
  result.sum = quantize::sum_of(count, [&](int64_t i) { return reference[i]; });
  std::tie(result.minimum, result.maximum) = quantize::range_of(reference, count);
  if (bits == 0) return result;

  const float inverse = std::ldexp(1.0f, -exponent);
  const float low = std::ldexp(-1.0f, bits - 1), high = std::ldexp(1.0f, bits - 1) - 1.0f;
  const auto [least, greatest] = quantize::range_of(quantized, count);
  result.lowest = std::llround(least * inverse);
  result.highest = std::llround(greatest * inverse);
  const float least_value = std::ldexp(low, exponent), greatest_value = std::ldexp(high, exponent);
  result.saturated = static_cast<int64_t>(quantize::sum_of(count, [&](int64_t i) {
    return quantized[i] <= least_value || quantized[i] >= greatest_value ? 1.0f : 0.0f;
  }));

  const int64_t stride = std::max<int64_t>(1, (count / kSamples) | 1);  // odd: not in step with the rows
  const float per_bin = std::ldexp(1.0f, bits) / CodeCounts::kBins;
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
