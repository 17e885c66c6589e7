#include "toolchain/formats/calibrate.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>

#include "toolchain/data/image.h"
#include "toolchain/engine/engine.h"
#include "toolchain/graph/activation.h"
#include "toolchain/measure/ordered.h"
#include "toolchain/operators/operator.h"
#include "toolchain/support/error.h"

namespace shrike::quantize {
namespace {

constexpr int kCandidates = TensorStatistics::kCandidates;
// Large tensors are sampled: this many elements of one image determine an error curve well.
constexpr int64_t kSamplesPerImage = 30'000;
// Images that fix the candidate window before the others are streamed.
constexpr size_t kWindowImages = 4;

// Added to a signal's power: a tensor that is zero on an image has no noise.
constexpr double kNoSignal = 1e-30;

// Round half to even for |x| < 2^22, in a form that compilers vectorise.
inline float round_even(float x) {
  constexpr float magic = 12582912.0f;  // 1.5 * 2^23
  return (x + magic) - magic;
}

// Sampling stride: odd, so that it does not stay in step with the row length.
int64_t sample_stride(int64_t count) {
  const int64_t stride = count / kSamplesPerImage;
  return stride < 2 ? 1 : stride | 1;
}

// Smallest and largest value; NaN anywhere gives NaN.
std::pair<float, float> range_of(const float* values, int64_t count) {
  constexpr int64_t kLanes = 8;
  float low[kLanes], high[kLanes], poison = 0;
  for (int64_t lane = 0; lane < kLanes; ++lane) low[lane] = high[lane] = values[0];
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    for (int64_t lane = 0; lane < kLanes; ++lane) {
      const float x = values[i + lane];
      low[lane] = x < low[lane] ? x : low[lane];
      high[lane] = x > high[lane] ? x : high[lane];
      poison += x * 0.0f;
    }
  }
  for (; i < count; ++i) {
    low[0] = std::min(low[0], values[i]);
    high[0] = std::max(high[0], values[i]);
    poison += values[i] * 0.0f;
  }
  return {*std::min_element(low, low + kLanes) + poison, *std::max_element(high, high + kLanes) + poison};
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
        const float difference = round_even(clipped) * scale - x;
        lanes[lane] += difference * difference;
      }
    }
    for (; i < end; ++i) {
      const float clipped = std::min(std::max(samples[i] * inverse, -128.0f), 127.0f);
      const float difference = round_even(clipped) * scale - samples[i];
      lanes[0] += difference * difference;
    }
    for (const float lane : lanes) total += lane;
  }
  return total;
}

double squared_error_behind(const std::vector<float>& samples, const std::vector<float>& activated,
                            const std::function<float(float)>& function, int exponent) {
  std::array<float, 256> table;
  for (int code = -128; code < 128; ++code)
    table[code + 128] = function(std::ldexp(static_cast<float>(code), exponent));
  const float inverse = std::ldexp(1.0f, -exponent);
  double total = 0;
  for (size_t i = 0; i < samples.size(); ++i) {
    const float clipped = std::min(std::max(samples[i] * inverse, -128.0f), 127.0f);
    const float difference = table[static_cast<int>(round_even(clipped)) + 128] - activated[i];
    total += difference * difference;
  }
  return total;
}

// Which function (if any) judges a tensor, and the offset that the function adds.
struct Judge {
  std::function<float(float)> function;
  float offset = 0;
};
using Judges = std::map<std::string, Judge>;

Judges find_judges(const graph::Graph& graph) {
  const graph::Links links(graph);
  Judges judges;
  for (const auto& [name, consumers] : links.consumers) {
    if (consumers.size() != 1 || graph.is_output(name) || graph.tensor(name).constant) continue;
    const graph::Node& node = graph.nodes[consumers[0]];
    if (operators::is_function(graph, node) && node.inputs[0] == name)
      judges[name] = {graph::activation_function(graph, node), node.real(graph::kOutputOffset, 0)};
  }
  return judges;
}

TensorStatistics measure(const engine::TensorData& tensor, int first_exponent, const Judge* judge) {
  TensorStatistics result;
  result.first_exponent = first_exponent;
  const auto [low, high] = range_of(tensor.values, tensor.count);
  result.minimum = low;
  result.maximum = high;
  if (!std::isfinite(result.minimum) || !std::isfinite(result.maximum)) {
    fail("tensor '{}' holds values that are not finite; the float model itself overflows on this image",
         tensor.tensor->name);
  }
  const int64_t stride = sample_stride(tensor.count);
  std::vector<float> samples;
  samples.reserve(tensor.count / stride + 1);
  for (int64_t i = 0; i < tensor.count; i += stride) samples.push_back(tensor.values[i]);
  result.images = 1;
  result.histogram.cover(result.largest());
  for (const float x : samples) result.histogram.add(std::fabs(x));
  const std::vector<float>& offsets = tensor.tensor->offsets;
  const auto channels = static_cast<int64_t>(offsets.size());
  const int64_t inner = channels == 0 ? 1 : tensor.count / channels;
  const auto offset_of = [&](size_t i) {
    return channels == 0 ? 0.0f : offsets[static_cast<size_t>(static_cast<int64_t>(i) * stride / inner)];
  };
  const double plain_power = power_of(samples, offset_of);
  result.power = plain_power / static_cast<double>(samples.size());
  if (judge == nullptr) {
    const double power = plain_power + kNoSignal;
    for (int i = 0; i < kCandidates; ++i)
      result.noise[i] = squared_error(samples, first_exponent + i) / power;
    return result;
  }
  std::vector<float> activated(samples.size());
  for (size_t i = 0; i < samples.size(); ++i) activated[i] = judge->function(samples[i]);
  const double power = power_of(activated, [&](size_t) { return judge->offset; }) + kNoSignal;
  for (int i = 0; i < kCandidates; ++i) {
    result.noise[i] = squared_error_behind(samples, activated, judge->function, first_exponent + i) / power;
  }
  return result;
}

// Smallest exponent that does not clip `largest` at 8 bit (an image's 1.0 at 2^-7 loses half a step, not a
// bit: spec/quantizer.md section 20, point 2).
int covering_exponent(float largest) {
  if (!(largest > 0)) return -20;
  return std::clamp(static_cast<int>(std::ceil(std::log2(largest / 128.0f))), -24, 24);
}

}  // namespace

double Histogram::width() const {
  return std::ldexp(1.0, width_exponent);
}

void Histogram::cover(float largest) {
  while (largest >= width() * kBins) {
    for (int i = 0; i < kBins / 2; ++i) counts[i] = counts[2 * i] + counts[2 * i + 1];
    std::fill(counts.begin() + kBins / 2, counts.end(), 0);
    ++width_exponent;
  }
}

void Histogram::add(float magnitude) {
  ++counts[static_cast<size_t>(magnitude / static_cast<float>(width()))];
}

void Histogram::merge(const Histogram& other) {
  Histogram addend = other;
  const auto last_value = [](const Histogram& h) {
    return static_cast<float>(std::ldexp(kBins, h.width_exponent) * 0.999);
  };
  cover(last_value(addend));
  addend.cover(last_value(*this));
  for (int i = 0; i < kBins; ++i) counts[i] += addend.counts[i];
}

double TensorStatistics::noise_to_signal(int exponent) const {
  const double votes = static_cast<double>(std::max<int64_t>(images, 1));
  const int index = exponent - first_exponent;
  if (index < 0) return 1.0;
  if (index >= kCandidates) return noise[kCandidates - 1] / votes * std::pow(4.0, index - kCandidates + 1);
  return noise[index] / votes;
}

int TensorStatistics::best_exponent() const {
  int best = first_exponent;
  for (int i = 1; i < kCandidates; ++i) {
    if (noise_to_signal(first_exponent + i) < noise_to_signal(best)) best = first_exponent + i;
  }
  return best;
}

void TensorStatistics::merge(const TensorStatistics& other) {
  if (images == 0) {
    *this = other;
    return;
  }
  images += other.images;
  minimum = std::min(minimum, other.minimum);
  maximum = std::max(maximum, other.maximum);
  for (int i = 0; i < kCandidates; ++i) noise[i] += other.noise[i];
  power += other.power;
  histogram.merge(other.histogram);
}

graph::ImageSize input_size(const graph::Graph& graph) {
  if (graph.inputs.size() != 1)
    fail("the model has {} inputs; calibration on images needs exactly one", graph.inputs.size());
  const graph::Tensor& input = graph.tensor(graph.inputs[0]);
  if (input.shape.size() != 4 || input.shape[1] != 3) {
    fail("input '{}' is not an image: expected the shape [1,3,H,W]", input.name);
  }
  return {input.shape[2], input.shape[3]};
}

std::vector<float> network_input(const std::string& image, graph::ImageSize size, data::Geometry geometry) {
  const data::Image fitted = data::fit(data::load_image(image), static_cast<int>(size.width),
                                       static_cast<int>(size.height), geometry, nullptr);
  std::vector<float> planar(static_cast<size_t>(3 * size.height * size.width));
  data::to_planar(fitted, planar.data());
  return planar;
}

std::vector<std::string> choose_images(const std::vector<std::string>& paths, int count) {
  if (count <= 0 || static_cast<size_t>(count) >= paths.size()) return paths;
  std::vector<std::string> chosen;
  for (int i = 0; i < count; ++i) chosen.push_back(paths[static_cast<size_t>(i) * paths.size() / count]);
  return chosen;
}

Statistics calibrate(const graph::Graph& graph, const std::vector<std::string>& images,
                     const Settings& settings, const ProgressCallback& progress) {
  const Judges judges = find_judges(graph);
  const graph::ImageSize size = input_size(graph);
  const int threads = resolve_threads(settings.threads);
  engine::set_threads(1);  // one image a thread: the same sums whatever the number of threads

  std::vector<std::unique_ptr<engine::Engine>> engines;
  for (int i = 0; i < threads; ++i) engines.push_back(std::make_unique<engine::Engine>(graph));
  const auto feed = [&](size_t index) {
    return std::map<std::string, engine::Array>{
        {graph.inputs[0],
         {{1, 3, size.height, size.width}, network_input(images[index], size, settings.geometry)}}};
  };

  // The first images fix each tensor's window of candidates.
  std::map<std::string, int> first_exponent;
  for (size_t i = 0; i < std::min(kWindowImages, images.size()); ++i) {
    engines[0]->observe(feed(i), [&](const engine::TensorData& tensor) {
      const auto [low, high] = range_of(tensor.values, tensor.count);
      const float largest = std::max(high, -low);
      const int first = covering_exponent(largest) + 2 - kCandidates;
      const auto [entry, inserted] = first_exponent.emplace(tensor.tensor->name, first);
      entry->second = std::max(entry->second, first);
    });
  }

  Statistics total;
  ordered_parallel<Statistics>(
      images.size(), threads,
      [&](int worker, size_t index) {
        Statistics statistics;
        engines[worker]->observe(feed(index), [&](const engine::TensorData& tensor) {
          const std::string& name = tensor.tensor->name;
          const auto judge = judges.find(name);
          statistics[name] =
              measure(tensor, first_exponent.at(name), judge == judges.end() ? nullptr : &judge->second);
        });
        return statistics;
      },
      [&](size_t index, Statistics&& statistics) {
        for (const auto& [name, tensor] : statistics) total[name].merge(tensor);
        progress(index + 1, images.size());
      });
  return total;
}

}  // namespace shrike::quantize
