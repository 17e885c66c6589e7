#include "toolchain/formats/calibrate.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "toolchain/engine/engine.h"
#include "toolchain/formats/plan.h"
#include "toolchain/measure/behind.h"
#include "toolchain/measure/float_engines.h"
#include "toolchain/measure/grid.h"
#include "toolchain/measure/noise.h"
#include "toolchain/measure/range.h"
#include "toolchain/pipeline/recipe.h"
#include "toolchain/support/error.h"

namespace shrike::quantize {
namespace {

constexpr int kCandidates = TensorStatistics::kCandidates;

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

// One table a candidate exponent.
using Tables = std::array<CodeTable, kCandidates>;

Tables tables_behind(const std::function<float(float)>& function, int first_exponent) {
  Tables tables;
  for (int i = 0; i < kCandidates; ++i) {
    for (int code = -128; code < 128; ++code)
      tables[static_cast<size_t>(i)][static_cast<size_t>(code + 128)] =
          function(std::ldexp(static_cast<float>(code), first_exponent + i));
  }
  return tables;
}

// Of all candidates in one pass, so that none waits for its own last sum.
std::array<double, kCandidates> squared_errors_behind(const std::vector<float>& samples,
                                                      const std::vector<float>& activated,
                                                      const Tables& tables, int first_exponent) {
  std::array<double, kCandidates> totals{};
  std::array<float, kCandidates> inverse;
  for (int i = 0; i < kCandidates; ++i) inverse[i] = std::ldexp(1.0f, -first_exponent - i);
  for (size_t n = 0; n < samples.size(); ++n) {
    for (int i = 0; i < kCandidates; ++i) {
      const float clipped = std::min(std::max(samples[n] * inverse[i], -128.0f), 127.0f);
      const auto code = static_cast<size_t>(static_cast<int>(round_half_even(clipped)) + 128);
      const float difference = tables[i][code] - activated[n];
      totals[i] += difference * difference;
    }
  }
  // Beyond a pole or outside the function's domain (Log of zero) nothing is left of the signal.
  for (double& total : totals) total = std::isfinite(total) ? total : kAllLost;
  return totals;
}

// What there is to learn of a tensor.
struct Question {
  int first_exponent = 0;
  std::optional<Behind> behind;
  Tables tables;  // of what is behind
};
using Questions = std::map<std::string, Question>;

// Tensors that only copy have their source's format, and so its statistics.
Questions questions_about(const graph::Graph& graph) {
  const graph::Links links(graph);
  Questions questions;
  for (const std::vector<std::string>& members : find_groups(graph).members) {
    const std::string& source = members.front();
    questions[source].first_exponent = std::numeric_limits<int>::min();
    questions[source].behind = behind_or_decoded(graph, links, source);
  }
  return questions;
}

TensorStatistics measure(const engine::TensorData& tensor, const Question& question) {
  TensorStatistics result;
  const int first_exponent = question.first_exponent;
  const int64_t count = tensor.values.count();
  result.first_exponent = first_exponent;
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
  if (!question.behind) {
    const double power = plain_power + kNoSignal;
    for (int i = 0; i < kCandidates; ++i)
      result.noise[i] = squared_error(samples, first_exponent + i) / power;
    return result;
  }
  std::vector<float> activated(samples.size());
  for (size_t i = 0; i < samples.size(); ++i) activated[i] = question.behind->function(samples[i]);
  const double power = power_of(activated, [&](size_t) { return question.behind->offset; }) + kNoSignal;
  const auto errors = squared_errors_behind(samples, activated, question.tables, first_exponent);
  for (int i = 0; i < kCandidates; ++i) result.noise[i] = errors[i] / power;
  return result;
}

// First candidate of a tensor whose largest magnitude is this.
int first_candidate(float largest) {
  const int covering = largest > 0 ? std::clamp(covering_exponent(largest, kAllCodes8), -24, 24) : -20;
  return covering + 2 - kCandidates;
}

// Largest magnitudes on the first images fix each tensor's window of candidates.
void fix_windows(Questions& questions, FloatEngines& engines, const Feed& feed) {
  using Windows = std::map<std::string, int>;
  engines.observe<Windows>(
      std::min(recipe::kWindowImages, feed.size()),
      [&](Windows& windows, size_t, const engine::TensorData& tensor) {
        if (!questions.contains(tensor.tensor->name)) return;
        const auto [low, high] = range_of(tensor.memory(), tensor.values.count());
        windows[tensor.tensor->name] = first_candidate(std::max(high, -low));
      },
      [&](size_t, Windows&& windows) {
        for (const auto& [name, first] : windows) {
          int& exponent = questions.at(name).first_exponent;
          exponent = std::max(exponent, first);
        }
      });
  for (auto& [name, question] : questions) {
    if (question.behind) question.tables = tables_behind(question.behind->function, question.first_exponent);
  }
}

}  // namespace

Statistics calibrate(const graph::Graph& graph, const Feed& feed, const ProgressCallback& progress,
                     const Watcher& watcher) {
  FloatEngines engines(graph, feed);
  Questions questions = questions_about(graph);
  fix_windows(questions, engines, feed);

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
  return total;
}

}  // namespace shrike::quantize
