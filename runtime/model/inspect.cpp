#include "shrike/inspect.h"

#include "model/view.h"

namespace shrike {

Status InspectableModel::run_node(int32_t index) {
  if (state_ == nullptr) return make_status(StatusCode::kBadArgument, "no model is loaded");
  if (!within(index, state_->node_count)) return make_status(StatusCode::kBadArgument, "no such node", index);
  shrike::run_node(*state_, state_->nodes[index], nullptr);
  return {};
}

int32_t InspectableModel::node_count() const {
  return state_ == nullptr ? 0 : state_->node_count;
}

Text InspectableModel::node_name(int32_t node) const {
  return within(node, node_count()) ? state_->nodes[node].name : Text{};
}

Text InspectableModel::node_type(int32_t node) const {
  return within(node, node_count()) ? state_->nodes[node].type : Text{};
}

int32_t InspectableModel::node_input_count(int32_t node) const {
  return within(node, node_count()) ? state_->nodes[node].input_count : 0;
}

int32_t InspectableModel::node_output_count(int32_t node) const {
  return within(node, node_count()) ? state_->nodes[node].output_count : 0;
}

TensorView InspectableModel::node_input(int32_t node, int32_t index) const {
  return within(index, node_input_count(node)) ? view(*state_->nodes[node].inputs[index]) : TensorView{};
}

TensorView InspectableModel::node_output(int32_t node, int32_t index) const {
  return within(index, node_output_count(node)) ? view(*state_->nodes[node].outputs[index]) : TensorView{};
}

uint64_t InspectableModel::node_macs(int32_t node) const {
  return within(node, node_count()) ? state_->nodes[node].macs : 0;
}

int32_t InspectableModel::variable_count() const {
  return state_ == nullptr ? 0 : state_->variable_count;
}

TensorView InspectableModel::variable(int32_t index) const {
  return within(index, variable_count()) ? view(state_->tensors[index]) : TensorView{};
}

TensorView InspectableModel::variable(const char* name) const {
  for (int32_t i = 0; i < variable_count(); ++i) {
    if (state_->tensors[i].name == name) return view(state_->tensors[i]);
  }
  return {};
}

TensorPlacement InspectableModel::placement(int32_t variable) const {
  return within(variable, variable_count()) ? state_->placements[variable] : TensorPlacement{};
}

int32_t InspectableModel::test_input_count() const {
  return state_ == nullptr ? 0 : state_->test_input_count;
}

TensorView InspectableModel::test_input(int32_t index) const {
  return within(index, test_input_count()) ? view(state_->test_tensors[index]) : TensorView{};
}

int32_t InspectableModel::test_output_count() const {
  return state_ == nullptr ? 0 : state_->test_output_count;
}

TensorView InspectableModel::test_output(int32_t index) const {
  return within(index, test_output_count()) ? view(state_->test_tensors[state_->test_input_count + index])
                                            : TensorView{};
}

uint64_t InspectableModel::saturated_accumulators() const {
  return state_ == nullptr ? 0 : state_->saturated.sums;
}

uint64_t InspectableModel::saturated_multiply_adds() const {
  return state_ == nullptr ? 0 : state_->saturated.multiply_adds;
}

void InspectableModel::add_saturated(const InspectableModel& other) {
  if (state_ != nullptr && other.state_ != nullptr) state_->saturated.add(other.state_->saturated);
}

}  // namespace shrike
