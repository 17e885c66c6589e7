#include "toolchain/transform/ranges.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "toolchain/measure/behind.h"
#include "toolchain/measure/lanes.h"
#include "toolchain/measure/noise.h"
#include "toolchain/pipeline/recipe.h"

namespace shrike::quantize {
namespace {

constexpr double kNoLimit = std::numeric_limits<double>::infinity();

using Function = std::function<float(float)>;

// Which of 256 codes a value gets.
struct Codes {
  float low = 0, inverse_step = 0;
  static constexpr float kLast = std::tuple_size_v<CodeTable> - 1;

  size_t of(float x) const {
    return static_cast<size_t>(std::clamp((x - low) * inverse_step + 0.5f, 0.0f, kLast));
  }
  Integers4 of(Floats4 x) const {
    return __builtin_convertvector(clamped((x - low) * inverse_step + 0.5f, 0.0f, kLast), Integers4);
  }
};

// Sum of the squared differences between `wanted` and what the table has for the samples' codes.
double squared_error(const std::vector<float>& samples, const std::vector<float>& wanted,
                     const CodeTable& table, const Codes& codes) {
  Doubles4 totals = {};
  size_t i = 0;
  for (; i + 4 <= samples.size(); i += 4) {
    const Floats4 difference = looked_up(table.data(), codes.of(loaded(&samples[i]))) - loaded(&wanted[i]);
    totals += __builtin_convertvector(difference * difference, Doubles4);
  }
  for (; i < samples.size(); ++i) {
    const float difference = table[codes.of(samples[i])] - wanted[i];
    totals[0] += static_cast<double>(difference * difference);
  }
  return (totals[0] + totals[1]) + (totals[2] + totals[3]);
}

// The samples and what they are to be behind `function` (empty: themselves).
class Judged {
 public:
  Judged(const Samples& samples, Function function) : samples_(samples), function_(std::move(function)) {
    for (const std::vector<float>& image : samples) {
      std::vector<float>& wanted = wanted_.emplace_back(image);
      if (function_) std::transform(image.begin(), image.end(), wanted.begin(), function_);
      double power = 0;
      for (const float value : wanted) power += value * value;
      power_.push_back(power);
    }
    power_ = voting_powers(std::move(power_));
  }

  const Samples& samples() const { return samples_; }

  // Noise to signal, averaged over the images, when values are rounded to 256 steps between low and high.
  // Noise only grows with the images: where a few of them reach `limit` the others are not looked at, and
  // what is returned is at least that.
  double noise(Range range, double limit = kNoLimit) const {
    if (!(range.step() > 0)) return 1;
    CodeTable table;
    for (size_t code = 0; code < table.size(); ++code) {
      const float value = static_cast<float>(range.low + range.step() * static_cast<double>(code));
      table[code] = function_ ? function_(value) : value;
    }
    const Codes codes{static_cast<float>(range.low), static_cast<float>(1 / range.step())};
    const auto images = static_cast<double>(samples_.size());
    double sum = 0;
    for (size_t image = 0; image < samples_.size() && !(sum / images >= limit); ++image)
      sum += squared_error(samples_[image], wanted_[image], table, codes) / power_[image];
    return sum / images;
  }

 private:
  const Samples& samples_;
  Function function_;
  Samples wanted_;
  std::vector<double> power_;
};

Range full_range(const Samples& samples) {
  Range range{1e30, -1e30};
  for (const std::vector<float>& image : samples) {
    for (const float x : image) {
      range.low = std::min<double>(range.low, x);
      range.high = std::max<double>(range.high, x);
    }
  }
  return range;
}

// Tensors that share a step.
class Shared {
 public:
  Shared(const std::vector<Shifted>& tensors) {
    for (const Shifted& tensor : tensors) {
      judged_.emplace_back(*tensor.samples, Function{});
      full_.push_back(full_range(*tensor.samples));
      times_.push_back(tensor.times);
    }
  }

  // The least step at which nothing is clipped; 0: there is none.
  double covering_step(double shift) const {
    double step = 0;
    for (size_t i = 0; i < full_.size(); ++i) {
      const double zero = shift * times_[i];
      const double above = kHighestCode - zero, below = zero - kLowestCode;
      if ((full_[i].high > 0 && above <= 0) || (full_[i].low < 0 && below <= 0)) return 0;
      if (above > 0) step = std::max(step, full_[i].high / above);
      if (below > 0) step = std::max(step, -full_[i].low / below);
    }
    return step;
  }

  // The best of `count` steps from the covering one, each `ratio` times the one before; joins `best`.
  void try_steps(double shift, int count, double ratio, SharedStep& best) const {
    double step = covering_step(shift);
    if (!(step > 0)) return;
    for (int i = 0; i < count; ++i, step *= ratio) {
      const double limit = best.step == 0 ? kNoLimit : best.noise;
      double noise = 0;
      for (size_t k = 0; k < judged_.size() && !(noise >= limit); ++k) {
        const double zero = shift * times_[k];
        noise += judged_[k].noise({(kLowestCode - zero) * step, (kHighestCode - zero) * step}, limit);
      }
      if (best.step == 0 || noise < best.noise) best = {step, shift, noise};
    }
  }

 private:
  std::vector<Judged> judged_;
  std::vector<Range> full_;
  std::vector<int> times_;
};

}  // namespace

double Range::step() const {
  return (high - low) / (kHighestCode - kLowestCode);
}

// Draws the ends of the range inwards, one after the other, as long as that pays.
RangeChoice best_range(const Samples& samples, const Function& function) {
  const Judged judged(samples, function);
  const Range full = full_range(samples);
  RangeChoice best{full, 1};
  if (!(full.high > full.low)) return best;
  best.noise = judged.noise(full);
  const auto attempt = [&](Range range) {
    const double noise = judged.noise(range, best.noise);
    if (noise < best.noise) best = {range, noise};
  };
  for (int round = 0; round < recipe::kRangeRounds; ++round) {
    double share = 1;
    const Range start = best.range;
    for (int i = 0; i < recipe::kRangeSteps; ++i, share *= recipe::kRangeRatio)
      attempt({full.low * share, start.high});
    share = 1;
    const Range low = best.range;
    for (int i = 0; i < recipe::kRangeSteps; ++i, share *= recipe::kRangeRatio)
      attempt({low.low, full.high * share});
    if (best.range.low == start.low && best.range.high == start.high) break;
  }
  return best;
}

SharedStep best_step(const std::vector<Shifted>& tensors) {
  SharedStep best;
  Shared(tensors).try_steps(0, recipe::kStepSteps, recipe::kStepRatio, best);
  return best;
}

SharedStep best_shifted_step(const std::vector<Shifted>& tensors) {
  const Shared shared(tensors);
  SharedStep best;
  for (int shift = kLowestCode; shift <= 0; shift += recipe::kShiftStride)
    shared.try_steps(shift, recipe::kCoarseSteps, recipe::kCoarseStepRatio, best);
  for (int stride = recipe::kShiftStride / 2; stride > 0; stride /= 2) {
    const double middle = best.shift;
    for (const double shift : {middle - stride, middle + stride})
      shared.try_steps(shift, recipe::kStepSteps, recipe::kStepRatio, best);
  }
  return best;
}

}  // namespace shrike::quantize
