// What calibration learns of a tensor.
#pragma once
#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "toolchain/measure/histogram.h"

namespace shrike::quantize {

struct TensorStatistics {
  // Candidate exponents first_exponent + 0..kCandidates-1: from clipping at 2^-8 of the largest value up to
  // no clipping with a bit to spare.
  static constexpr int kCandidates = 10;

  // What 8 bits do to one image, of Q_e(x) against x or, when the tensor's only consumer is an activation
  // function f, of f(Q_e(x)) against f(x). Its candidates are those of its own largest value.
  struct Image {
    int first_exponent = 0;
    std::array<double, kCandidates> squared_error{};  // sums over the samples
    double power = 0;                                 // of what is behind f

    // Of exponents from the first candidate up.
    double squared_error_at(int exponent) const;
  };

  float minimum = 0, maximum = 0;
  int first_exponent = 0;
  int64_t images = 0;
  std::vector<Image> votes;  // of the images, until they are counted
  // Sum over the images of each image's noise-to-signal at every candidate (voting_powers in
  // measure/noise.h).
  std::array<double, kCandidates> noise{};
  double power = 0;  // sum over the images of the mean square of what the values mean
  Histogram histogram;

  // Once all images are merged: fills first_exponent and noise.
  void count_votes();

  float largest() const { return maximum > -minimum ? maximum : -minimum; }
  // Mean noise-to-signal of an image at 8 bit and `exponent`; outside the candidates extrapolated (4x per bit
  // on the coarse side, everything lost on the fine side).
  double noise_to_signal(int exponent) const;
  int best_exponent() const;  // smallest noise_to_signal
  void merge(const TensorStatistics& other);
};

using Statistics = std::map<std::string, TensorStatistics>;

}  // namespace shrike::quantize
