#include "toolchain/rounding/bias.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <set>

#include "toolchain/engine/engine.h"
#include "toolchain/formats/materialize.h"
#include "toolchain/integer/trial.h"
#include "toolchain/measure/behind.h"
#include "toolchain/operators/operator.h"
#include "toolchain/pipeline/recipe.h"
#include "toolchain/support/ordered.h"

namespace shrike::quantize {
namespace {

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
    if (operators::is_convolution(node)) {
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
                const TrialNetwork& network) {
  Output output;
  output.node = &node;
  output.written = node.outputs[0];
  const graph::Shape& shape = graph.tensor(node.outputs[0]).shape;
  output.channels = shape[1];
  output.inner = 1;
  for (size_t i = 2; i < shape.size(); ++i) output.inner *= shape[i];
  const int64_t stride = output.inner / recipe::kBiasPositions;
  output.stride = stride < 2 ? 1 : stride | 1;
  output.positions = (output.inner + output.stride - 1) / output.stride;
  if (const std::optional<Behind> activation = behind(graph, links, node.outputs[0])) {
    output.activation = activation->function;
    output.behind = !network.has(node.outputs[0]);
    if (output.behind) output.written = activation->node->outputs[0];
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

void correct_biases(const graph::Graph& graph, const Feed& feed, Target target, Plan& plan,
                    const ProgressCallback& progress) {
  const int threads = feed.threads();
  const graph::Links links(graph);
  const graph::Graph materialized = materialize(graph, plan, target);
  std::vector<std::unique_ptr<TrialNetwork>> networks;
  for (int i = 0; i < threads; ++i)
    networks.push_back(std::make_unique<TrialNetwork>(materialized, target, KeepTensors::kAll, 1));
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
  std::vector<IntegerNetwork::State> states(feed.size());
  std::vector<std::map<std::string, Samples>> reference(feed.size());
  {
    std::vector<std::unique_ptr<engine::Engine>> engines;
    for (int i = 0; i < threads; ++i) engines.push_back(std::make_unique<engine::Engine>(graph));
    ordered_parallel<int>(
        feed.size(), threads,
        [&](int worker, size_t index) {
          engine::set_threads(1);
          const std::vector<float> values = feed.values(index);
          const auto inputs = feed.inputs(values);
          IntegerNetwork& network = networks[worker]->network();
          network.set_input(values);
          states[index] = network.save(
              {networks[worker]->program().inputs.begin(), networks[worker]->program().inputs.end()});
          engines[worker]->observe(inputs, [&](const engine::TensorData& tensor) {
            const auto output = output_of.find(tensor.tensor->name);
            if (output == output_of.end()) return;
            reference[index][tensor.tensor->name] = sample(*output->second, tensor.values);
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
        feed.size(), threads,
        [&](int worker, size_t index) {
          TrialNetwork& network = *networks[worker];
          network.network().restore(states[index]);
          network.run_nodes(stages[level].nodes);
          states[index] = network.network().save(stages[level].variables);
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
      WeightCode& code = plan.weights.at(levels[level][i].node->name);
      code.bias_shift.resize(code.bias.size());
      for (size_t n = 0; n < code.bias.size(); ++n) {
        const Step& step = sums[i][n];
        const auto shift =
            static_cast<float>(step.gradient / (step.curvature + recipe::kMutedCurvature * step.count));
        code.bias[n] += shift;
        code.bias_shift[n] += shift;
      }
    }
    for (const auto& network : networks) network->set_biases(plan);
    progress(level + 2, steps);
  }
}

}  // namespace shrike::quantize
