#include "shrike/model.h"

#include "format/schema.h"
#include "format/verify.h"
#include "kernels/kernels.h"
#include "model/loader.h"

namespace shrike {
namespace {

class CallingThread final : public WorkerPool {
 public:
  constexpr CallingThread() = default;
  int threads() const override { return 1; }
  void run(void (*task)(void* argument, int index), void* argument, int count) override {
    for (int i = 0; i < count; ++i) task(argument, i);
  }
};

constinit CallingThread calling_thread;

TensorView view(const Tensor& tensor) {
  TensorView result;
  result.name = tensor.name;
  result.type = tensor.type;
  result.shape = tensor.shape;
  result.exponent = tensor.exponent;
  result.data = tensor.data;
  result.bytes = tensor.present() ? tensor.bytes() : 0;
  return result;
}

bool within(int32_t index, int32_t count) {
  return index >= 0 && index < count;
}

Status check_arguments(const void* arena, uint64_t arena_bytes, const ModelOptions& options) {
  if (arena == nullptr) return make_status(StatusCode::kBadArgument, "no arena given");
  if (reinterpret_cast<uintptr_t>(arena) % 16 != 0) {
    return make_status(StatusCode::kBadArgument, "the arena is not 16-byte aligned");
  }
  if (options.internal_bytes % 16 != 0) {
    return make_status(StatusCode::kBadArgument, "the size of the fast pool is not a multiple of 16");
  }
  if (options.internal_bytes > arena_bytes) {
    Status status = make_status(StatusCode::kArenaTooSmall, "the arena is smaller than its fast pool");
    status.needed = options.internal_bytes + sizeof(ModelState) + Arena::kAlignment;
    return status;
  }
  return {};
}

}  // namespace

Status Model::load(const void* file, size_t file_bytes, void* arena, size_t arena_bytes,
                   const ModelOptions& options) {
  state_ = nullptr;
  SHRIKE_RETURN_IF_ERROR(check_arguments(arena, arena_bytes, options));
  format::Payload payload;
  SHRIKE_RETURN_IF_ERROR(format::open_container(file, file_bytes, &payload));
  Status status = format::verify_payload(payload);
  if (!status.ok()) {
    status.offset += static_cast<uint32_t>(payload.data - static_cast<const uint8_t*>(file));
    return status;
  }

  Loader loader;
  loader.options = options;
  loader.arena =
      Arena(static_cast<uint8_t*>(arena) + options.internal_bytes, arena_bytes - options.internal_bytes);
  ModelState* state = static_cast<ModelState*>(loader.arena.keep(sizeof(ModelState), Arena::kAlignment));
  if (state == nullptr) return loader.out_of_memory();
  *state = ModelState{};
  state->chip = &chip_of(options.target);
  state->kernels = options.kernels != nullptr ? options.kernels : kLinkedKernels;
  state->workers = options.workers != nullptr ? options.workers : &calling_thread;
  loader.state = state;
  SHRIKE_RETURN_IF_ERROR(build_tables(loader, payload));
  SHRIKE_RETURN_IF_ERROR(prepare_nodes(loader));
  SHRIKE_RETURN_IF_ERROR(plan_memory(loader));
  state_ = state;
  return {};
}

Status Model::run() {
  if (state_ == nullptr) return make_status(StatusCode::kBadArgument, "no model is loaded");
  for (int32_t i = 0; i < state_->node_count; ++i) SHRIKE_RETURN_IF_ERROR(run_node(i));
  return {};
}

Status Model::run_node(int32_t index) {
  if (state_ == nullptr) return make_status(StatusCode::kBadArgument, "no model is loaded");
  if (!within(index, state_->node_count)) return make_status(StatusCode::kBadArgument, "no such node", index);
  const NodeState& node = state_->nodes[index];
  if (node.skip) return {};
  Run run = {};
  run.inputs = node.inputs;
  run.input_count = node.input_count;
  run.outputs = node.outputs;
  run.output_count = node.output_count;
  run.parameters = node.parameters;
  run.scratch = state_->scratch;
  run.workers = state_->workers;
  run.kernels = state_->kernels;
  run.saturated = &state_->saturated;
  node.op->run(run);
  return {};
}

void Model::reset() {
  if (state_ == nullptr) return;
  state_->saturated = {};
  for (int32_t i = 0; i < state_->node_count; ++i) {
    const NodeState& node = state_->nodes[i];
    if (node.op->reset != nullptr) node.op->reset(node.parameters);
  }
}

int32_t Model::node_count() const {
  return state_ == nullptr ? 0 : state_->node_count;
}

Text Model::node_name(int32_t node) const {
  return within(node, node_count()) ? state_->nodes[node].name : Text{};
}

Text Model::node_type(int32_t node) const {
  return within(node, node_count()) ? state_->nodes[node].type : Text{};
}

int32_t Model::node_input_count(int32_t node) const {
  return within(node, node_count()) ? state_->nodes[node].input_count : 0;
}

int32_t Model::node_output_count(int32_t node) const {
  return within(node, node_count()) ? state_->nodes[node].output_count : 0;
}

TensorView Model::node_input(int32_t node, int32_t index) const {
  return within(index, node_input_count(node)) ? view(*state_->nodes[node].inputs[index]) : TensorView{};
}

TensorView Model::node_output(int32_t node, int32_t index) const {
  return within(index, node_output_count(node)) ? view(*state_->nodes[node].outputs[index]) : TensorView{};
}

uint64_t Model::node_macs(int32_t node) const {
  return within(node, node_count()) ? state_->nodes[node].macs : 0;
}

int32_t Model::input_count() const {
  return state_ == nullptr ? 0 : state_->input_count;
}

TensorView Model::input(int32_t index) const {
  return within(index, input_count()) ? view(state_->tensors[index]) : TensorView{};
}

int32_t Model::output_count() const {
  return state_ == nullptr ? 0 : state_->output_count;
}

TensorView Model::output(int32_t index) const {
  return within(index, output_count()) ? view(*state_->outputs[index]) : TensorView{};
}

TensorView Model::output(const char* name) const {
  for (int32_t i = 0; i < output_count(); ++i) {
    if (state_->outputs[i]->name == name) return view(*state_->outputs[i]);
  }
  return {};
}

int32_t Model::variable_count() const {
  return state_ == nullptr ? 0 : state_->variable_count;
}

TensorView Model::variable(int32_t index) const {
  return within(index, variable_count()) ? view(state_->tensors[index]) : TensorView{};
}

TensorView Model::variable(const char* name) const {
  for (int32_t i = 0; i < variable_count(); ++i) {
    if (state_->tensors[i].name == name) return view(state_->tensors[i]);
  }
  return {};
}

Model::Placement Model::placement(int32_t variable) const {
  return within(variable, variable_count()) ? state_->placements[variable] : Placement{};
}

int32_t Model::test_input_count() const {
  return state_ == nullptr ? 0 : state_->test_input_count;
}

TensorView Model::test_input(int32_t index) const {
  return within(index, test_input_count()) ? view(state_->test_tensors[index]) : TensorView{};
}

int32_t Model::test_output_count() const {
  return state_ == nullptr ? 0 : state_->test_output_count;
}

TensorView Model::test_output(int32_t index) const {
  return within(index, test_output_count()) ? view(state_->test_tensors[state_->test_input_count + index])
                                            : TensorView{};
}

Text Model::metadata(const char* key) const {
  if (state_ == nullptr) return {};
  for (uint32_t i = 0; i < state_->metadata.size; ++i) {
    const format::Table pair = state_->metadata.table(i);
    if (pair.text(format::key_value_slot::kKey) == key) return pair.text(format::key_value_slot::kValue);
  }
  return {};
}

Text Model::graph_name() const {
  return state_ == nullptr ? Text{} : state_->graph_name;
}

MemoryReport Model::memory() const {
  return state_ == nullptr ? MemoryReport{} : state_->memory;
}

uint64_t Model::saturated_accumulators() const {
  return state_ == nullptr ? 0 : state_->saturated.sums;
}
uint64_t Model::saturated_multiply_adds() const {
  return state_ == nullptr ? 0 : state_->saturated.multiply_adds;
}
void Model::add_saturated(const Model& other) {
  if (state_ != nullptr && other.state_ != nullptr) state_->saturated.add(other.state_->saturated);
}

}  // namespace shrike
