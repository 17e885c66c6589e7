#include "toolchain/rounding/bias.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <set>

#include "toolchain/engine/engine.h"
#include "toolchain/graph/activation.h"
#include "toolchain/integer/trial.h"
#include "toolchain/measure/ordered.h"
#include "toolchain/operators/operator.h"
#include "toolchain/rounding/weights.h"

namespace shrike::quantize {
namespace {

// Positions of a channel that are looked at in one image.
constexpr int64_t kPositions = 200;
// Added to the curvature, in units of the number of samples: channels that the activation mutes are left
// alone.
constexpr double kMuted = 0.02;

// Sampled values of one output in one image: [channel][position].
using Samples = std::vector<float>;

struct Output {
  const graph::Node* node = nullptr;
  std::function<float(float)> activation;  // empty: none
  std::string written;                     // the variable that the integer network has of it
  bool behind = false;  // which is the activation's output: a Relu that the Conv does itself
  int64_t channels = 0, positions = 0, stride = 0, inner = 0;
};

// Gauss-Newton sums of one channel.
struct Step {
  double gradient = 0, curvature = 0, count = 0;
};

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

// What to run when a level's turn has come, on top of what earlier levels left behind.
struct Stage {
  std::vector<int32_t> nodes;  // the level before once more, with its new biases; then what leads to this
  std::set<std::string> variables;  // that this level and later ones read
};

std::vector<Stage> stages_of(const espdl::Program& program, const std::vector<std::vector<Output>>& levels) {
  std::map<std::string, size_t> level_of_output;
  for (size_t level = 0; level < levels.size(); ++level) {
    for (const Output& output : levels[level]) level_of_output[output.written] = level;
  }
  std::map<std::string, size_t> stage_of_variable;  // the stage that leaves its final value
  for (const std::string& input : program.inputs) stage_of_variable[input] = 0;
  std::vector<Stage> stages(levels.size() + 1);
  std::vector<std::vector<int32_t>> repeated(stages.size());
  for (size_t i = 0; i < program.nodes.size(); ++i) {
    const espdl::StoredNode& node = program.nodes[i];
    std::map<std::string, size_t> variables;
    size_t stage = 0;
    for (const std::string& input : node.inputs) {
      const auto variable = stage_of_variable.find(input);
      if (variable == stage_of_variable.end()) continue;
      variables.insert(*variable);
      stage = std::max(stage, variable->second);
    }
    const auto corrected = level_of_output.find(node.outputs[0]);
    if (corrected != level_of_output.end()) stage = corrected->second;
    stages[stage].nodes.push_back(static_cast<int32_t>(i));
    if (corrected != level_of_output.end()) repeated[++stage].push_back(static_cast<int32_t>(i));
    for (const auto& [name, made] : variables) {
      for (size_t at = made; at < stage; ++at) stages[at].variables.insert(name);
    }
    for (const std::string& output : node.outputs) stage_of_variable[output] = stage;
  }
  for (size_t i = 0; i < stages.size(); ++i)
    stages[i].nodes.insert(stages[i].nodes.begin(), repeated[i].begin(), repeated[i].end());
  return stages;
}

Output describe(const graph::Graph& graph, const graph::Links& links, const graph::Node& node,
                const IntegerNetwork& network) {
  Output output;
  output.node = &node;
  output.written = node.outputs[0];
  const graph::Shape& shape = graph.tensor(node.outputs[0]).shape;
  output.channels = shape[1];
  output.inner = 1;
  for (size_t i = 2; i < shape.size(); ++i) output.inner *= shape[i];
  const int64_t stride = output.inner / kPositions;
  output.stride = stride < 2 ? 1 : stride | 1;
  output.positions = (output.inner + output.stride - 1) / output.stride;
  const auto consumers = links.consumers.find(node.outputs[0]);
  if (consumers != links.consumers.end() && consumers->second.size() == 1 &&
      !graph.is_output(node.outputs[0])) {
    const graph::Node& next = graph.nodes[static_cast<size_t>(consumers->second[0])];
    if (operators::is_function(graph, next)) output.activation = graph::activation_function(graph, next);
    output.behind = !network.has(node.outputs[0]);
    if (output.behind) output.written = next.outputs[0];
  }
  return output;
}

Samples sample(const Output& output, const float* values) {
  Samples samples;
  samples.reserve(static_cast<size_t>(output.channels * output.positions));
  for (int64_t c = 0; c < output.channels; ++c) {
    for (int64_t i = 0; i < output.inner; i += output.stride) samples.push_back(values[c * output.inner + i]);
  }
  return samples;
}

std::vector<Step> measure(const Output& output, const Samples& wanted, const Samples& got,
                          const graph::Format& format) {
  const float scale = std::ldexp(1.0f, format.exponent), limit = std::ldexp(1.0f, format.bits - 1);
  const float lowest = output.behind ? 0 : -limit * scale, highest = (limit - 1) * scale;
  std::vector<Step> steps(static_cast<size_t>(output.channels));
  for (int64_t c = 0; c < output.channels; ++c) {
    Step& step = steps[static_cast<size_t>(c)];
    for (int64_t i = 0; i < output.positions; ++i) {
      const auto at = static_cast<size_t>(c * output.positions + i);
      const float q = got[at];
      step.count += 1;
      if (q <= lowest || q >= highest) continue;  // at a limit: does not follow the bias
      float slope = 1, error = std::clamp(wanted[at], lowest, highest) - q;
      if (output.behind) {
        error = std::clamp(output.activation(wanted[at]), lowest, highest) - q;
      } else if (output.activation) {
        const float here = output.activation(q);
        slope = (output.activation(q + 0.5f * scale) - output.activation(q - 0.5f * scale)) / scale;
        error = output.activation(wanted[at]) - here;
      }
      step.gradient += slope * error;
      step.curvature += slope * slope;
    }
  }
  return steps;
}

}  // namespace

void correct_biases(const graph::Graph& graph, const std::vector<std::string>& images,
                    const Settings& settings, Plan& plan, const ProgressCallback& progress) {
  const graph::ImageSize size = input_size(graph);
  const int threads = resolve_threads(settings.threads);
  const graph::Links links(graph);
  std::vector<std::unique_ptr<IntegerNetwork>> networks;
  for (int i = 0; i < threads; ++i) {
    networks.push_back(std::make_unique<IntegerNetwork>(graph, plan, settings, KeepTensors::kAll, 1));
  }
  std::vector<std::vector<Output>> levels;
  std::map<std::string, const Output*> output_of;  // by the float network's tensor
  for (const auto& nodes : levels_of(graph)) {
    std::vector<Output>& level = levels.emplace_back();
    for (const graph::Node* node : nodes) level.push_back(describe(graph, links, *node, *networks[0]));
  }
  for (const auto& level : levels) {
    for (const Output& output : level) output_of[output.node->outputs[0]] = &output;
  }
  const std::vector<Stage> stages = stages_of(networks[0]->program(), levels);
  const size_t steps = levels.size() + 1;
  std::vector<IntegerNetwork::State> states(images.size());
  std::vector<std::map<std::string, Samples>> reference(images.size());
  {
    std::vector<std::unique_ptr<engine::Engine>> engines;
    for (int i = 0; i < threads; ++i) engines.push_back(std::make_unique<engine::Engine>(graph));
    ordered_parallel<int>(
        images.size(), threads,
        [&](int worker, size_t index) {
          engine::set_threads(1);
          const std::vector<float> input = network_input(images[index], size, settings.geometry);
          networks[worker]->set_input(input);
          states[index] = networks[worker]->save({networks[worker]->program().inputs[0]});
          engines[worker]->observe({{graph.inputs[0], {{1, 3, size.height, size.width}, input}}},
                                   [&](const engine::TensorData& tensor) {
                                     const auto output = output_of.find(tensor.tensor->name);
                                     if (output == output_of.end()) return;
                                     reference[index][tensor.tensor->name] =
                                         sample(*output->second, tensor.values);
                                   });
          return 0;
        },
        [](size_t, int&&) {});
  }
  progress(1, steps);

  for (size_t level = 0; level < levels.size(); ++level) {
    std::vector<std::vector<Step>> sums(levels[level].size());
    using Measured = std::vector<std::vector<Step>>;
    ordered_parallel<Measured>(
        images.size(), threads,
        [&](int worker, size_t index) {
          IntegerNetwork& network = *networks[worker];
          network.restore(states[index]);
          network.run_nodes(stages[level].nodes);
          states[index] = network.save(stages[level].variables);
          Measured measured;
          for (const Output& output : levels[level]) {
            const Samples got = sample(output, network.values(output.written).values.data());
            measured.push_back(measure(output, reference[index].at(output.node->outputs[0]), got,
                                       plan.formats.at(output.written)));
          }
          return measured;
        },
        [&](size_t, Measured&& measured) {
          for (size_t i = 0; i < sums.size(); ++i) {
            sums[i].resize(measured[i].size());
            for (size_t n = 0; n < measured[i].size(); ++n) {
              sums[i][n].gradient += measured[i][n].gradient;
              sums[i][n].curvature += measured[i][n].curvature;
              sums[i][n].count += measured[i][n].count;
            }
          }
        });
    for (size_t i = 0; i < sums.size(); ++i) {
      std::vector<float>& bias = plan.weights.at(levels[level][i].node->name).bias;
      for (size_t n = 0; n < bias.size(); ++n) {
        const Step& step = sums[i][n];
        bias[n] += static_cast<float>(step.gradient / (step.curvature + kMuted * step.count));
      }
    }
    for (const auto& network : networks) network->set_biases(plan);
    progress(level + 2, steps);
  }
}

}  // namespace shrike::quantize
