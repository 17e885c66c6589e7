// The one list of steps between the prepared float graph and the plan. `quantize` runs all of them; the
// search (search/auto_judge.h) runs the first part once and the second again for every trial.
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "toolchain/formats/plan.h"
#include "toolchain/formats/statistics.h"
#include "toolchain/measure/feed.h"
#include "toolchain/pipeline/settings.h"
#include "toolchain/rounding/float_outputs.h"
#include "toolchain/transform/channel_groups.h"

namespace shrike::quantize {

struct Phase {
  std::string name;
  double seconds = 0;
};

// Told which phase runs and how far it is.
using PhaseProgress = std::function<void(const std::string& phase, size_t done, size_t total)>;

// What the steps work on.
struct Draft {
  graph::Graph graph;  // float, prepared
  Feed feed;           // the images that are fitted to
  Statistics statistics;
  Plan plan;
  std::optional<FloatOutputs> outputs = std::nullopt;  // of the images that correct biases
};

enum class Part {
  kNetwork,  // changes the float graph, measures it: graph and statistics
  kPlan,     // decides: plan
};

struct Step {
  const char* name;  // of the phase
  Part part;
  bool (*wanted)(const Settings&);
  void (*run)(Draft&, const Settings&, const ProgressCallback&);
};

// In the order in which they run.
const std::vector<Step>& steps();

// Runs the steps of a part that the settings want; `phases` receives what each took.
void run_steps(Part part, Draft& draft, const Settings& settings, const PhaseProgress& progress,
               std::vector<Phase>& phases);

// The first step of Part::kPlan alone: formats chosen, weights rounded to nearest.
Plan rounded_plan(const graph::Graph& graph, const Statistics& statistics, const Settings& settings);

// The float graph as the steps begin with it: imported, prepared, function-preserving transformations (groups
// of channels, split, equalisation) applied. `notes` receives what there is to tell about them; `groups` are
// those of a file, else the settings say whether any are chosen. Throws Error for names in the settings that
// the graph has not, and for what can't be quantised at all.
graph::Graph load_float_graph(const std::string& model_path, const Settings& settings,
                              std::vector<std::string>* notes = nullptr,
                              const std::optional<Grouping>& groups = std::nullopt);
// The same of a graph as it was imported.
graph::Graph prepare_float_graph(graph::Graph imported, const Settings& settings,
                                 std::vector<std::string>* notes = nullptr,
                                 const std::optional<Grouping>& groups = std::nullopt);

}  // namespace shrike::quantize
