#include "toolchain/integer/reference.h"

#include <algorithm>
#include <functional>
#include <memory>
#include <numeric>
#include <span>

#include "toolchain/espdl/fusion.h"
#include "toolchain/formats/materialize.h"
#include "toolchain/heads/head.h"
#include "toolchain/integer/trial.h"
#include "toolchain/measure/float_engines.h"
#include "toolchain/measure/noise.h"
#include "toolchain/support/ordered.h"

namespace shrike::quantize {
namespace {

using Outputs = std::map<std::string, engine::Array>;
// The outputs of a network for an image of the reference; workers ask at the same time.
using Network = std::function<Outputs(int worker, size_t index)>;

int workers(const Reference& reference) {
  return std::min<int>(reference.threads, static_cast<int>(reference.inputs.size()));
}

Network integers(const graph::Graph& graph, const Plan& plan, Target target, const Reference& reference) {
  const auto networks = std::make_shared<std::vector<std::unique_ptr<TrialNetwork>>>(trial_networks(
      materialize(graph, plan, target), target, KeepTensors::kReuseMemory, workers(reference)));
  return [&, networks](int worker, size_t index) {
    TrialNetwork& network = *(*networks)[static_cast<size_t>(worker)];
    network.run(reference.inputs[index]);
    Outputs outputs;
    for (const std::string& output : graph.outputs) outputs[output] = network.values(output);
    return outputs;
  };
}

// Every variable rounded as in the plan, weights and biases as they are in the float graph.
Network float_weights(const graph::Graph& graph, const Plan& plan, Target target,
                      const Reference& reference) {
  graph::Graph rounded = materialize(graph, plan, target);
  for (const graph::Node& node : rounded.nodes) {
    if (!plan.weights.contains(node.name)) continue;
    for (size_t i = 1; i < node.inputs.size(); ++i) {
      graph::Tensor& constant = rounded.tensor(node.inputs[i]);
      const auto original = graph.tensors.find(node.inputs[i]);
      if (original != graph.tensors.end()) {
        constant = original->second;
      } else {  // a bias that only corrects what rounding the weights did
        constant.format = {};
        constant.integers.clear();
        std::fill(constant.values.begin(), constant.values.end(), 0.0f);
      }
    }
  }
  espdl::clear_unwritten_formats(rounded);
  engine::EngineOptions options;
  options.precision = engine::Precision::kFakeQuantized;
  options.half_even = rounding_of(target) == Rounding::kHalfEven;
  const auto engine = std::make_shared<engine::Engine>(rounded, options);
  return [&, engine, feed = Feed(graph, {}, 1)](int, size_t index) {
    engine::set_threads(1);
    return engine->run(feed.inputs(reference.inputs[index]));
  };
}

// What `measure` says of the wanted and the found outputs of every image, in order.
template <typename Result>
std::vector<Result> measure_outputs(
    const Reference& reference, const Network& network,
    const std::function<Result(const Outputs& wanted, const Outputs& found)>& measure) {
  std::vector<Result> results(reference.inputs.size());
  ordered_parallel<Result>(
      reference.inputs.size(), workers(reference),
      [&](int worker, size_t index) { return measure(reference.outputs[index], network(worker, index)); },
      [&](size_t index, Result&& result) { results[index] = std::move(result); });
  return results;
}

std::vector<double> noise_of(const graph::Graph& graph, const Reference& reference, const Network& network) {
  const auto per_image = measure_outputs<std::vector<Power>>(
      reference, network, [&](const Outputs& wanted, const Outputs& found) {
        std::vector<Power> noise;
        for (const std::string& output : graph.outputs)
          noise.push_back(output_noise(graph, output, wanted.at(output), found.at(output)));
        return noise;
      });
  std::vector<double> ratios;
  for (size_t i = 0; i < graph.outputs.size(); ++i) {
    std::vector<Power> images;
    for (const std::vector<Power>& noise : per_image) images.push_back(noise[i]);
    ratios.push_back(noise_to_signal(graph, graph.outputs[i], images));
  }
  return ratios;
}

double loss_of(const graph::Graph& graph, const Reference& reference, const Network& network) {
  const std::optional<heads::Head> head = heads::named(graph);
  if (!head || !heads::has_loss(*head)) {
    const std::vector<double> noise = noise_of(graph, reference, network);
    return std::accumulate(noise.begin(), noise.end(), 0.0) / static_cast<double>(noise.size());
  }
  const auto per_image =
      measure_outputs<heads::Loss>(reference, network, [&](const Outputs& wanted, const Outputs& found) {
        const auto values_in = [](const Outputs& outputs) {
          return
              [&outputs](const std::string& name) { return std::span<const float>(outputs.at(name).values); };
        };
        heads::Loss loss;
        loss.add(*head, values_in(wanted), values_in(found));
        return loss;
      });
  heads::Loss total;
  for (const heads::Loss& loss : per_image) total.merge(loss);
  return total.value();
}

}  // namespace

Reference make_reference(const graph::Graph& graph, const Feed& feed) {
  Reference reference;
  reference.threads = feed.threads();
  using Item = std::pair<std::vector<float>, std::map<std::string, engine::Array>>;
  FloatEngines(graph, feed)
      .for_each<Item>(
          feed.size(),
          [&](engine::Engine& engine, size_t index) {
            std::vector<float> values = feed.values(index);
            auto outputs = engine.run(feed.inputs(values));
            return Item{std::move(values), std::move(outputs)};
          },
          [&](size_t, Item&& item) {
            reference.inputs.push_back(std::move(item.first));
            reference.outputs.push_back(std::move(item.second));
          });
  return reference;
}

double output_loss(const graph::Graph& graph, const Plan& plan, Target target, const Reference& reference) {
  return loss_of(graph, reference, integers(graph, plan, target, reference));
}

double output_loss_with_float_weights(const graph::Graph& graph, const Plan& plan, Target target,
                                      const Reference& reference) {
  return loss_of(graph, reference, float_weights(graph, plan, target, reference));
}

std::vector<double> output_noise(const graph::Graph& graph, const Plan& plan, Target target,
                                 const Reference& reference) {
  return noise_of(graph, reference, integers(graph, plan, target, reference));
}

}  // namespace shrike::quantize
