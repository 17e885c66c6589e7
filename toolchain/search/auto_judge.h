// Judges settings and plans for the search: by the outputs of the integer runtime on calibration images that
// no fit has seen, and by what the chip is estimated to take.
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "toolchain/integer/reference.h"
#include "toolchain/pipeline/steps.h"
#include "toolchain/search/budget.h"

namespace shrike::quantize {

struct Judgement {
  bool feasible = true;  // false: the target can't hold it; nothing else is set then
  // Noise to signal of the outputs (measure/noise.h), their mean: the same figure for every head, and the one
  // that the summary of `quantize` prints.
  double error = 0;
  std::vector<double> noise;  // of every output
  Cost cost;
  int requantize_nodes = 0;
};

class AutoJudge {
 public:
  // Loads the model and chooses images: those that `settings` fits on, and `judge_images` others. When the
  // folder has no others, the judges are the fitted ones (judges_were_fitted).
  AutoJudge(const std::string& model_path, const std::string& calibration_folder, const Settings& settings,
            int judge_images, std::function<void(size_t done, size_t total)> calibrating);

  // Rescaled once something was judged.
  const graph::Graph& graph() const { return draft_->graph; }
  bool judges_were_fitted() const { return judges_were_fitted_; }
  // SHA-256 of the model, the settings and the images: of all that judgements depend on.
  const std::string& inputs() const { return inputs_; }

  // The whole pipeline, as `shrike quantize` runs it.
  Judgement judge_fitted(const Settings& settings);
  // Formats chosen and weights rounded to nearest, nothing else: fast, and enough to drop what is far worse.
  Judgement judge_rounded(const Settings& settings);
  // What the pipeline gives for `settings`, with further layers moved to 16 bit: their weights are rounded
  // anew, all other weights and all corrections stay. Judged in parallel; `consume` is called in order.
  void judge_widened(const Settings& settings, const std::vector<std::vector<std::string>>& layer_sets,
                     const std::function<void(size_t index, const Judgement&)>& consume);

 private:
  struct Fit {
    Settings settings;
    Plan plan;
  };

  const Draft& measured();  // Part::kNetwork is done
  const Reference& reference();
  const Fit& fit(const Settings& settings);
  Plan widen(const Fit& fit, const std::vector<std::string>& layers) const;
  Judgement judge(const Plan& plan, const Settings& settings) const;

  Settings settings_;
  std::optional<Draft> draft_;  // its plan is the latest fit's
  bool measured_ = false;
  std::vector<std::string> judge_images_;
  bool judges_were_fitted_ = false;
  std::string inputs_;
  std::function<void(size_t, size_t)> calibrating_;
  std::optional<Reference> reference_;
  std::optional<Fit> fit_;  // the latest
};

}  // namespace shrike::quantize
