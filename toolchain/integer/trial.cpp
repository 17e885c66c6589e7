#include "toolchain/integer/trial.h"

#include <cstring>

#include "toolchain/rounding/round_weights.h"

namespace shrike::quantize {

TrialNetwork::TrialNetwork(graph::Graph materialized, Target target, KeepTensors keep, int threads)
    : graph_(std::make_shared<const graph::Graph>(std::move(materialized))),
      target_(target),
      program_(espdl::lower(*graph_, target)) {
  options_.target = host::target_name(target);
  options_.keep = keep;
  options_.threads = threads;
  load();
}

TrialNetwork::TrialNetwork(const TrialNetwork& other)
    : graph_(other.graph_), target_(other.target_), program_(other.program_), options_(other.options_) {
  load();
}

void TrialNetwork::load() {
  network_.reset();  // the old tensors' memory serves the new ones
  network_.emplace(host::IntegerModel::from_bytes(espdl::serialize(program_), "trial", options_),
                   stored_variables(program_));
}

void TrialNetwork::run(const std::vector<float>& input) {
  network_->set_input(input);
  network_->run();
}

void TrialNetwork::run_nodes(const std::vector<int32_t>& nodes) {
  for (const int32_t node : nodes) network_->run_node(node);
}

void TrialNetwork::set_biases(const Plan& plan) {
  std::map<std::string, espdl::StoredTensor*> stored;
  for (espdl::StoredTensor& tensor : program_.initializers) stored[tensor.name] = &tensor;
  for (const graph::Node& node : graph_->nodes) {
    const auto code = plan.weights.find(node.name);
    if (code == plan.weights.end() || code->second.bias.empty()) continue;
    const std::vector<int64_t> integers =
        bias_integers(code->second, graph_->tensor(node.inputs[0]).format.exponent, target_);
    espdl::StoredTensor& tensor = *stored.at(node.inputs[2]);
    const size_t width = size_of(tensor.type);
    for (size_t n = 0; n < integers.size(); ++n)
      std::memcpy(&tensor.bytes[n * width], &integers[n], width);  // little-endian
  }
  load();
}

std::vector<std::unique_ptr<TrialNetwork>> trial_networks(graph::Graph materialized, Target target,
                                                          KeepTensors keep, int count) {
  std::vector<std::unique_ptr<TrialNetwork>> networks;
  networks.push_back(std::make_unique<TrialNetwork>(std::move(materialized), target, keep, 1));
  while (static_cast<int>(networks.size()) < count)
    networks.push_back(std::make_unique<TrialNetwork>(*networks[0]));
  return networks;
}

}  // namespace shrike::quantize
