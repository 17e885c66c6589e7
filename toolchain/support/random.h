// Random numbers that are the same everywhere: the standard's distributions differ between libraries.
#pragma once
#include <cstdint>

namespace shrike {

// splitmix64 (Steele, Lea, Flood, OOPSLA 2014). Streams with different keys have nothing to do with each
// other, so that a picture's augmentation depends on its place in the run and on nothing else.
class Random {
 public:
  explicit Random(uint64_t seed, uint64_t a = 0, uint64_t b = 0) : state_(mix(mix(mix(seed) ^ a) ^ b)) {}

  uint64_t next() { return mix(state_ += kStep); }
  // In [0, 1).
  double unit() { return static_cast<double>(next() >> 11) * 0x1p-53; }
  double uniform(double low, double high) { return low + (high - low) * unit(); }
  // In [0, count).
  uint64_t below(uint64_t count) { return next() % count; }

 private:
  static constexpr uint64_t kStep = 0x9e3779b97f4a7c15;
  static uint64_t mix(uint64_t z) {
    z += kStep;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  uint64_t state_;
};

}  // namespace shrike
