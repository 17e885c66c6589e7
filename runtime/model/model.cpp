#include "shrike/model.h"

#include "format/schema.h"
#include "format/verify.h"
#include "kernels/kernels.h"
#include "model/loader.h"
#include "model/view.h"
#include "ops/parallel.h"

namespace shrike {
namespace {

bool aligned(const void* memory) {
  return reinterpret_cast<uintptr_t>(memory) % 16 == 0;
}

Status check_arguments(const void* arena, const ModelOptions& options) {
  if (options.operators == nullptr) {
    return make_status(StatusCode::kBadArgument, "no operators given: name a set in ModelOptions::operators");
  }
  if (options.kernels == nullptr) {
    return make_status(StatusCode::kBadArgument, "no kernels given: name a table in ModelOptions::kernels");
  }
  if (arena == nullptr) return make_status(StatusCode::kBadArgument, "no arena given");
  if (!aligned(arena)) return make_status(StatusCode::kBadArgument, "the arena is not 16-byte aligned");
  if (!aligned(options.internal.data)) {
    return make_status(StatusCode::kBadArgument, "the internal memory is not 16-byte aligned");
  }
  if (options.internal.data == nullptr && options.internal.bytes > 0) {
    return make_status(StatusCode::kBadArgument, "the internal memory has a size but no address");
  }
  return {};
}

Text metadata_of(format::Vector metadata, const char* key) {
  for (uint32_t i = 0; i < metadata.size; ++i) {
    const format::Table pair = metadata.table(i);
    if (pair.text(format::key_value_slot::kKey) == key) return pair.text(format::key_value_slot::kValue);
  }
  return {};
}

// The chip that the file names, the one asked for, or, when nobody says, esp32p4.
Status choose_chip(const ModelOptions& options, ModelState& state) {
  const Text name = metadata_of(state.metadata, "target");
  const Chip* named = find_chip(name);
  const Chip* wanted = options.target == Target::kOfFile ? nullptr : &chip_of(options.target);
  if (wanted == nullptr && name.size > 0 && named == nullptr) {
    return make_status(StatusCode::kWrongTarget, "the file is made for a chip that is not known here");
  }
  if (wanted != nullptr && name.size > 0 && named != wanted && !options.force_target) {
    return make_status(StatusCode::kWrongTarget, "the file is made for another chip than the one asked for");
  }
  state.target_assumed = wanted == nullptr && named == nullptr;
  state.chip = wanted != nullptr ? wanted : named != nullptr ? named : &chip_of(kDefaultTarget);
  return {};
}

Status load_into(Loader& loader, const format::Payload& payload) {
  ModelState* state = static_cast<ModelState*>(loader.arena.keep(sizeof(ModelState), Arena::kAlignment));
  if (state == nullptr) return loader.out_of_memory();
  *state = ModelState{};
  loader.state = state;
  state->metadata = format::Table{format::follow(payload.data)}.vector(format::model_slot::kMetadata);
  SHRIKE_RETURN_IF_ERROR(choose_chip(loader.options, *state));
  state->kernels = loader.options.kernels;
  state->workers = loader.options.workers != nullptr ? loader.options.workers : calling_thread();
  SHRIKE_RETURN_IF_ERROR(build_tables(loader, payload));
  SHRIKE_RETURN_IF_ERROR(prepare_nodes(loader));
  return plan_memory(loader);
}

}  // namespace

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

void run_node(ModelState& state, const NodeState& node, const int8_t* table) {
  if (node.skip) return;
  Run run = {};
  run.inputs = node.inputs;
  run.input_count = node.input_count;
  run.outputs = node.outputs;
  run.output_count = node.output_count;
  run.parameters = node.parameters;
  run.scratch = state.scratch;
  run.workers = state.workers;
  run.kernels = state.kernels;
  run.saturated = &state.saturated;
  run.table = table;
  node.op->run(run);
}

Status Model::load(const void* file, size_t file_bytes, void* arena, size_t arena_bytes,
                   const ModelOptions& options) {
  state_ = nullptr;
  SHRIKE_RETURN_IF_ERROR(check_arguments(arena, options));
  format::Payload payload;
  SHRIKE_RETURN_IF_ERROR(format::open_container(file, file_bytes, &payload));
  Status status = format::verify_payload(payload);
  if (!status.ok()) {
    status.offset += static_cast<uint32_t>(payload.data - static_cast<const uint8_t*>(file));
    return status;
  }

  Loader loader;
  loader.options = options;
  loader.memory = static_cast<uint8_t*>(arena);
  loader.arena = Arena(arena, arena_bytes);
  status = load_into(loader, payload);
  if (status.ok()) {
    state_ = loader.state;
  } else if (status.code == StatusCode::kArenaTooSmall && !loader.measured) {
    const uint64_t estimate = estimate_arena(payload, *options.kernels);
    if (status.needed < estimate) status.needed = estimate;
  }
  return status;
}

Status Model::run() {
  if (state_ == nullptr) return make_status(StatusCode::kBadArgument, "no model is loaded");
  for (int32_t i = 0; i < state_->node_count; ++i) {
    const NodeState& node = state_->nodes[i];
    const int8_t* table = node.follower < 0 ? nullptr : state_->nodes[node.follower].table_8;
    if (!node.left_out) run_node(*state_, node, table);
  }
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

Text Model::metadata(const char* key) const {
  return state_ == nullptr ? Text{} : metadata_of(state_->metadata, key);
}

Target Model::target() const {
  return state_ == nullptr ? kDefaultTarget : state_->chip->target;
}

bool Model::target_assumed() const {
  return state_ != nullptr && state_->target_assumed;
}

Rounding Model::rounding() const {
  return rounding_of(target());
}

Text Model::graph_name() const {
  return state_ == nullptr ? Text{} : state_->graph_name;
}

MemoryReport Model::memory() const {
  return state_ == nullptr ? MemoryReport{} : state_->memory;
}

}  // namespace shrike
