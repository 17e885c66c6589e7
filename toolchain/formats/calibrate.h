// One streaming pass over the calibration images: per tensor, range, histogram and the noise of every
// candidate exponent. Memory does not depend on the number of images.
#pragma once
#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "toolchain/graph/graph.h"
#include "toolchain/pipeline/settings.h"

namespace shrike::quantize {

// Told how much of a long piece of work is done.
using ProgressCallback = std::function<void(size_t done, size_t total)>;

// Histogram of |x| with a power-of-two bin width that doubles (neighbouring bins merge) when a value does not
// fit.
struct Histogram {
  static constexpr int kBins = 4096;
  int width_exponent = -24;  // bin width 2^width_exponent
  std::vector<int64_t> counts = std::vector<int64_t>(kBins, 0);

  void cover(float largest);  // widens until `largest` fits
  void add(float magnitude);  // must be covered
  void merge(const Histogram& other);
  double width() const;
};

struct TensorStatistics {
  // Candidate exponents first_exponent + 0..kCandidates-1: from clipping at 2^-8 of the largest value seen
  // first up to no clipping with a bit to spare.
  static constexpr int kCandidates = 10;

  float minimum = 0, maximum = 0;
  int first_exponent = 0;
  int64_t images = 0;
  // Sum over the images of each image's noise-to-signal at 8 bit and every candidate: of Q_e(x) against x or,
  // when the tensor's only consumer is an activation function f, of f(Q_e(x)) against f(x). Every image has
  // the same vote, so that the outliers of one do not decide for all.
  std::array<double, kCandidates> noise{};
  double power = 0;  // sum over the images of the mean square of what the values mean
  Histogram histogram;

  float largest() const { return maximum > -minimum ? maximum : -minimum; }
  // Mean noise-to-signal of an image at 8 bit and `exponent`; outside the candidates extrapolated (4x per bit
  // on the coarse side, everything lost on the fine side).
  double noise_to_signal(int exponent) const;
  int best_exponent() const;  // smallest noise_to_signal
  void merge(const TensorStatistics& other);
};

using Statistics = std::map<std::string, TensorStatistics>;

// Streams `images` through the float engine on settings.threads threads; the result does not depend on the
// number of threads. Throws Error naming the image that can't be read.
Statistics calibrate(const graph::Graph& graph, const std::vector<std::string>& images,
                     const Settings& settings, const ProgressCallback& progress);

// Reads and prepares one image as the network's float input [1,3,H,W], RGB in 0..1.
std::vector<float> network_input(const std::string& image, graph::ImageSize size, data::Geometry geometry);

// `count` of the paths, evenly spread (all when count is 0 or exceeds them).
std::vector<std::string> choose_images(const std::vector<std::string>& paths, int count);

// Spatial size of the graph's (single) image input [1,3,H,W].
graph::ImageSize input_size(const graph::Graph& graph);

}  // namespace shrike::quantize
