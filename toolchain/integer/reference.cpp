#include "toolchain/integer/reference.h"

#include <algorithm>
#include <numeric>
#include <span>

#include "toolchain/formats/materialize.h"
#include "toolchain/heads/head.h"
#include "toolchain/integer/trial.h"
#include "toolchain/measure/float_engines.h"
#include "toolchain/measure/noise.h"
#include "toolchain/support/ordered.h"

namespace shrike::quantize {
namespace {

// Runs the plan on every reference image and hands the outputs to `measure`, whose results come back in
// order.
template <typename Result>
std::vector<Result> measure_outputs(const graph::Graph& graph, const Plan& plan, Target target,
                                    const Reference& reference,
                                    const std::function<Result(const TrialNetwork&, size_t)>& measure) {
  const int threads = std::min<int>(reference.threads, static_cast<int>(reference.inputs.size()));
  const auto networks =
      trial_networks(materialize(graph, plan, target), target, KeepTensors::kReuseMemory, threads);
  std::vector<Result> results(reference.inputs.size());
  ordered_parallel<Result>(
      reference.inputs.size(), threads,
      [&](int worker, size_t index) {
        networks[static_cast<size_t>(worker)]->run(reference.inputs[index]);
        return measure(*networks[static_cast<size_t>(worker)], index);
      },
      [&](size_t index, Result&& result) { results[index] = std::move(result); });
  return results;
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
  const std::optional<heads::Head> head = heads::named(graph);
  if (!head || !heads::has_loss(*head)) {
    const std::vector<double> noise = output_noise(graph, plan, target, reference);
    return std::accumulate(noise.begin(), noise.end(), 0.0) / static_cast<double>(noise.size());
  }
  const std::vector<heads::Loss> losses = measure_outputs<heads::Loss>(
      graph, plan, target, reference, [&](const TrialNetwork& network, size_t index) {
        std::map<std::string, engine::Array> quantized;
        for (const std::string& output : graph.outputs) quantized[output] = network.values(output);
        const auto& wanted = reference.outputs[index];
        heads::Loss loss;
        loss.add(
            *head, [&](const std::string& name) { return std::span<const float>(wanted.at(name).values); },
            [&](const std::string& name) { return std::span<const float>(quantized.at(name).values); });
        return loss;
      });
  heads::Loss total;
  for (const heads::Loss& loss : losses) total.merge(loss);
  return total.value();
}

std::vector<double> output_noise(const graph::Graph& graph, const Plan& plan, Target target,
                                 const Reference& reference) {
  const auto per_image = measure_outputs<std::vector<Power>>(
      graph, plan, target, reference, [&](const TrialNetwork& network, size_t index) {
        std::vector<Power> noise;
        for (const std::string& output : graph.outputs)
          noise.push_back(
              output_noise(graph, output, reference.outputs[index].at(output), network.values(output)));
        return noise;
      });
  std::vector<double> ratios;
  for (size_t i = 0; i < graph.outputs.size(); ++i) {
    Power sum;
    for (const std::vector<Power>& noise : per_image) sum += noise[i];
    ratios.push_back(sum.ratio());
  }
  return ratios;
}

}  // namespace shrike::quantize
