// A weight whose best value lies between two integers flips from one to the other for ever: each step that
// rounds to the one asks for the other (Nagel, Fournarakis, Bondarenko, Blankevoort, "Overcoming oscillations
// in quantization-aware training", ICML 2022). Damping pulls weights towards the middle of their cells,
// harder and harder, until a step can't cross a border any more.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numbers>

namespace shrike::train {

// The integer of `bits` bits that a weight rounds to, half to even as the quantiser rounds weights.
inline int64_t nearest_integer(float weight, double unit, int bits) {
  const double limit = std::ldexp(1.0, bits - 1);
  return static_cast<int64_t>(std::nearbyint(std::clamp(weight / unit, -limit, limit - 1)));
}

// The value of that integer: the middle of the weight's cell.
inline double rounded_value(float weight, double unit, int bits) {
  return static_cast<double>(nearest_integer(weight, unit, bits)) * unit;
}

// The weight moved by `share` of its distance towards that value.
inline float damped(float weight, double unit, int bits, double share) {
  return static_cast<float>(weight + share * (rounded_value(weight, unit, bits) - weight));
}

// The share at `done` (0..1) of a run whose steps now move a weight by up to `step` units: from none in the
// first third to one that takes back a whole step at the border, half a unit from the middle.
inline double damping_share(double done, double step) {
  constexpr double kBegin = 1.0 / 3;
  const double risen =
      (1 - std::cos(std::numbers::pi * std::clamp((done - kBegin) / (1 - kBegin), 0.0, 1.0))) / 2;
  return std::min(1.0, risen * step / 0.5);
}

}  // namespace shrike::train
