#include "toolchain/search/auto_judge.h"

#include <algorithm>
#include <set>

#include "toolchain/cost/cost_model.h"
#include "toolchain/formats/choose.h"
#include "toolchain/formats/materialize.h"
#include "toolchain/heads/head.h"
#include "toolchain/integer/trial.h"
#include "toolchain/measure/noise.h"
#include "toolchain/operators/operator.h"
#include "toolchain/pipeline/quantize.h"
#include "toolchain/pipeline/recipe.h"
#include "toolchain/pipeline/settings_file.h"
#include "toolchain/rounding/round_weights.h"
#include "toolchain/rounding/weights.h"
#include "toolchain/support/error.h"
#include "toolchain/support/files.h"
#include "toolchain/support/ordered.h"
#include "toolchain/support/sha256.h"

namespace shrike::quantize {
namespace {

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

}  // namespace

AutoJudge::AutoJudge(const std::string& model_path, const std::string& calibration_folder,
                     const Settings& settings, int judge_images,
                     std::function<void(size_t, size_t)> calibrating)
    : settings_(settings), calibrating_(std::move(calibrating)) {
  graph::Graph graph = load_float_graph(model_path, settings);
  Feed feed(graph, {}, settings.threads);
  const std::vector<std::string> all = data::list_samples(calibration_folder, feed.ports());
  const std::vector<std::string> fitted = choose_samples(all, settings.calibration_images);
  const std::vector<std::string> others = without(all, fitted);
  judges_were_fitted_ = others.empty();
  judge_images_ = choose_samples(judges_were_fitted_ ? fitted : others, judge_images);

  std::string everything = digest(model_path) + to_yaml(settings);
  const std::vector<std::string>& judges = judge_images_;
  for (const auto* images : {&fitted, &judges}) {
    everything += fmt::format("{} images\n", images->size());
    for (const std::string& sample : *images) {
      for (const std::string& path : data::paths_of(sample)) everything += digest(path);
    }
  }
  inputs_ = sha256(everything.data(), everything.size());
  feed = feed.fitted_by(settings.calibration_fit).with(fitted);
  draft_.emplace(Draft{std::move(graph), std::move(feed), {}, {}});
}

const Draft& AutoJudge::measured() {
  if (!measured_) {
    std::vector<Phase> phases;
    run_steps(
        Part::kNetwork, *draft_, settings_,
        [&](const std::string& phase, size_t done, size_t total) {
          if (phase == "calibrate") calibrating_(done, total);
        },
        phases);
    measured_ = true;
  }
  return *draft_;
}

const Reference& AutoJudge::reference() {
  const Draft& draft = measured();  // the graph is rescaled by then: the same reference whatever came first
  if (!reference_) reference_ = make_reference(draft.graph, draft.feed.with(judge_images_));
  return *reference_;
}

const AutoJudge::Fit& AutoJudge::fit(const Settings& settings) {
  if (fit_ && to_yaml(fit_->settings) == to_yaml(settings)) return *fit_;
  measured();
  std::vector<Phase> phases;
  run_steps(
      Part::kPlan, *draft_, settings, [](const std::string&, size_t, size_t) {}, phases);
  fit_ = Fit{settings, draft_->plan};
  return *fit_;
}

Judgement AutoJudge::judge(const Plan& plan, const Settings& settings) const {
  Judgement judgement;
  const graph::Graph& graph = draft_->graph;
  graph::Graph materialized = materialize(graph, plan, settings.target);
  if (!espdl::meets_constraints(materialized, settings.target)) {
    judgement.feasible = false;
    return judgement;
  }
  judgement.requantize_nodes = count_requantize_nodes(materialized);
  TrialNetwork trial(std::move(materialized), settings.target, KeepTensors::kReuseMemory, settings.threads);
  judgement.cost.bytes = static_cast<double>(trial.network().file_bytes());
  if (const auto latency = estimate_latency(trial.network().model(), settings.target))
    judgement.cost.milliseconds = latency->milliseconds;
  std::vector<std::vector<Power>> noise(graph.outputs.size());  // by output, of every image
  for (size_t image = 0; image < reference_->inputs.size(); ++image) {
    trial.run(reference_->inputs[image]);
    for (size_t i = 0; i < graph.outputs.size(); ++i) {
      const std::string& output = graph.outputs[i];
      noise[i].push_back(
          output_noise(graph, output, reference_->outputs[image].at(output), trial.values(output)));
    }
  }
  for (size_t i = 0; i < noise.size(); ++i) {
    judgement.noise.push_back(noise_to_signal(graph, graph.outputs[i], noise[i]));
    judgement.error += judgement.noise.back() / static_cast<double>(noise.size());
  }
  return judgement;
}

Judgement AutoJudge::judge_fitted(const Settings& settings) {
  reference();
  return judge(fit(settings).plan, settings);
}

Judgement AutoJudge::judge_rounded(const Settings& settings) {
  reference();
  return judge(rounded_plan(draft_->graph, draft_->statistics, settings), settings);
}

Plan AutoJudge::widen(const Fit& fit, const std::vector<std::string>& layers) const {
  const graph::Graph& graph = draft_->graph;
  Settings settings = fit.settings;
  settings.int16_layers.insert(settings.int16_layers.end(), layers.begin(), layers.end());
  Plan plan = fit.plan;
  for (const auto& [tensor, format] :
       choose_formats(graph, draft_->statistics, settings, settings.target).formats) {
    graph::Format& present = plan.formats.at(tensor);
    if (format.bits == present.bits) continue;
    plan.narrow_exponents[tensor] = present.exponent;
    present = format;
  }
  Plan rounded = plan;
  round_weights(graph, settings.target, settings, rounded);
  plan.formats = rounded.formats;
  for (const graph::Node& node : graph.nodes) {
    if (!operators::is_weighted(graph, node)) continue;
    if (plan.formats.at(node.outputs[0]) == fit.plan.formats.at(node.outputs[0]) &&
        seen_exponent(plan, node, node.inputs[0]) == seen_exponent(fit.plan, node, node.inputs[0])) {
      continue;
    }
    // The correction was fitted to the drift that earlier layers cause, and that is still there.
    WeightCode& code = plan.weights.at(node.name);
    std::vector<float> shift = std::move(code.bias_shift);
    code = rounded.weights.at(node.name);
    for (size_t n = 0; n < shift.size(); ++n) code.bias[n] += shift[n];
    code.bias_shift = std::move(shift);
  }
  return plan;
}

void AutoJudge::judge_widened(const Settings& settings,
                              const std::vector<std::vector<std::string>>& layer_sets,
                              const std::function<void(size_t, const Judgement&)>& consume) {
  if (layer_sets.empty()) return;
  reference();
  const Fit& base = fit(settings);
  Settings alone = settings;
  alone.threads = 1;  // the sets share the threads
  const int threads = std::min(draft_->feed.threads(), static_cast<int>(layer_sets.size()));
  ordered_parallel<Judgement>(
      layer_sets.size(), threads,
      [&](int, size_t index) { return judge(widen(base, layer_sets[index]), alone); },
      [&](size_t index, Judgement&& judgement) { consume(index, judgement); });
}

}  // namespace shrike::quantize
