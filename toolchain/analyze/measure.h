// Errors and distributions of one tensor, float against quantised.
#pragma once
#include <array>
#include <cstdint>
#include <vector>

#include "shrike/tensor.h"

namespace shrike::analyze {

// The values rounded to integers of `bits` bits (at most 16) times 2^exponent.
std::vector<float> on_grid(const std::vector<float>& values, int bits, int exponent, Rounding rounding);

// Counts over the range of the integers in 128 equal bins, and what lies outside.
struct CodeCounts {
  static constexpr int kBins = 128;
  std::array<int64_t, kBins> counts{};
  int64_t below = 0, above = 0;
  void merge(const CodeCounts& other);
};

struct Distribution {
  int64_t count = 0;
  // Of the images' noise-to-signal ratios, and how many there are; of the network's outputs one figure of all
  // (measure/noise.h).
  double ratio_sum = 0, weight = 0;
  // The same behind the activation function that alone reads the tensor, which flattens part of the noise;
  // where there is none, the tensor's own.
  double behind_sum = 0;
  int images = 0;
  float minimum = 0, maximum = 0;  // float tensor
  double sum = 0, sum_squares = 0;
  int64_t lowest = 0, highest = 0;  // integers
  int64_t saturated = 0;            // integers at a limit of the format
  // Every stride-th element only.
  int64_t sampled = 0;
  int64_t clipped = 0;  // floats outside the format's range
  CodeCounts reference, quantized;

  double noise_to_signal() const { return weight > 0 ? ratio_sum / weight : 0; }
  double noise_behind() const { return weight > 0 ? behind_sum / weight : 0; }
  double mean() const { return count == 0 ? 0 : sum / static_cast<double>(count); }
  double deviation() const;
  // Smallest signed width that holds every integer seen.
  int bits_used() const;
  void merge(const Distribution& other);
};

// One image's tensor. bits == 0 (float in the file): error and range of the float tensor only.
Distribution measure(const float* reference, const float* quantized, int64_t count, int bits, int exponent);

}  // namespace shrike::analyze
