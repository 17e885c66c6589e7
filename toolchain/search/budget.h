// What a search may spend: `--budget 2.5s`, `800ms`, `3.2MB`, `+10%`, or several of them, `600ms,3MB`.
#pragma once
#include <limits>
#include <optional>
#include <string>

namespace shrike::quantize {

struct Budget {
  std::optional<double> milliseconds;
  std::optional<double> bytes;
  std::optional<double> percent;  // above the start's latency; above its size on a chip without a cost model
};

// Throws Error that names the part that is no budget. Units: ms, s; B, kB, MB (powers of 1000, as printed),
// KiB, MiB; a percentage needs its sign.
Budget parse_budget(const std::string& text);

// What a network costs on the chip; no milliseconds on a chip without a cost model.
struct Cost {
  std::optional<double> milliseconds;
  double bytes = 0;
};

struct Limits {
  double milliseconds = std::numeric_limits<double>::infinity();
  double bytes = std::numeric_limits<double>::infinity();

  bool allow(const Cost& cost) const {
    return cost.milliseconds.value_or(0) <= milliseconds && cost.bytes <= bytes;
  }
};

// The budget in absolute terms. Throws Error when the start exceeds it, or when it limits a latency that
// nobody can estimate.
Limits limits_of(const Budget& budget, const Cost& start);

}  // namespace shrike::quantize
