#include "toolchain/search/auto_search.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "toolchain/cost/cost_model.h"
#include "toolchain/engine/float_path.h"
#include "toolchain/graph/activation.h"
#include "toolchain/pipeline/recipe.h"
#include "toolchain/pipeline/settings_file.h"
#include "toolchain/search/auto_journal.h"
#include "toolchain/support/error.h"
#include "toolchain/support/sha256.h"

namespace shrike::quantize {
namespace {

using Layers = std::vector<std::string>;

std::string name_of(const Layers& layers) {
  const std::string text = fmt::format("{}", fmt::join(layers, "\n"));
  return fmt::format("{} {}", layers.size(), sha256(text.data(), text.size()).substr(0, 16));
}

// The judge, with the journal before it.
class Trials {
 public:
  Trials(AutoJudge& judge, AutoJournal& journal) : judge_(judge), journal_(journal) {}

  Judgement rounded(const Settings& settings) {
    return remembered("rounded " + name_of(settings), [&] { return judge_.judge_rounded(settings); });
  }
  Judgement fitted(const Settings& settings) {
    return remembered("fitted " + name_of(settings), [&] { return judge_.judge_fitted(settings); });
  }
  // In the order of the sets. `judged` is told after each.
  std::vector<Judgement> widened(const Settings& settings, const std::vector<Layers>& sets,
                                 const std::function<void()>& judged) {
    std::vector<Judgement> judgements(sets.size());
    std::vector<size_t> missing;
    std::vector<Layers> missing_sets;
    for (size_t i = 0; i < sets.size(); ++i) {
      if (const Judgement* known = find(widened_name(settings, sets[i]))) {
        judgements[i] = *known;
        judged();
      } else {
        missing.push_back(i);
        missing_sets.push_back(sets[i]);
      }
    }
    judge_.judge_widened(settings, missing_sets, [&](size_t index, const Judgement& judgement) {
      add(widened_name(settings, missing_sets[index]), judgement);
      judgements[missing[index]] = judgement;
      judged();
    });
    return judgements;
  }

  size_t made() const { return made_.size(); }
  size_t remembered() const { return remembered_.size(); }

 private:
  const Judgement* find(const std::string& name) {
    const Judgement* known = journal_.find(name);
    if (known != nullptr && !made_.contains(name)) remembered_.insert(name);
    return known;
  }
  void add(const std::string& name, const Judgement& judgement) {
    journal_.add(name, judgement);
    made_.insert(name);
  }
  static std::string name_of(const Settings& settings) {
    const std::string text = to_yaml(settings);
    return sha256(text.data(), text.size()).substr(0, 16);
  }
  static std::string widened_name(const Settings& settings, const Layers& layers) {
    return fmt::format("widened {} {}", name_of(settings), quantize::name_of(layers));
  }

  Judgement remembered(const std::string& name, const std::function<Judgement()>& judge) {
    if (const Judgement* known = find(name)) return *known;
    const Judgement judgement = judge();
    add(name, judgement);
    return judgement;
  }

  AutoJudge& judge_;
  AutoJournal& journal_;
  std::set<std::string> made_, remembered_;
};

class Search {
 public:
  Search(AutoJudge& judge, Trials& trials, const Settings& start, const Budget& budget,
         const PhaseProgress& progress)
      : judge_(judge), trials_(trials), start_(start), budget_(budget), progress_(progress) {}

  AutoResult run() {
    if (!add_row(start_, {}))
      fail("the target can't hold the network that --auto starts from; without --auto this command says why");
    limits_ = limits_of(budget_, rows_[0].judgement.cost);
    choose_options();
    combine(screen());
    confirm();
    return finish();
  }

 private:
  // A unit with what it gave when it was last measured.
  struct Candidate {
    Layers nodes;
    Judgement judgement;  // of the network with it
    double gain = 0;      // of error
    double share = 0;     // of the budget's room that it takes
    size_t stage = 0;     // steps that had been made by then
    double worth() const { return gain / share; }
  };
  // One step of the way: all layers moved so far.
  struct Stage {
    Layers layers;
    Judgement judgement;
  };

  // False, and no row, when the target can't hold it.
  bool add_row(const Settings& settings, std::vector<Option> options) {
    AutoRow row;
    row.options = std::move(options);
    row.settings = settings;
    row.judgement = trials_.fitted(settings);
    if (!row.judgement.feasible) return false;
    rows_.push_back(std::move(row));
    return true;
  }

  void choose_options() {
    const auto alternatives = option_alternatives(start_);
    size_t total = 0, done = 0;
    for (const auto& values : alternatives)
      total += values.size() == 1 ? 1 : values.size() + recipe::kFittedAlternatives;
    const auto step = [&](size_t steps) { progress_("options", done += steps, total); };
    std::vector<Option> adopted;
    for (const auto& values : alternatives) {
      const Settings present = rows_[base_].settings;
      std::vector<Settings> promising;
      if (values.size() == 1) {  // a switch: nothing to be screened out
        promising.push_back(with_option(present, values[0]));
      } else {
        promising = screened(present, values, step);
      }
      for (const Settings& settings : promising) {
        std::vector<Option> options = adopted;
        for (const Option& value : values) {
          if (to_yaml(with_option(present, value)) == to_yaml(settings)) options.push_back(value);
        }
        const bool added = add_row(settings, options);
        step(1);
        if (!added) continue;
        const Judgement &best = rows_[base_].judgement, &other = rows_.back().judgement;
        if (other.error < best.error * (1 - recipe::kOptionGain) && limits_.allow(other.cost))
          base_ = rows_.size() - 1;
      }
      adopted = rows_[base_].options;
      if (values.size() > 1) step(recipe::kFittedAlternatives - promising.size());
    }
  }

  static Settings with_option(Settings settings, const Option& option) {
    set_field(settings, option.first, option.second);
    return settings;
  }

  // The alternatives whose cheap trial is good enough, best first; those that change nothing are left out.
  std::vector<Settings> screened(const Settings& present, const std::vector<Option>& values,
                                 const std::function<void(size_t)>& step) {
    const Judgement now = trials_.rounded(present);
    std::vector<std::pair<double, Settings>> good;
    for (const Option& value : values) {
      const Settings settings = with_option(present, value);
      const Judgement judgement = trials_.rounded(settings);
      step(1);
      if (!judgement.feasible || judgement.error == now.error ||
          judgement.error > recipe::kForgiven * now.error)
        continue;
      good.emplace_back(judgement.error, settings);
    }
    std::stable_sort(good.begin(), good.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    if (good.size() > recipe::kFittedAlternatives) good.resize(recipe::kFittedAlternatives);
    std::vector<Settings> settings;
    for (const auto& [error, alternative] : good) settings.push_back(alternative);
    return settings;
  }

  // Share of the budget's room that a step of cost takes; in (0, 1] while it fits.
  double share_of(const Cost& from, const Cost& to) const {
    const Cost& start = rows_[base_].judgement.cost;
    double share = 1e-4;  // what costs nothing is not worth everything
    const auto add = [&](double before, double after, double limit, double floor) {
      const double room = std::isfinite(limit) ? limit - floor : floor;
      if (room > 0) share += std::max(0.0, after - before) / room;
    };
    const bool sized = std::isfinite(limits_.bytes), timed = std::isfinite(limits_.milliseconds);
    if (sized || !timed) add(from.bytes, to.bytes, limits_.bytes, start.bytes);
    if (timed && from.milliseconds)
      add(*from.milliseconds, *to.milliseconds, limits_.milliseconds, *start.milliseconds);
    return share;
  }

  std::vector<Candidate> screen() {
    const Settings& settings = rows_[base_].settings;
    const Judgement& present = rows_[base_].judgement;
    std::vector<Layers> sets;
    for (const WideUnit& unit : wide_units(judge_.graph(), settings)) sets.push_back(unit.nodes);
    size_t done = 0;
    const std::vector<Judgement> judgements =
        trials_.widened(settings, sets, [&] { progress_("screen", ++done, sets.size()); });
    std::vector<Candidate> candidates;
    for (size_t i = 0; i < sets.size(); ++i)
      candidates.push_back(measured(sets[i], present, judgements[i], 0));
    return candidates;
  }

  // What does not fit gains nothing.
  Candidate measured(const Layers& nodes, const Judgement& before, const Judgement& after,
                     size_t stage) const {
    if (!after.feasible || !limits_.allow(after.cost)) return {nodes, after, 0, 1, stage};
    return {nodes, after, before.error - after.error, share_of(before.cost, after.cost), stage};
  }

  static bool better(const Candidate& a, const Candidate& b) { return a.worth() > b.worth(); }

  // Greedy and lazy: gains are taken from the last time they were measured, and only the best few are
  // measured anew before one is believed.
  void combine(std::vector<Candidate> candidates) {
    const Settings& settings = rows_[base_].settings;
    Stage present{{}, rows_[base_].judgement};
    const size_t limit = recipe::kTrialsPerUnit * candidates.size();
    size_t tried = 0;
    for (;;) {
      const double least = recipe::kLayerGain * present.judgement.error;
      std::erase_if(candidates, [&](const Candidate& candidate) { return candidate.gain < least; });
      std::stable_sort(candidates.begin(), candidates.end(), better);
      if (candidates.empty() || tried >= limit) break;
      if (candidates[0].stage != way_.size()) {
        remeasure(settings, present, candidates, [&] { progress_("combine", ++tried, limit); });
        continue;
      }
      present = {joined(present.layers, candidates[0].nodes), candidates[0].judgement};
      way_.push_back(present);
      candidates.erase(candidates.begin());
    }
    progress_("combine", limit, limit);
  }

  // The first few that were measured at an earlier stage.
  void remeasure(const Settings& settings, const Stage& present, std::vector<Candidate>& candidates,
                 const std::function<void()>& step) {
    std::vector<size_t> stale;
    std::vector<Layers> sets;
    for (size_t i = 0; i < std::min(recipe::kCombineBatch, candidates.size()); ++i) {
      if (candidates[i].stage == way_.size()) continue;
      stale.push_back(i);
      sets.push_back(joined(present.layers, candidates[i].nodes));
    }
    const std::vector<Judgement> judgements = trials_.widened(settings, sets, step);
    for (size_t k = 0; k < stale.size(); ++k) {
      Candidate& candidate = candidates[stale[k]];
      candidate = measured(candidate.nodes, present.judgement, judgements[k], way_.size());
    }
  }

  // Sorted, so that the order in which layers moved leaves no trace.
  static Layers joined(Layers layers, const Layers& more) {
    layers.insert(layers.end(), more.begin(), more.end());
    std::sort(layers.begin(), layers.end());
    return layers;
  }

  // Stages that divide the way evenly, the last one always among them.
  void confirm() {
    const size_t count = std::min(recipe::kConfirmed, way_.size());
    const Settings base = rows_[base_].settings;
    const std::vector<Option> options = rows_[base_].options;
    for (size_t i = 1; i <= count; ++i) {
      const Stage& stage = way_[i * way_.size() / count - 1];
      Settings settings = base;
      settings.int16_layers.insert(settings.int16_layers.end(), stage.layers.begin(), stage.layers.end());
      add_row(settings, options);
      progress_("confirm", i, count);
    }
  }

  int wide_layers(const Settings& settings) const {
    const std::set<std::string> wide(settings.int16_layers.begin(), settings.int16_layers.end());
    int count = 0;
    for (const graph::Node& node : judge_.graph().nodes)
      count += wide.contains(node.name) && !graph::is_activation(node.op);
    return count;
  }

  static bool dominates(const Judgement& a, const Judgement& b) {
    const double a_time = a.cost.milliseconds.value_or(0), b_time = b.cost.milliseconds.value_or(0);
    if (a.error > b.error || a_time > b_time || a.cost.bytes > b.cost.bytes) return false;
    return a.error < b.error || a_time < b_time || a.cost.bytes < b.cost.bytes;
  }

  AutoResult finish() {
    AutoResult result;
    std::stable_sort(rows_.begin() + 1, rows_.end(), [](const AutoRow& a, const AutoRow& b) {
      const auto key = [](const AutoRow& row) {
        return std::make_tuple(row.judgement.cost.milliseconds.value_or(0), row.judgement.cost.bytes,
                               -row.judgement.error);
      };
      return key(a) < key(b);
    });
    for (AutoRow& row : rows_) {
      row.wide_layers = wide_layers(row.settings);
      row.allowed = limits_.allow(row.judgement.cost);
      for (const AutoRow& other : rows_) row.dominated |= dominates(other.judgement, row.judgement);
    }
    result.rows = std::move(rows_);
    for (size_t i = 1; i < result.rows.size(); ++i) {
      const AutoRow& row = result.rows[i];
      if (row.allowed && row.judgement.error < result.rows[result.chosen].judgement.error) result.chosen = i;
    }
    result.limits = limits_;
    result.output_names = judge_.graph().outputs;
    result.trials = trials_.made();
    result.remembered = trials_.remembered();
    return result;
  }

  AutoJudge& judge_;
  Trials& trials_;
  const Settings& start_;
  const Budget& budget_;
  const PhaseProgress& progress_;
  Limits limits_;
  std::vector<AutoRow> rows_;
  size_t base_ = 0;  // the row whose options the layers are combined with
  std::vector<Stage> way_;
};

}  // namespace

AutoResult auto_search(const std::string& model_path, const std::string& calibration_folder,
                       const Settings& settings, const AutoOptions& options, const PhaseProgress& progress) {
  AutoJudge judge(model_path, calibration_folder, settings, options.judge_images,
                  [&](size_t done, size_t total) { progress("calibrate", done, total); });
  AutoJournal journal(options.journal, judge.inputs(),
                      {judge.graph().outputs.size(), has_cost_model(settings.target), engine::float_path()});
  Trials trials(judge, journal);
  AutoResult result = Search(judge, trials, settings, options.budget, progress).run();
  journal.finish();
  result.notes = journal.notes();
  if (judge.judges_were_fitted()) {
    result.notes.push_back(
        "all images of the folder are calibrated on, so --auto judged on them too; more images, or fewer "
        "calibration-images, would give an independent judgement");
  }
  return result;
}

}  // namespace shrike::quantize
