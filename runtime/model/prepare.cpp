#include "model/decode.h"
#include "model/loader.h"

namespace shrike {
namespace {

// 16-bit kernels: by `quant_type` where it says so, else by the activations' types.
bool uses_16_bits(const Prepare& prepare) {
  const Text quant_type = prepare.attributes.text("quant_type");
  if (quant_type == "S8") return false;
  if (quant_type == "S16") return true;
  for (int32_t i = 0; i < prepare.input_count; ++i) {
    if (!prepare.inputs[i]->constant && prepare.inputs[i]->type == DataType::kInt16) return true;
  }
  return prepare.output_count > 0 && prepare.outputs[0]->type == DataType::kInt16;
}

Status check_outputs(const NodeState& node, const Tensor* absent) {
  for (int32_t i = 0; i < node.output_count; ++i) {
    if (node.outputs[i] != absent && !valid_shape(node.outputs[i]->shape)) {
      return make_status(StatusCode::kBadShape, "output shape is empty or too large");
    }
  }
  return {};
}

Status prepare_node(Loader& loader, int32_t index) {
  ModelState& state = *loader.state;
  NodeState& node = state.nodes[index];
  NodeContext context = {&loader, &node, index};
  Prepare prepare = {};
  prepare.chip = state.chip;
  prepare.rounding = state.chip->rounding;
  prepare.accumulators = loader.options.accumulators;
  prepare.kernels = state.kernels;
  prepare.threads = state.workers->threads();
  prepare.measuring = loader.measuring;
  prepare.input_count = node.input_count;
  prepare.inputs = node.inputs;
  prepare.output_count = node.output_count;
  prepare.outputs = node.outputs;
  prepare.attributes.owner = &prepare;
  prepare.internal = &context;
  prepare.is_16_bit = uses_16_bits(prepare);

  loader.exhausted = false;
  Status status = node.op->prepare(prepare);
  if (loader.exhausted) return loader.out_of_memory();
  if (!status.ok()) return status;
  if (loader.bad_attribute != nullptr) return make_status(StatusCode::kBadAttribute, loader.bad_attribute);
  SHRIKE_RETURN_IF_ERROR(check_outputs(node, state.absent()));
  *state.absent() = Tensor{};

  node.parameters = prepare.parameters;
  node.in_place = prepare.in_place;
  node.macs = prepare.macs;
  node.table_8 = prepare.table_8;
  node.takes_table = prepare.takes_table;
  node.follower = -1;
  if (prepare.scratch_bytes > state.memory.scratch_bytes) state.memory.scratch_bytes = prepare.scratch_bytes;
  return {};
}

}  // namespace

Status prepare_nodes(Loader& loader) {
  for (int32_t i = 0; i < loader.state->node_count; ++i) {
    const uint64_t mark = loader.arena.bottom();
    Status status = prepare_node(loader, i);
    if (status.code == StatusCode::kArenaTooSmall && !loader.measuring) {
      // Not even its part of the node is of use any more: the nodes before have theirs between `table_end`
      // and `mark`.
      loader.measuring = true;
      loader.arena.measure_from(mark);
      loader.arena.forget(loader.table_end);
      status = prepare_node(loader, i);
    }
    if (loader.measuring) loader.arena.forget(loader.table_end);
    if (!status.ok()) {
      status.node = i;
      return status;
    }
  }
  return {};
}

}  // namespace shrike
