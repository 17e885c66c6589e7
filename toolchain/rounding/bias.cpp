#include "toolchain/rounding/bias.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "toolchain/formats/materialize.h"
#include "toolchain/integer/trial.h"
#include "toolchain/measure/behind.h"
#include "toolchain/operators/operator.h"
#include "toolchain/pipeline/recipe.h"
#include "toolchain/support/ordered.h"

namespace shrike::quantize {
namespace {

struct Output {
  const graph::Node* node = nullptr;
  std::function<float(float)> activation;  // empty: none
  std::string written;                     // the variable that the integer network has of it
  bool behind = false;  // which is the activation's output: a Relu that the Conv does itself
  int64_t channels = 0, places = 0;
  graph::Format format;  // of what is written
};

// What the activation makes of a value, and how steeply, for each integer of an 8-bit format.
class Response {
 public:
  Response(const Output& output) : output_(output), scale_(std::ldexp(1.0f, output.format.exponent)) {
    if (!output.activation || output.behind || output.format.bits != 8) return;
    for (int code = -128; code < 128; ++code) table_.push_back(at(static_cast<float>(code) * scale_));
  }

  struct Point {
    float value, slope;
  };
  Point of(float written) const {
    if (table_.empty()) return at(written);
    return table_[static_cast<size_t>(static_cast<int>(written / scale_) + 128)];
  }

 private:
  Point at(float x) const {
    const auto& f = output_.activation;
    return {f(x), (f(x + 0.5f * scale_) - f(x - 0.5f * scale_)) / scale_};
  }

  const Output& output_;
  float scale_;
  std::vector<Point> table_;
};

// Gauss-Newton sums of one channel.
struct BiasStep {
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
  std::set<std::string> variables;      // that this level and later ones read
  std::set<std::string> read, written;  // by the nodes
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
  for (size_t i = 0; i < stages.size(); ++i) {
    stages[i].nodes.insert(stages[i].nodes.begin(), repeated[i].begin(), repeated[i].end());
    for (const int32_t node : stages[i].nodes) {
      const espdl::StoredNode& stored = program.nodes[static_cast<size_t>(node)];
      stages[i].read.insert(stored.inputs.begin(), stored.inputs.end());
      stages[i].written.insert(stored.outputs.begin(), stored.outputs.end());
    }
  }
  return stages;
}

Output describe(const graph::Graph& graph, const graph::Links& links, const graph::Node& node,
                const TrialNetwork& network, const Plan& plan) {
  Output output;
  output.node = &node;
  output.written = node.outputs[0];
  const graph::Shape& shape = graph.tensor(node.outputs[0]).shape;
  output.channels = shape[1];
  output.places = place_count(shape);
  if (const std::optional<Behind> activation = behind(graph, links, node.outputs[0])) {
    output.activation = activation->function;
    output.behind = !network.has(node.outputs[0]);
    if (output.behind) output.written = activation->node->outputs[0];
  }
  output.format = plan.formats.at(output.written);
  return output;
}

std::vector<BiasStep> measure(const Output& output, const Response& response,
                              const std::vector<float>& wanted, const std::vector<float>& got) {
  const float scale = std::ldexp(1.0f, output.format.exponent),
              limit = std::ldexp(1.0f, output.format.bits - 1);
  const float lowest = output.behind ? 0 : -limit * scale, highest = (limit - 1) * scale;
  std::vector<BiasStep> steps(static_cast<size_t>(output.channels));
  for (int64_t c = 0; c < output.channels; ++c) {
    BiasStep& step = steps[static_cast<size_t>(c)];
    for (int64_t i = 0; i < output.places; ++i) {
      const auto at = static_cast<size_t>(c * output.places + i);
      const float q = got[at];
      step.count += 1;
      if (q <= lowest || q >= highest) continue;  // at a limit: does not follow the bias
      float slope = 1, error = std::clamp(wanted[at], lowest, highest) - q;
      if (output.behind) {
        error = std::clamp(output.activation(wanted[at]), lowest, highest) - q;
      } else if (output.activation) {
        const Response::Point here = response.of(q);
        slope = here.slope;
        error = output.activation(wanted[at]) - here.value;
      }
      step.gradient += slope * error;
      step.curvature += slope * slope;
    }
  }
  return steps;
}

// The state behind a stage, from that before it.
void advance(IntegerNetwork& network, const Stage& stage, IntegerNetwork::State& state) {
  std::erase_if(state, [&](const auto& entry) {
    return !stage.variables.contains(entry.first) || stage.written.contains(entry.first);
  });
  std::set<std::string> fresh;
  for (const std::string& name : stage.variables) {
    if (!state.contains(name)) fresh.insert(name);
  }
  state.merge(network.save(fresh));
}

}  // namespace

void correct_biases(const graph::Graph& graph, const Feed& feed, const FloatOutputs& wanted, Target target,
                    Plan& plan, const ProgressCallback& progress) {
  const int threads = feed.threads();
  const graph::Links links(graph);
  const auto networks = trial_networks(materialize(graph, plan, target), target, KeepTensors::kAll, threads);
  std::vector<std::vector<Output>> levels;
  for (const auto& nodes : levels_of(graph)) {
    std::vector<Output>& level = levels.emplace_back();
    for (const graph::Node* node : nodes) level.push_back(describe(graph, links, *node, *networks[0], plan));
  }
  const std::vector<Stage> stages = stages_of(networks[0]->program(), levels);
  const std::vector<std::string>& inputs = networks[0]->program().inputs;
  std::vector<IntegerNetwork::State> states(feed.size());

  for (size_t level = 0; level < levels.size(); ++level) {
    const std::vector<Response> responses(levels[level].begin(), levels[level].end());
    std::vector<std::vector<BiasStep>> sums(levels[level].size());
    using Measured = std::vector<std::vector<BiasStep>>;
    ordered_parallel<Measured>(
        feed.size(), threads,
        [&](int worker, size_t index) {
          TrialNetwork& network = *networks[worker];
          if (level == 0) {
            network.network().set_input(feed.values(index));
            states[index] = network.network().save({inputs.begin(), inputs.end()});
          }
          network.network().restore(states[index], stages[level].read);
          network.run_nodes(stages[level].nodes);
          advance(network.network(), stages[level], states[index]);
          Measured measured;
          for (size_t i = 0; i < levels[level].size(); ++i) {
            const Output& output = levels[level][i];
            measured.push_back(measure(output, responses[i],
                                       wanted.at(feed.name(index), output.node->outputs[0]),
                                       at_places(network.network().elements(output.written))));
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
        const BiasStep& step = sums[i][n];
        const auto shift =
            static_cast<float>(step.gradient / (step.curvature + recipe::kMutedCurvature * step.count));
        code.bias[n] += shift;
        code.bias_shift[n] += shift;
      }
    }
    if (level + 1 < levels.size()) {
      for (const auto& network : networks) network->set_biases(plan);
    }
    progress(level + 1, levels.size());
  }
}

}  // namespace shrike::quantize
