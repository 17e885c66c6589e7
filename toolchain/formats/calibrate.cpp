#include "toolchain/formats/calibrate.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <mutex>
#include <optional>

#include "toolchain/engine/engine.h"
#include "toolchain/formats/plan.h"
#include "toolchain/measure/behind.h"
#include "toolchain/measure/float_engines.h"
#include "toolchain/measure/grid.h"
#include "toolchain/measure/lanes.h"
#include "toolchain/measure/noise.h"
#include "toolchain/measure/range.h"
#include "toolchain/pipeline/recipe.h"
#include "toolchain/support/error.h"

namespace shrike::quantize {
namespace {

constexpr int kCandidates = TensorStatistics::kCandidates;

// Exponents that cover an image's largest value; beyond them nothing is told apart.
constexpr int kLowestCovering = -24, kHighestCovering = 24, kCoveringZero = -20;

// Squared error of what has no value.
constexpr double kAllLost = 1e30;

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
  const auto squared = [&](Floats4 x) {
    const Floats4 difference = round_half_even(clamped(x * inverse, -128.0f, 127.0f)) * scale - x;
    return difference * difference;
  };
  for (size_t begin = 0; begin < samples.size(); begin += 1024) {
    const size_t end = std::min(samples.size(), begin + 1024);
    Floats4 lanes[2] = {};
    size_t i = begin;
    for (; i + 8 <= end; i += 8) {
      lanes[0] += squared(loaded(&samples[i]));
      lanes[1] += squared(loaded(&samples[i + 4]));
    }
    for (; i < end; ++i) lanes[0][0] += squared(four(samples[i]))[0];
    for (const Floats4& fours : lanes) {
      for (int lane = 0; lane < 4; ++lane) total += fours[lane];
    }
  }
  return total;
}

// What comes out of a function for every 8-bit code, by exponent: a CodeTable each, one behind the other,
// made when it is asked for first.
class Tables {
 public:
  explicit Tables(std::function<float(float)> function)
      : function_(std::move(function)), values_(static_cast<size_t>(kExponents * kCodes)) {}

  // Of all candidates from `first_exponent` up.
  const float* from(int first_exponent) {
    const std::lock_guard lock(mutex_);
    const int first = first_exponent - kLowest;
    for (int i = first; i < first + kCandidates; ++i) {
      if (made_[static_cast<size_t>(i)]) continue;
      made_[static_cast<size_t>(i)] = true;
      for (int code = -128; code < 128; ++code)
        values_[static_cast<size_t>(i * kCodes + code + 128)] =
            function_(std::ldexp(static_cast<float>(code), i + kLowest));
    }
    return &values_[static_cast<size_t>(first * kCodes)];
  }

  static constexpr int kCodes = std::tuple_size_v<CodeTable>;

 private:
  static constexpr int kLowest = kLowestCovering + 2 - kCandidates;
  static constexpr int kExponents = kHighestCovering + 2 - kLowest;

  std::function<float(float)> function_;
  std::mutex mutex_;
  std::array<bool, kExponents> made_{};
  std::vector<float> values_;
};

// Of all candidates in one pass, four at once and none waiting for its own last sum.
std::array<double, kCandidates> squared_errors_behind(const std::vector<float>& samples,
                                                      const std::vector<float>& activated,
                                                      const float* tables, int first_exponent) {
  constexpr int kFours = (kCandidates + 3) / 4;  // what is beyond the candidates is not asked for
  Floats4 inverse[kFours] = {};
  Integers4 zero[kFours] = {};  // where the tables have the code 0
  Doubles4 sums[kFours] = {};
  for (int i = 0; i < kCandidates; ++i) {
    inverse[i / 4][i % 4] = std::ldexp(1.0f, -first_exponent - i);
    zero[i / 4][i % 4] = i * Tables::kCodes + 128;
  }
  for (size_t n = 0; n < samples.size(); ++n) {
    const Floats4 sample = four(samples[n]), wanted = four(activated[n]);
    for (int i = 0; i < kFours; ++i) {
      const Floats4 rounded = round_half_even(clamped(sample * inverse[i], -128.0f, 127.0f));
      const Integers4 code = __builtin_convertvector(rounded, Integers4) + zero[i];
      const Floats4 difference = looked_up(tables, code) - wanted;
      sums[i] += __builtin_convertvector(difference * difference, Doubles4);
    }
  }
  std::array<double, kCandidates> totals;
  for (int i = 0; i < kCandidates; ++i) totals[i] = sums[i / 4][i % 4];
  // Beyond a pole or outside the function's domain (Log of zero) nothing is left of the signal.
  for (double& total : totals) total = std::isfinite(total) ? total : kAllLost;
  return totals;
}

// What there is to learn of a tensor.
struct Question {
  std::optional<Behind> behind;
  std::unique_ptr<Tables> tables;  // of what is behind
};
using Questions = std::map<std::string, Question>;

// Tensors that only copy have their source's format, and so its statistics.
Questions questions_about(const graph::Graph& graph) {
  const graph::Links links(graph);
  Questions questions;
  for (const std::vector<std::string>& members : find_groups(graph).members) {
    Question& question = questions[members.front()];
    question.behind = behind_or_decoded(graph, links, members.front());
    if (question.behind) question.tables = std::make_unique<Tables>(question.behind->function);
  }
  return questions;
}

// First candidate of an image whose largest magnitude is this.
int first_candidate(float largest) {
  const int covering =
      largest > 0 ? std::clamp(covering_exponent(largest, kAllCodes8), kLowestCovering, kHighestCovering)
                  : kCoveringZero;
  return covering + 2 - kCandidates;
}

TensorStatistics measure(const engine::TensorData& tensor, const Question& question) {
  TensorStatistics result;
  const int64_t count = tensor.values.count();
  const auto [low, high] = range_of(tensor.memory(), count);
  result.minimum = low;
  result.maximum = high;
  if (!std::isfinite(result.minimum) || !std::isfinite(result.maximum)) {
    fail("tensor '{}' holds values that are not finite; the float model itself overflows on this image",
         tensor.tensor->name);
  }
  const int64_t stride = sample_stride(count);
  const std::vector<float> samples = tensor.values.every(stride);
  result.images = 1;
  result.histogram.cover(result.largest());
  result.histogram.add(samples);
  const std::vector<float>& offsets = tensor.tensor->offsets;
  const auto channels = static_cast<int64_t>(offsets.size());
  const int64_t inner = channels == 0 ? 1 : count / channels;
  const auto offset_of = [&](size_t i) {
    return channels == 0 ? 0.0f : offsets[static_cast<size_t>(static_cast<int64_t>(i) * stride / inner)];
  };
  const double plain_power = power_of(samples, offset_of);
  result.power = plain_power / static_cast<double>(samples.size());
  TensorStatistics::Image& image = result.votes.emplace_back();
  image.first_exponent = first_candidate(result.largest());
  if (!question.behind) {
    image.power = plain_power;
    for (int i = 0; i < kCandidates; ++i)
      image.squared_error[i] = squared_error(samples, image.first_exponent + i);
    return result;
  }
  std::vector<float> activated(samples.size());
  for (size_t i = 0; i < samples.size(); ++i) activated[i] = question.behind->function(samples[i]);
  image.power = power_of(activated, [&](size_t) { return question.behind->offset; });
  image.squared_error = squared_errors_behind(samples, activated, question.tables->from(image.first_exponent),
                                              image.first_exponent);
  return result;
}

}  // namespace

Statistics calibrate(const graph::Graph& graph, const Feed& feed, const ProgressCallback& progress,
                     const Watcher& watcher) {
  FloatEngines engines(graph, feed);
  const Questions questions = questions_about(graph);
  Statistics total;
  engines.observe<Statistics>(
      feed.size(),
      [&](Statistics& statistics, size_t index, const engine::TensorData& tensor) {
        if (watcher) watcher(index, tensor);
        const auto question = questions.find(tensor.tensor->name);
        if (question != questions.end()) statistics[question->first] = measure(tensor, question->second);
      },
      [&](size_t index, Statistics&& statistics) {
        for (const auto& [name, tensor] : statistics) total[name].merge(tensor);
        progress(index + 1, feed.size());
      });
  for (auto& [name, statistics] : total) statistics.count_votes();
  return total;
}

}  // namespace shrike::quantize
