// Which values the 256 codes of a tensor should stand for, tried on samples.
#pragma once
#include <functional>
#include <vector>

namespace shrike::quantize {

inline constexpr int kLowestCode = -128, kHighestCode = 127;

using Samples = std::vector<std::vector<float>>;  // by image

struct Range {
  double low = 0, high = 0;  // what the lowest and the highest code stand for
  double step() const;
};

// A range with the noise to signal that rounding to it makes, summed over the tensors that share it.
struct RangeChoice {
  Range range;
  double noise = 0;
};

// The range that loses least, of values that are judged behind `function` (empty: themselves).
RangeChoice best_range(const Samples& samples, const std::function<float(float)>& function);

// Tensors with one step: value = step * (code - shift * times), `times` being the tensor's own.
struct Shifted {
  const Samples* samples = nullptr;
  int times = 0;
};
struct SharedStep {
  double step = 0;
  double shift = 0;  // in codes
  double noise = 0;
};
// The step of 256 codes around zero that loses least.
SharedStep best_step(const std::vector<Shifted>& tensors);
// The same with a shift too.
SharedStep best_shifted_step(const std::vector<Shifted>& tensors);

}  // namespace shrike::quantize
