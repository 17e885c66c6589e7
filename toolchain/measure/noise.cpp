#include "toolchain/measure/noise.h"

#include <algorithm>
#include <numeric>

#include "toolchain/heads/head.h"
#include "toolchain/pipeline/recipe.h"

namespace shrike::quantize {

std::vector<double> voting_powers(std::vector<double> powers) {
  const double mean = std::accumulate(powers.begin(), powers.end(), 0.0) /
                      static_cast<double>(std::max<size_t>(powers.size(), 1));
  for (double& power : powers) power = std::max(power, recipe::kLeastVotingPower * mean) + kNoSignal;
  return powers;
}

Power compare(const float* reference, const float* quantized, int64_t count) {
  Power power;
  power.noise = sum_of(count, [&](int64_t i) {
    const float difference = quantized[i] - reference[i];
    return difference * difference;
  });
  power.signal = sum_of(count, [&](int64_t i) { return reference[i] * reference[i]; });
  return power;
}

std::vector<float> meaning(const graph::Tensor& tensor, const float* values, int64_t count) {
  std::vector<float> plain(values, values + count);
  const auto channels = static_cast<int64_t>(tensor.scales.size());
  if (channels == 0) return plain;
  const int64_t inner = tensor.elements() / tensor.shape[0] / channels;
  for (int64_t i = 0; i < count; ++i) {
    const auto channel = static_cast<size_t>(i / inner % channels);
    plain[static_cast<size_t>(i)] =
        (plain[static_cast<size_t>(i)] - tensor.offsets[channel]) / tensor.scales[channel];
  }
  return plain;
}

Power compare_above(float floor, const engine::Array& reference, const engine::Array& quantized) {
  Power power;
  for (size_t i = 0; i < reference.values.size(); ++i) {
    const double wanted = std::max(reference.values[i], floor), got = std::max(quantized.values[i], floor);
    power.noise += (got - wanted) * (got - wanted);
    power.signal += (wanted - floor) * (wanted - floor);
  }
  return power;
}

Power output_noise(const graph::Graph& graph, const std::string& output, const engine::Array& reference,
                   const engine::Array& quantized) {
  if (heads::is_class_logits(graph, output)) {
    Power power = compare_above(recipe::kBackgroundLogit, reference, quantized);
    power.signal += recipe::kBackgroundLogit * recipe::kBackgroundLogit;
    return power;
  }
  const graph::Tensor& tensor = graph.tensor(output);
  const auto count = static_cast<int64_t>(reference.values.size());
  const std::vector<float> wanted = meaning(tensor, reference.values.data(), count),
                           got = meaning(tensor, quantized.values.data(), count);
  return compare(wanted.data(), got.data(), count);
}

double noise_to_signal(const graph::Graph& graph, const std::string& output,
                       const std::vector<Power>& images) {
  if (heads::is_class_logits(graph, output)) {
    Power sum;
    for (const Power& image : images) sum += image;
    return sum.ratio();
  }
  std::vector<double> signals;
  for (const Power& image : images) signals.push_back(image.signal);
  signals = voting_powers(std::move(signals));
  double sum = 0;
  for (size_t i = 0; i < images.size(); ++i) sum += Power{images[i].noise, signals[i]}.ratio();
  return images.empty() ? 0 : sum / static_cast<double>(images.size());
}

}  // namespace shrike::quantize
