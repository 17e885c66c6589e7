#include "toolchain/quantize/bias.h"

#include <algorithm>
#include <cmath>
#include <memory>

#include "toolchain/engine/engine.h"
#include "toolchain/quantize/ordered.h"
#include "toolchain/quantize/trial.h"
#include "toolchain/quantize/weights.h"

namespace shrike::quantize {
namespace {

using Means = std::map<std::string, std::vector<double>>;  // output tensor -> mean of every channel

// Convolutions by level: one more than the highest level among the convolutions that lead to it.
std::vector<std::vector<const graph::Node*>> levels_of(const graph::Graph& graph) {
  std::map<std::string, size_t> level_of_tensor;
  std::vector<std::vector<const graph::Node*>> levels;
  for (const graph::Node& node : graph.nodes) {
    size_t level = 0;
    for (const std::string& input : node.inputs) {
      if (const auto found = level_of_tensor.find(input); found != level_of_tensor.end())
        level = std::max(level, found->second);
    }
    if (node.op == "Conv") {
      if (levels.size() <= level) levels.resize(level + 1);
      levels[level].push_back(&node);
      ++level;
    }
    for (const std::string& output : node.outputs) level_of_tensor[output] = level;
  }
  return levels;
}

// Mean of every channel (axis 1) of values limited to what `format` can hold.
std::vector<double> channel_means(const float* values, const graph::Shape& shape,
                                  const graph::Format& format) {
  const float scale = std::ldexp(1.0f, format.exponent), limit = std::ldexp(1.0f, format.bits - 1);
  const float lowest = -limit * scale, highest = (limit - 1) * scale;
  const int64_t channels = shape[1];
  int64_t inner = 1;
  for (size_t i = 2; i < shape.size(); ++i) inner *= shape[i];
  std::vector<double> means(static_cast<size_t>(channels), 0.0);
  for (int64_t c = 0; c < channels; ++c) {
    for (int64_t i = 0; i < inner; ++i) means[c] += std::clamp(values[c * inner + i], lowest, highest);
    means[c] /= static_cast<double>(inner);
  }
  return means;
}

void accumulate(Means& total, Means&& part, double share) {
  for (auto& [name, means] : part) {
    std::vector<double>& sum = total[name];
    sum.resize(means.size(), 0.0);
    for (size_t i = 0; i < means.size(); ++i) sum[i] += means[i] * share;
  }
}

}  // namespace

void correct_biases(const graph::Graph& graph, const std::vector<std::string>& images,
                    const Settings& settings, Plan& plan, const ProgressCallback& progress) {
  const graph::ImageSize size = input_size(graph);
  const int threads = resolve_threads(settings.threads);
  const double share = 1.0 / static_cast<double>(images.size());
  const auto levels = levels_of(graph);
  const size_t steps = levels.size() + 1;

  std::vector<std::vector<float>> inputs(images.size());
  Means reference;
  {
    std::vector<std::unique_ptr<engine::Engine>> engines;
    for (int i = 0; i < threads; ++i) engines.push_back(std::make_unique<engine::Engine>(graph));
    std::map<std::string, bool> wanted;
    for (const auto& level : levels) {
      for (const graph::Node* node : level) wanted[node->outputs[0]] = true;
    }
    ordered_parallel<Means>(
        images.size(), threads,
        [&](int worker, size_t index) {
          engine::set_threads(1);
          inputs[index] = network_input(images[index], size, settings.geometry);
          Means means;
          engines[worker]->observe({{graph.inputs[0], {{1, 3, size.height, size.width}, inputs[index]}}},
                                   [&](const engine::TensorData& tensor) {
                                     const std::string& name = tensor.tensor->name;
                                     if (!wanted.contains(name)) return;
                                     means[name] =
                                         channel_means(tensor.values, tensor.shape, plan.formats.at(name));
                                   });
          return means;
        },
        [&](size_t, Means&& means) { accumulate(reference, std::move(means), share); });
  }
  progress(1, steps);

  for (size_t level = 0; level < levels.size(); ++level) {
    std::vector<std::unique_ptr<IntegerNetwork>> networks;
    for (int i = 0; i < threads; ++i) {
      networks.push_back(std::make_unique<IntegerNetwork>(graph, plan, settings, KeepTensors::kAll, 1));
    }
    std::vector<std::string> outputs;
    for (const graph::Node* node : levels[level]) outputs.push_back(node->outputs[0]);
    Means measured;
    ordered_parallel<Means>(
        images.size(), threads,
        [&](int worker, size_t index) {
          networks[worker]->run_until(inputs[index], outputs);
          Means means;
          for (const std::string& output : outputs) {
            const engine::Array values = networks[worker]->values(output);
            means[output] = channel_means(values.values.data(), values.shape, plan.formats.at(output));
          }
          return means;
        },
        [&](size_t, Means&& means) { accumulate(measured, std::move(means), share); });
    for (const graph::Node* node : levels[level]) {
      std::vector<float>& bias = plan.weights.at(node->name).bias;
      const std::vector<double>&wanted = reference.at(node->outputs[0]), &got = measured.at(node->outputs[0]);
      for (size_t n = 0; n < bias.size(); ++n) bias[n] += static_cast<float>(wanted[n] - got[n]);
    }
    progress(level + 2, steps);
  }
}

}  // namespace shrike::quantize
