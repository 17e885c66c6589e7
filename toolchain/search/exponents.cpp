#include "toolchain/search/exponents.h"

#include <algorithm>

#include "toolchain/espdl/writer.h"
#include "toolchain/formats/materialize.h"
#include "toolchain/pipeline/recipe.h"
#include "toolchain/rounding/round_weights.h"

namespace shrike::quantize {
namespace {

struct Candidate {
  int group = 0;
  int step = 0;  // -1 finer, +1 coarser
  double noise = 0;
};

}  // namespace

SearchReport search_exponents(const graph::Graph& graph, const Statistics& statistics,
                              const Reference& reference, Target target, const FormatOptions& options,
                              Plan& plan, const ProgressCallback& progress) {
  const FormatGroups groups = find_groups(graph);
  std::vector<Candidate> candidates;
  for (size_t i = 0; i < groups.members.size(); ++i) {
    const std::string& root = groups.members[i].front();
    const graph::Format& format = plan.formats.at(root);
    if (format.bits != 8 || options.fixed_exponents.contains(root)) continue;
    const TensorStatistics& tensor = statistics.at(root);
    const double now = tensor.noise_to_signal(format.exponent);
    for (const int step : {-1, 1}) {
      const double then = tensor.noise_to_signal(format.exponent + step);
      if (then < recipe::kOpenNoise * now + 1e-7)
        candidates.push_back({static_cast<int>(i), step, std::max(now, then)});
    }
  }
  std::stable_sort(candidates.begin(), candidates.end(),
                   [](const Candidate& a, const Candidate& b) { return a.noise > b.noise; });

  SearchReport report;
  report.loss_before = report.loss_after = output_loss(graph, plan, target, reference);
  size_t done = 0;
  for (const Candidate& candidate : candidates) {
    Plan trial = plan;
    for (const std::string& member : groups.members[candidate.group])
      trial.formats[member].exponent += candidate.step;
    round_weights(graph, target, options, trial);
    progress(++done, candidates.size());
    if (!espdl::meets_constraints(materialize(graph, trial, target), target)) continue;
    const double loss = output_loss(graph, trial, target, reference);
    ++report.trials;
    if (loss < report.loss_after * (1 - recipe::kExponentGain)) {
      plan = std::move(trial);
      report.loss_after = loss;
      ++report.changes;
    }
  }
  return report;
}

}  // namespace shrike::quantize
