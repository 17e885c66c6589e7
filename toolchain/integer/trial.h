// Trials: a plan turned into bytes and loaded by the integer runtime. What the quantiser decides by trial is
// decided by the arithmetic of the chip.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "toolchain/espdl/writer.h"
#include "toolchain/formats/plan.h"
#include "toolchain/integer/network.h"

namespace shrike::quantize {

class TrialNetwork {
 public:
  // `materialized`: a graph with formats and integers (formats/materialize.h). KeepTensors::kAll for what
  // IntegerNetwork says. `threads`: 0 for all cores.
  TrialNetwork(graph::Graph materialized, Target target, KeepTensors keep, int threads);
  // The same network once more, with tensors of its own; the graph is shared.
  TrialNetwork(const TrialNetwork& other);

  // Runs the network on a float input (values in logical order).
  void run(const std::vector<float>& input);
  void run_nodes(const std::vector<int32_t>& nodes);  // by index in program().nodes

  // Takes over the biases of a plan that differs in nothing else; cheaper than a new network.
  void set_biases(const Plan& plan);

  // False for variables that lowering merged away.
  bool has(const std::string& tensor) const { return network().find(tensor) != nullptr; }
  // Real values of a variable of the materialized graph, in logical order.
  engine::Array values(const std::string& tensor) const { return network().values(tensor); }
  const graph::Graph& graph() const { return *graph_; }
  const espdl::Program& program() const { return program_; }
  IntegerNetwork& network() { return *network_; }
  const IntegerNetwork& network() const { return *network_; }

 private:
  void load();

  std::shared_ptr<const graph::Graph> graph_;
  Target target_;
  espdl::Program program_;
  host::IntegerOptions options_;
  std::optional<IntegerNetwork> network_;
};

// `count` of one thread each, for as many images at once.
std::vector<std::unique_ptr<TrialNetwork>> trial_networks(graph::Graph materialized, Target target,
                                                          KeepTensors keep, int count);

}  // namespace shrike::quantize
