#include "toolchain/search/auto_bench.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "toolchain/cost/cost_model.h"
#include "toolchain/heads/head.h"
#include "toolchain/measure/ordered.h"
#include "toolchain/pipeline/quantize.h"
#include "toolchain/pipeline/settings_file.h"
#include "toolchain/rounding/bias.h"
#include "toolchain/rounding/weights.h"
#include "toolchain/support/error.h"
#include "toolchain/support/files.h"
#include "toolchain/support/sha256.h"

namespace shrike::quantize {
namespace {

void no_progress(const std::string&, size_t, size_t) {}

std::string digest(const std::string& path) {
  const std::vector<uint8_t> bytes = read_file(path);
  return sha256(bytes.data(), bytes.size());
}

std::vector<std::string> without(const std::vector<std::string>& all, const std::vector<std::string>& taken) {
  const std::set<std::string> gone(taken.begin(), taken.end());
  std::vector<std::string> rest;
  for (const std::string& name : all) {
    if (!gone.contains(name)) rest.push_back(name);
  }
  return rest;
}

// Class logits below this (probability 0.0003) never become a detection, whatever they are; formats clip
// them.
constexpr float kBackground = -8.0f;

struct Power {
  double noise = 0, signal = 0;
  double ratio() const { return noise / (signal + 1e-7); }
};

// Power of the difference and of the wanted values. With a finite floor, both are taken above it and the
// signal is what rises above it.
Power power_of(const engine::Array& wanted, const engine::Array& got, float floor) {
  const float origin = std::isfinite(floor) ? floor : 0.0f;
  Power power;
  for (size_t i = 0; i < wanted.values.size(); ++i) {
    const double w = std::max(wanted.values[i], floor), g = std::max(got.values[i], floor);
    power.noise += (g - w) * (g - w);
    power.signal += (w - origin) * (w - origin);
  }
  return power;
}

bool holds(const graph::Graph& graph, Target target) {
  try {
    espdl::check_constraints(graph, target);
  } catch (const Error&) {
    return false;
  }
  return true;
}

}  // namespace

AutoBench::AutoBench(const std::string& model_path, const std::string& calibration_folder,
                     const Settings& settings, int judge_images,
                     std::function<void(size_t, size_t)> calibrating)
    : settings_(settings),
      graph_(load_float_graph(model_path, settings)),
      calibrating_(std::move(calibrating)) {
  choose_bits(graph_, settings);  // a wrong name is told before the long work
  check_exponent_names(graph_, settings);
  const std::vector<std::string> all = data::list_images(calibration_folder);
  fitted_images_ = choose_images(all, settings.calibration_images);
  const std::vector<std::string> others = without(all, fitted_images_);
  judges_were_fitted_ = others.empty();
  judge_images_ = choose_images(judges_were_fitted_ ? fitted_images_ : others, judge_images);

  std::string everything = digest(model_path) + to_yaml(settings);
  for (const auto* images : {&fitted_images_, &judge_images_}) {
    everything += fmt::format("{} images\n", images->size());
    for (const std::string& image : *images) everything += digest(image);
  }
  inputs_ = sha256(everything.data(), everything.size());
}

void AutoBench::calibrate_once() {
  if (statistics_) return;
  rescale_ranges(graph_, fitted_images_, settings_, [](size_t, size_t) {});
  statistics_ = calibrate(graph_, fitted_images_, settings_, calibrating_);
}

const Reference& AutoBench::reference() {
  calibrate_once();  // the graph is rescaled by then: the same reference whatever was asked for first
  if (!reference_) reference_ = make_reference(graph_, judge_images_, settings_);
  return *reference_;
}

const AutoBench::Fit& AutoBench::fit(const Settings& settings) {
  if (fit_ && to_yaml(fit_->settings) == to_yaml(settings)) return *fit_;
  calibrate_once();
  Settings uncorrected = settings;
  uncorrected.bias_correction = false;
  std::vector<Phase> phases;
  Fit fit{settings, fit_plan(graph_, *statistics_, fitted_images_, uncorrected, no_progress, phases), {}};
  for (const auto& [node, code] : fit.plan.weights) fit.uncorrected_biases[node] = code.bias;
  if (settings.bias_correction) {
    correct_biases(graph_, choose_images(fitted_images_, settings.bias_images), settings, fit.plan,
                   [](size_t, size_t) {});
  }
  fit_ = std::move(fit);
  return *fit_;
}

Judgement AutoBench::judge(const Plan& plan, const Settings& settings) const {
  Judgement judgement;
  const graph::Graph materialized = materialize(graph_, plan, settings.target);
  if (!holds(materialized, settings.target)) {
    judgement.feasible = false;
    return judgement;
  }
  for (const graph::Node& node : materialized.nodes)
    judgement.requantize_nodes += node.op == "RequantizeLinear";
  const int threads = resolve_threads(settings.threads);
  IntegerNetwork network(graph_, plan, settings, KeepTensors::kReuseMemory, threads);
  judgement.cost.bytes = static_cast<double>(network.file_bytes());
  if (const auto latency = estimate_latency(network.model(), settings.target))
    judgement.cost.milliseconds = latency->milliseconds;
  const std::optional<heads::Head> head = heads::named(graph_);
  judgement.noise.resize(graph_.outputs.size());
  std::vector<Power> judged(graph_.outputs.size());
  for (size_t image = 0; image < reference_->inputs.size(); ++image) {
    network.run(reference_->inputs[image]);
    for (size_t i = 0; i < graph_.outputs.size(); ++i) {
      const std::string& output = graph_.outputs[i];
      const engine::Array &wanted = reference_->outputs[image].at(output), got = network.values(output);
      const Power whole = power_of(wanted, got, -std::numeric_limits<float>::infinity());
      const Power power =
          head && heads::is_class_logits(*head, output) ? power_of(wanted, got, kBackground) : whole;
      judgement.noise[i] += whole.ratio() / static_cast<double>(reference_->inputs.size());
      judged[i].noise += power.noise;
      judged[i].signal += power.signal;
    }
  }
  for (const Power& power : judged) judgement.error += power.ratio() / static_cast<double>(judged.size());
  return judgement;
}

Judgement AutoBench::judge_fitted(const Settings& settings) {
  reference();
  return judge(fit(settings).plan, settings);
}

Judgement AutoBench::judge_rounded(const Settings& settings) {
  calibrate_once();
  reference();
  Plan plan = choose_formats(graph_, *statistics_, settings);
  round_weights(graph_, settings, plan);
  return judge(plan, settings);
}

Plan AutoBench::widen(const Fit& fit, const std::vector<std::string>& layers) const {
  Settings settings = fit.settings;
  settings.int16_layers.insert(settings.int16_layers.end(), layers.begin(), layers.end());
  Plan plan = fit.plan;
  for (const auto& [tensor, format] : choose_formats(graph_, *statistics_, settings).formats) {
    graph::Format& present = plan.formats.at(tensor);
    if (format.bits == present.bits) continue;
    plan.narrow_exponents[tensor] = present.exponent;
    present = format;
  }
  Plan rounded = plan;
  round_weights(graph_, settings, rounded);
  plan.formats = rounded.formats;
  for (const graph::Node& node : graph_.nodes) {
    if (!has_weights(graph_, node)) continue;
    if (plan.formats.at(node.outputs[0]) == fit.plan.formats.at(node.outputs[0]) &&
        seen_exponent(plan, node, node.inputs[0]) == seen_exponent(fit.plan, node, node.inputs[0])) {
      continue;
    }
    // The correction was fitted to the drift that earlier layers cause, and that is still there.
    WeightCode& code = plan.weights.at(node.name);
    const std::vector<float> corrected = code.bias, &uncorrected = fit.uncorrected_biases.at(node.name);
    code = rounded.weights.at(node.name);
    for (size_t n = 0; n < code.bias.size(); ++n) code.bias[n] += corrected[n] - uncorrected[n];
  }
  return plan;
}

void AutoBench::judge_widened(const Settings& settings,
                              const std::vector<std::vector<std::string>>& layer_sets,
                              const std::function<void(size_t, const Judgement&)>& consume) {
  if (layer_sets.empty()) return;
  reference();
  const Fit& base = fit(settings);
  Settings alone = settings;
  alone.threads = 1;  // the sets share the threads
  const int threads = std::min(resolve_threads(settings.threads), static_cast<int>(layer_sets.size()));
  ordered_parallel<Judgement>(
      layer_sets.size(), threads,
      [&](int, size_t index) { return judge(widen(base, layer_sets[index]), alone); },
      [&](size_t index, Judgement&& judgement) { consume(index, judgement); });
}

}  // namespace shrike::quantize
