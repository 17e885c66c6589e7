#include "toolchain/formats/calibrate.h"

#include <algorithm>
#include <cmath>
#include <memory>

#include "toolchain/engine/engine.h"
#include "toolchain/measure/behind.h"
#include "toolchain/measure/grid.h"
#include "toolchain/measure/range.h"
#include "toolchain/pipeline/recipe.h"
#include "toolchain/support/error.h"
#include "toolchain/support/ordered.h"

namespace shrike::quantize {
namespace {

constexpr int kCandidates = TensorStatistics::kCandidates;

// Squared error of what has no value.
constexpr double kAllLost = 1e30;

// Added to a signal's power: a tensor that is zero on an image has no noise.
constexpr double kNoSignal = 1e-30;

// Sampling stride: odd, so that it does not stay in step with the row length.
int64_t sample_stride(int64_t count) {
  const int64_t stride = count / recipe::kCalibrationSamples;
  return stride < 2 ? 1 : stride | 1;
}

// Of what the samples mean: `offset(i)` was added to sample i.
template <typename Offset>
double power_of(const std::vector<float>& samples, const Offset& offset) {
  double power = 0;
  for (size_t i = 0; i < samples.size(); ++i) {
    const double x = static_cast<double>(samples[i]) - offset(i);
    power += x * x;
  }
  return power;
}

double squared_error(const std::vector<float>& samples, int exponent) {
  const float scale = std::ldexp(1.0f, exponent), inverse = std::ldexp(1.0f, -exponent);
  double total = 0;
  constexpr size_t kLanes = 8;
  for (size_t begin = 0; begin < samples.size(); begin += 1024) {
    const size_t end = std::min(samples.size(), begin + 1024);
    float lanes[kLanes] = {};
    size_t i = begin;
    for (; i + kLanes <= end; i += kLanes) {
      for (size_t lane = 0; lane < kLanes; ++lane) {
        const float x = samples[i + lane];
        const float clipped = std::min(std::max(x * inverse, -128.0f), 127.0f);
        const float difference = round_half_even(clipped) * scale - x;
        lanes[lane] += difference * difference;
      }
    }
    for (; i < end; ++i) {
      const float clipped = std::min(std::max(samples[i] * inverse, -128.0f), 127.0f);
      const float difference = round_half_even(clipped) * scale - samples[i];
      lanes[0] += difference * difference;
    }
    for (const float lane : lanes) total += lane;
  }
  return total;
}

CodeTable table_behind(const std::function<float(float)>& function, int exponent) {
  CodeTable table;
  for (int code = -128; code < 128; ++code)
    table[static_cast<size_t>(code + 128)] = function(std::ldexp(static_cast<float>(code), exponent));
  return table;
}

double squared_error_behind(const std::vector<float>& samples, const std::vector<float>& activated,
                            const std::function<float(float)>& function, int exponent) {
  const float inverse = std::ldexp(1.0f, -exponent);
  const double total =
      quantize::squared_error(samples, activated, table_behind(function, exponent), [&](float x) {
        const float clipped = std::min(std::max(x * inverse, -128.0f), 127.0f);
        return static_cast<size_t>(static_cast<int>(round_half_even(clipped)) + 128);
      });
  // Beyond a pole or outside the function's domain (Log of zero) nothing is left of the signal.
  return std::isfinite(total) ? total : kAllLost;
}

using Judges = std::map<std::string, Behind>;

Judges find_judges(const graph::Graph& graph) {
  const graph::Links links(graph);
  Judges judges;
  for (const auto& [name, readers] : links.consumers) {
    if (std::optional<Behind> judge = behind(graph, links, name)) judges[name] = std::move(*judge);
  }
  return judges;
}

TensorStatistics measure(const engine::TensorData& tensor, int first_exponent, const Behind* judge) {
  TensorStatistics result;
  result.first_exponent = first_exponent;
  const auto [low, high] = range_of(tensor.values, tensor.count);
  result.minimum = low;
  result.maximum = high;
  if (!std::isfinite(result.minimum) || !std::isfinite(result.maximum)) {
    fail("tensor '{}' holds values that are not finite; the float model itself overflows on this image",
         tensor.tensor->name);
  }
  const int64_t stride = sample_stride(tensor.count);
  std::vector<float> samples;
  samples.reserve(tensor.count / stride + 1);
  for (int64_t i = 0; i < tensor.count; i += stride) samples.push_back(tensor.values[i]);
  result.images = 1;
  result.histogram.cover(result.largest());
  for (const float x : samples) result.histogram.add(std::fabs(x));
  const std::vector<float>& offsets = tensor.tensor->offsets;
  const auto channels = static_cast<int64_t>(offsets.size());
  const int64_t inner = channels == 0 ? 1 : tensor.count / channels;
  const auto offset_of = [&](size_t i) {
    return channels == 0 ? 0.0f : offsets[static_cast<size_t>(static_cast<int64_t>(i) * stride / inner)];
  };
  const double plain_power = power_of(samples, offset_of);
  result.power = plain_power / static_cast<double>(samples.size());
  if (judge == nullptr) {
    const double power = plain_power + kNoSignal;
    for (int i = 0; i < kCandidates; ++i)
      result.noise[i] = squared_error(samples, first_exponent + i) / power;
    return result;
  }
  std::vector<float> activated(samples.size());
  for (size_t i = 0; i < samples.size(); ++i) activated[i] = judge->function(samples[i]);
  const double power = power_of(activated, [&](size_t) { return judge->offset; }) + kNoSignal;
  for (int i = 0; i < kCandidates; ++i) {
    result.noise[i] = squared_error_behind(samples, activated, judge->function, first_exponent + i) / power;
  }
  return result;
}

// First candidate of a tensor whose largest magnitude is this.
int first_candidate(float largest) {
  const int covering = largest > 0 ? std::clamp(covering_exponent(largest, kAllCodes8), -24, 24) : -20;
  return covering + 2 - kCandidates;
}

}  // namespace

Statistics calibrate(const graph::Graph& graph, const Feed& feed, const ProgressCallback& progress) {
  const Judges judges = find_judges(graph);
  engine::set_threads(1);  // one image a thread: the same sums whatever the number of threads

  std::vector<std::unique_ptr<engine::Engine>> engines;
  for (int i = 0; i < feed.threads(); ++i) engines.push_back(std::make_unique<engine::Engine>(graph));

  // The first images fix each tensor's window of candidates.
  std::map<std::string, int> first_exponent;
  for (size_t i = 0; i < std::min(recipe::kWindowImages, feed.size()); ++i) {
    engines[0]->observe(feed.inputs(i), [&](const engine::TensorData& tensor) {
      const auto [low, high] = range_of(tensor.values, tensor.count);
      const int first = first_candidate(std::max(high, -low));
      const auto [entry, inserted] = first_exponent.emplace(tensor.tensor->name, first);
      entry->second = std::max(entry->second, first);
    });
  }

  Statistics total;
  ordered_parallel<Statistics>(
      feed.size(), feed.threads(),
      [&](int worker, size_t index) {
        Statistics statistics;
        engines[static_cast<size_t>(worker)]->observe(
            feed.inputs(index), [&](const engine::TensorData& tensor) {
              const std::string& name = tensor.tensor->name;
              const auto judge = judges.find(name);
              statistics[name] =
                  measure(tensor, first_exponent.at(name), judge == judges.end() ? nullptr : &judge->second);
            });
        return statistics;
      },
      [&](size_t index, Statistics&& statistics) {
        for (const auto& [name, tensor] : statistics) total[name].merge(tensor);
        progress(index + 1, feed.size());
      });
  return total;
}

}  // namespace shrike::quantize
