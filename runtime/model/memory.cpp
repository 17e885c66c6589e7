#include "model/loader.h"
#include "plan/planner.h"

namespace shrike {
namespace {

// One variable's use, and the memory it belongs to. Variables that share memory form a group with one root.
struct Use {
  int32_t first;                    // producing node, -1: graph input
  int32_t last;                     // last node that reads it; node_count: graph output
  int32_t root;                     // variable whose memory this is, itself when not shared
  int32_t group_first, group_last;  // of the group, valid for roots
  int32_t readers;                  // nodes, one that reads it twice counted twice
  uint64_t traffic;                 // of the group
  int32_t buffer;                   // of the group
};

class Planner {
 public:
  Planner(Loader& loader, Use* uses, plan::Buffer* buffers)
      : loader_(loader), state_(*loader.state), uses_(uses), buffers_(buffers) {}

  void find_lifetimes() {
    for (int32_t i = 0; i < state_.variable_count; ++i) {
      uses_[i] = {-1, -1, i, 0, 0, 0, state_.tensors[i].bytes(), 0};
    }
    for (int32_t i = 0; i < state_.node_count; ++i) {
      const NodeState& node = state_.nodes[i];
      for (int32_t j = 0; j < node.output_count; ++j) {
        if (Use* use = use_of(node.outputs[j])) use->first = use->last = i;
      }
      for (int32_t j = 0; j < node.input_count; ++j) {
        if (Use* use = use_of(node.inputs[j])) {
          use->last = i;
          ++use->readers;
          use->traffic += node.inputs[j]->bytes();
        }
      }
    }
    for (int32_t i = 0; i < state_.output_count; ++i) {
      if (Use* use = use_of(state_.outputs[i])) use->last = state_.node_count;
    }
    for (int32_t i = 0; i < state_.variable_count; ++i) {
      if (loader_.options.keep == KeepTensors::kAll) {
        uses_[i].first = -1;
        uses_[i].last = state_.node_count;
      }
      uses_[i].group_first = uses_[i].first;
      uses_[i].group_last = uses_[i].last;
    }
  }

  void share_memory() {
    for (int32_t i = 0; i < state_.variable_count; ++i) state_.placements[i].shares_with = -1;
    if (loader_.options.keep == KeepTensors::kAll) return;
    for (int32_t i = 0; i < state_.node_count; ++i) {
      NodeState& node = state_.nodes[i];
      if (node.in_place == InPlace::kNo || node.input_count == 0 || node.output_count == 0) continue;
      Use* input = use_of(node.inputs[0]);
      Use* output = use_of(node.outputs[0]);
      if (input == nullptr || output == nullptr || node.inputs[0]->bytes() != node.outputs[0]->bytes())
        continue;
      if (node.in_place == InPlace::kOverwrite && !may_overwrite(node, i)) continue;
      Use& root = uses_[input->root];
      output->root = input->root;
      if (output->last > root.group_last) root.group_last = output->last;
      root.traffic +=
          node.in_place == InPlace::kAlias ? output->traffic - node.outputs[0]->bytes() : output->traffic;
      state_.placements[state_.index_of(node.outputs[0])].shares_with = state_.index_of(node.inputs[0]);
      node.skip = node.in_place == InPlace::kAlias;
    }
  }

  // A table that overwrites what a node computed for nobody else is left to that node, when the model runs as
  // a whole.
  void hand_over_tables() {
    for (int32_t i = 0; i < state_.node_count; ++i) {
      NodeState& node = state_.nodes[i];
      if (node.table_8 == nullptr || state_.placements[state_.index_of(node.outputs[0])].shares_with < 0)
        continue;
      const Use& input = *use_of(node.inputs[0]);
      if (input.first < 0 || input.readers != 1) continue;
      NodeState& producer = state_.nodes[input.first];
      if (!producer.takes_table || producer.outputs[0] != node.inputs[0]) continue;
      producer.follower = i;
      node.left_out = true;
    }
  }

  int32_t make_buffers() {
    int32_t count = 0;
    for (int32_t i = 0; i < state_.variable_count; ++i) {
      Use& use = uses_[i];
      if (use.root != i) continue;
      use.buffer = count;
      buffers_[count++] = {Arena::align(state_.tensors[i].bytes(), plan::kAlignment),
                           use.traffic,
                           use.group_first,
                           use.group_last,
                           0,
                           false};
    }
    return count;
  }

  // `external`: the pool's place relative to `arena`, the caller's memory.
  void place(uint8_t* arena, uint64_t external) {
    uint8_t* const internal = static_cast<uint8_t*>(loader_.options.internal.data);
    for (int32_t i = 0; i < state_.variable_count; ++i) {
      const plan::Buffer& buffer = buffers_[uses_[uses_[i].root].buffer];
      TensorPlacement& placement = state_.placements[i];
      placement.offset = (buffer.internal ? 0 : external) + buffer.offset;
      placement.bytes = state_.tensors[i].bytes();
      placement.first_node = uses_[i].first;
      placement.last_node = uses_[i].last;
      placement.internal = buffer.internal;
      state_.tensors[i].data = (buffer.internal ? internal : arena) + placement.offset;
    }
  }

 private:
  Use* use_of(const Tensor* tensor) const {
    return state_.is_variable(tensor) ? uses_ + state_.index_of(tensor) : nullptr;
  }

  // Nothing in input 0's memory is read after this node, nor by this node through another shape.
  bool may_overwrite(const NodeState& node, int32_t index) const {
    const int32_t root = use_of(node.inputs[0])->root;
    if (uses_[root].group_last > index) return false;
    for (int32_t i = 1; i < node.input_count; ++i) {
      const Use* other = use_of(node.inputs[i]);
      if (other != nullptr && other->root == root && node.inputs[i] != node.inputs[0]) return false;
    }
    return true;
  }

  Loader& loader_;
  ModelState& state_;
  Use* uses_;
  plan::Buffer* buffers_;
};

}  // namespace

Status plan_memory(Loader& loader) {
  ModelState& state = *loader.state;
  const uint64_t count = static_cast<uint64_t>(state.variable_count);
  loader.arena.release_temporary(0);
  const uint64_t kept = loader.arena.kept();
  Use* uses = static_cast<Use*>(loader.arena.temporary(count * sizeof(Use)));
  plan::Buffer* buffers = static_cast<plan::Buffer*>(loader.arena.temporary(count * sizeof(plan::Buffer)));
  void* workspace = loader.arena.temporary(plan::workspace_bytes(state.variable_count));
  if (uses == nullptr || buffers == nullptr || workspace == nullptr) {
    if (loader.measuring) return loader.out_of_memory();
    // Planning needs no parameters: measure on their memory.
    loader.measuring = true;
    loader.arena.forget(loader.table_end);
    return plan_memory(loader);
  }

  Planner planner(loader, uses, buffers);
  planner.find_lifetimes();
  planner.share_memory();
  planner.hand_over_tables();
  const int32_t buffer_count = planner.make_buffers();
  const plan::Result result =
      plan::make_plan(buffers, buffer_count, loader.options.internal.bytes, workspace);

  // From here on the planner's own memory may be handed out again: place() reads it, nothing is written
  // before.
  loader.arena.release_temporary(0);
  MemoryReport& memory = state.memory;
  memory.table_bytes = kept;
  memory.activation_bytes = result.external_bytes + result.internal_bytes;
  memory.internal_bytes = result.internal_bytes;
  memory.lower_bound = result.lower_bound;
  const uint64_t scratch_at = Arena::align(result.external_bytes, Arena::kAlignment);
  uint8_t* external = loader.arena.keep_raw(scratch_at + memory.scratch_bytes, Arena::kAlignment);
  loader.measured = true;
  if (external == nullptr || loader.measuring) return loader.out_of_memory();
  planner.place(loader.memory, static_cast<uint64_t>(external - loader.memory));
  state.scratch = external + scratch_at;
  memory.arena_bytes = loader.arena.needed();
  return {};
}

}  // namespace shrike
