// Noise to signal: the one figure by which tensors of two networks are compared everywhere.
#pragma once
#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "toolchain/engine/engine.h"

namespace shrike::quantize {

// Added to a signal's power: a tensor that is zero on an image has no noise.
inline constexpr double kNoSignal = 1e-30;

struct Power {
  double noise = 0, signal = 0;  // sums of (q - f)^2 and f^2
  // Zero signal: the ratio is large but finite (spec/quantizer.md section 15).
  double ratio() const { return noise / (signal + 1e-7); }
  Power& operator+=(const Power& other) {
    noise += other.noise;
    signal += other.signal;
    return *this;
  }
};

// Sums f(i) over [0, count) in float lanes of a block and double blocks: vectorises, and always in the same
// order.
template <typename Term>
double sum_of(int64_t count, const Term& term) {
  constexpr int64_t kBlock = 1024, kLanes = 8;
  double total = 0;
  for (int64_t begin = 0; begin < count; begin += kBlock) {
    const int64_t end = std::min(count, begin + kBlock);
    float lanes[kLanes] = {};
    int64_t i = begin;
    for (; i + kLanes <= end; i += kLanes) {
      for (int64_t lane = 0; lane < kLanes; ++lane) lanes[lane] += term(i + lane);
    }
    for (; i < end; ++i) lanes[0] += term(i);
    for (const float lane : lanes) total += lane;
  }
  return total;
}

// Every image has the same vote on a format, so that the outliers of one do not decide for all: its noise
// counts by its own power. Of a quiet one (a pause, a black picture) little is lost whatever it loses: it
// counts by a share of the mean power at least. In the images' order.
std::vector<double> voting_powers(std::vector<double> powers);

Power compare(const float* reference, const float* quantized, int64_t count);

// What rises above `floor` alone counts, as signal and as noise: class logits far below zero are background,
// whatever they are.
Power compare_above(float floor, const engine::Array& reference, const engine::Array& quantized);

// What values of the tensor stand for in the model: scale and offset of their channel taken off.
std::vector<float> meaning(const graph::Tensor& tensor, const float* values, int64_t count);

// Noise and signal of an output on one image, of what its values mean. Of class logits what rises above the
// background, and the signal of one place with an even chance more.
Power output_noise(const graph::Graph& graph, const std::string& output, const engine::Array& reference,
                   const engine::Array& quantized);
// The figure of an output over images: the mean of their ratios, every image with the same vote but quiet
// ones (voting_powers). Class logits' noise and signal add up instead: an image without objects has hardly a
// vote.
double noise_to_signal(const graph::Graph& graph, const std::string& output,
                       const std::vector<Power>& images);

}  // namespace shrike::quantize
