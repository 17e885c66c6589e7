// Trial files: a plan turned into bytes, loaded by the integer runtime and compared with the float network.
// What the quantiser decides by trial is decided by the arithmetic of the chip.
#pragma once
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "toolchain/engine/engine.h"
#include "toolchain/espdl/writer.h"
#include "toolchain/formats/formats.h"
#include "toolchain/host/integer_model.h"

namespace shrike::quantize {

// A materialized plan loaded by the integer runtime, every tensor kept.
class IntegerNetwork {
 public:
  IntegerNetwork(const graph::Graph& graph, const Plan& plan, const Settings& settings, KeepTensors keep,
                 int threads);

  // Quantises a float input [1,3,H,W] (values in logical order) with the input's format and runs the network.
  void run(const std::vector<float>& input);

  // The same in steps, for runs that share their beginning: needs KeepTensors::kAll.
  void set_input(const std::vector<float>& input);
  void run_nodes(const std::vector<int32_t>& nodes);          // by index in program().nodes
  using State = std::map<std::string, std::vector<uint8_t>>;  // stored bytes of variables
  State save(const std::set<std::string>& variables) const;
  void restore(const State& state);

  // Takes over the biases of a plan that differs in nothing else; cheaper than a new network.
  void set_biases(const Plan& plan);

  // False for variables that lowering merged away.
  bool has(const std::string& tensor) const { return stored_.contains(tensor); }
  // Real values of a variable of the materialized graph, in logical order.
  engine::Array values(const std::string& tensor) const;
  const graph::Graph& graph() const { return graph_; }
  const espdl::Program& program() const { return program_; }
  InspectableModel& model() { return model_->model(); }
  uint64_t file_bytes() const { return file_bytes_; }

 private:
  void load();

  graph::Graph graph_;
  espdl::Program program_;
  std::map<std::string, const espdl::StoredValue*> stored_;
  std::unique_ptr<host::IntegerModel> model_;
  uint64_t file_bytes_ = 0;
  Target target_;
  host::IntegerOptions options_;
};

// Images in memory with the float network's outputs on them.
struct Reference {
  std::vector<std::vector<float>> inputs;
  std::vector<std::map<std::string, engine::Array>> outputs;
};
Reference make_reference(const graph::Graph& graph, const std::vector<std::string>& images,
                         const Settings& settings);

// How far the integer network's outputs are from the reference's. For detection heads the error is weighted
// by what matters to detections: logit errors by the probability of the class, side errors by the box's size
// and its score. For other graphs: mean noise-to-signal of the outputs.
double output_loss(const graph::Graph& graph, const Plan& plan, const Settings& settings,
                   const Reference& reference);

// Noise-to-signal power of every graph output, averaged over the reference's images, in the order of
// graph.outputs.
std::vector<double> output_noise(const graph::Graph& graph, const Plan& plan, const Settings& settings,
                                 const Reference& reference);

}  // namespace shrike::quantize
