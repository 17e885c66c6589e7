#include "toolchain/pipeline/steps.h"

#include <algorithm>
#include <chrono>

#include "toolchain/cost/cost_model.h"
#include "toolchain/formats/calibrate.h"
#include "toolchain/formats/choose.h"
#include "toolchain/formats/materialize.h"
#include "toolchain/formats/widths.h"
#include "toolchain/graph/passes.h"
#include "toolchain/import/import.h"
#include "toolchain/integer/reference.h"
#include "toolchain/operators/support.h"
#include "toolchain/pipeline/check_values.h"
#include "toolchain/rounding/bias.h"
#include "toolchain/rounding/refit.h"
#include "toolchain/rounding/round_weights.h"
#include "toolchain/search/exponents.h"
#include "toolchain/support/error.h"
#include "toolchain/transform/choose_rescaling.h"

namespace shrike::quantize {
namespace {

bool always(const Settings&) {
  return true;
}

void rescale_ranges(Draft& draft, const Settings& settings, const ProgressCallback& progress) {
  const Rescaling rescaling =
      choose_rescaling(draft.graph, choose_bits(draft.graph, settings),
                       {settings.target, settings.explicit_pads}, draft.feed, progress);
  rescale(draft.graph, rescaling);
  draft.graph.metadata[kRescalingKey] = rescaling_text(rescaling);
}

// The float network runs once for the statistics and for the biases.
void measure_tensors(Draft& draft, const Settings& settings, const ProgressCallback& progress) {
  draft.outputs.reset();
  if (settings.bias_correction) draft.outputs.emplace(draft.graph, draft.feed.evenly(settings.bias_images));
  draft.statistics =
      calibrate(draft.graph, draft.feed, progress, [&](size_t image, const engine::TensorData& tensor) {
        if (draft.outputs) draft.outputs->add(draft.feed.name(image), tensor);
      });
}

void make_plan(Draft& draft, const Settings& settings, const ProgressCallback&) {
  draft.plan = rounded_plan(draft.graph, draft.statistics, settings);
}

void try_exponents(Draft& draft, const Settings& settings, const ProgressCallback& progress) {
  const Reference reference = make_reference(draft.graph, draft.feed.evenly(settings.search_images));
  search_exponents(draft.graph, draft.statistics, reference, settings.target, settings, draft.plan, progress);
}

void refit(Draft& draft, const Settings& settings, const ProgressCallback& progress) {
  refit_weights(draft.graph, draft.feed.evenly(settings.refit_images), settings.target, draft.plan, progress);
}

void correct(Draft& draft, const Settings& settings, const ProgressCallback& progress) {
  const Feed feed = draft.feed.evenly(settings.bias_images);
  if (!draft.outputs || !draft.outputs->covers(feed)) draft.outputs = float_outputs(draft.graph, feed);
  correct_biases(draft.graph, feed, *draft.outputs, settings.target, draft.plan, progress);
}

// Layers that the settings name stay as they are.
Grouping wanted_groups(const graph::Graph& graph, const Settings& settings) {
  if (!settings.channel_groups || has_channel_exponents(settings, settings.target) || settings.bits != 8 ||
      !has_cost_model(settings.target))
    return {};
  GroupingOptions options;
  options.target = settings.target;
  for (const auto* names : {&settings.int16_layers, &settings.split_layers})
    options.kept_whole.insert(names->begin(), names->end());
  for (const auto& [tensor, exponent] : settings.fixed_exponents) options.kept_whole.insert(tensor);
  return choose_groups(graph, options);
}

std::vector<std::string> notes_about(const SplitReport& split, const Settings& settings,
                                     const std::vector<EqualizedLayers>& equalized) {
  std::vector<std::string> notes;
  if (!split.split.empty()) notes.push_back(fmt::format("split {}", fmt::join(split.split, ", ")));
  for (const std::string& layer : split.unchanged) {
    notes.push_back(fmt::format("'{}' was not split, because no weight is above {} (split-threshold)", layer,
                                settings.split_threshold));
  }
  if (!settings.equalization) return notes;
  notes.push_back(fmt::format("equalization found {} sets of connected layers", equalized.size()));
  for (const EqualizedLayers& set : equalized) {
    notes.push_back(fmt::format("equalization scaled {} of {} channels of {}", set.scaled, set.channels,
                                fmt::join(set.layers, ", ")));
  }
  return notes;
}

}  // namespace

const std::vector<Step>& steps() {
  static const std::vector<Step> list = {
      {"rescale", Part::kNetwork, [](const Settings& s) { return s.rescaling && s.bits == 8; },
       rescale_ranges},
      {"calibrate", Part::kNetwork, always, measure_tensors},
      {"formats", Part::kPlan, always, make_plan},
      {"search", Part::kPlan, [](const Settings& s) { return s.exponent_search; }, try_exponents},
      {"refit", Part::kPlan, [](const Settings& s) { return s.weight_refit; }, refit},
      {"bias", Part::kPlan, [](const Settings& s) { return s.bias_correction; }, correct},
  };
  return list;
}

void run_steps(Part part, Draft& draft, const Settings& settings, const PhaseProgress& progress,
               std::vector<Phase>& phases) {
  using Clock = std::chrono::steady_clock;
  for (const Step& step : steps()) {
    if (step.part != part || !step.wanted(settings)) continue;
    const Clock::time_point start = Clock::now();
    step.run(draft, settings, [&](size_t done, size_t total) { progress(step.name, done, total); });
    phases.push_back({step.name, std::chrono::duration<double>(Clock::now() - start).count()});
  }
}

Plan rounded_plan(const graph::Graph& graph, const Statistics& statistics, const Settings& settings) {
  Plan plan = choose_formats(graph, statistics, settings, settings.target);
  round_weights(graph, settings.target, settings, plan);
  return plan;
}

graph::Graph load_float_graph(const std::string& model_path, const Settings& settings,
                              std::vector<std::string>* notes, const std::optional<Grouping>& groups) {
  return prepare_float_graph(graph::import_model(model_path), settings, notes, groups);
}

graph::Graph prepare_float_graph(graph::Graph graph, const Settings& settings,
                                 std::vector<std::string>* notes, const std::optional<Grouping>& groups) {
  std::vector<std::string> told = graph::prepare(graph, {.size = settings.size, .outputs = settings.outputs});
  check_values(graph);
  operators::check_supported(graph, [](const graph::Node&) { return 8; });
  espdl::set_library(graph, settings.library);
  data::decide_input(graph, settings.input);
  const Grouping grouping = groups ? *groups : wanted_groups(graph, settings);
  group_channels(graph, grouping);
  if (!grouping.empty()) {
    graph.metadata[kGroupsKey] = grouping_text(grouping);
    told.push_back(fmt::format("divided {} convolutions into groups of channels (channel-groups)",
                               std::count_if(grouping.begin(), grouping.end(), [](const auto& entry) {
                                 return entry.second.sizes.size() > 1;
                               })));
  }
  const SplitReport split = split_layers(graph, settings);
  std::vector<EqualizedLayers> equalized;
  if (settings.equalization) equalized = equalize(graph, settings);
  for (std::string& note : notes_about(split, settings, equalized)) told.push_back(std::move(note));
  insert_quantize_nodes(graph);
  const std::map<std::string, int> bits = choose_bits(graph, settings, &told);
  operators::check_supported(graph, [&](const graph::Node& node) { return bits.at(node.outputs[0]); });
  check_exponent_names(graph, settings);
  if (notes != nullptr) *notes = std::move(told);
  return graph;
}

}  // namespace shrike::quantize
