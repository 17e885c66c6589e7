#include "format/schema.h"
#include "model/decode.h"
#include "model/loader.h"

namespace shrike {
namespace {

using namespace format;

// Larger graphs would make quadratic steps of loading too slow; real ones have hundreds of nodes.
constexpr uint32_t kMaxNodes = 1 << 15;
constexpr uint32_t kMaxTensors = 1 << 17;

struct ValueNames {
  Vector values;
  Text operator()(int32_t index) const {
    return values.table(static_cast<uint32_t>(index)).text(value_slot::kName);
  }
};

template <typename T>
bool keep_array(Loader& loader, T** array, uint64_t count) {
  *array = static_cast<T*>(loader.arena.keep(count * sizeof(T), alignof(T) < 16 ? 16 : alignof(T)));
  return *array != nullptr;
}

Status count_and_allocate(Loader& loader, const Source& source) {
  uint64_t variables = source.inputs.size, operands = 0;
  if (source.nodes.size > kMaxNodes) return make_status(StatusCode::kCorrupt, "the graph has too many nodes");
  for (uint32_t i = 0; i < source.nodes.size; ++i) {
    const Vector outputs = source.nodes.table(i).vector(node_slot::kOutputs);
    for (uint32_t j = 0; j < outputs.size; ++j) variables += outputs.text(j).size > 0;
    operands += source.nodes.table(i).vector(node_slot::kInputs).size + outputs.size;
  }
  const uint64_t tensors = variables + source.initializers.size;
  if (tensors > kMaxTensors || operands > kMaxTensors || source.outputs.size > kMaxTensors ||
      source.values.size > kMaxTensors) {
    return make_status(StatusCode::kCorrupt, "the graph has too many tensors");
  }
  ModelState& state = *loader.state;
  state.variable_count = static_cast<int32_t>(variables);
  state.tensor_count = static_cast<int32_t>(tensors);
  state.input_count = static_cast<int32_t>(source.inputs.size);
  state.output_count = static_cast<int32_t>(source.outputs.size);
  state.node_count = static_cast<int32_t>(source.nodes.size);
  if (!keep_array(loader, &state.tensors, tensors + 1) || !keep_array(loader, &state.placements, variables) ||
      !keep_array(loader, &state.outputs, source.outputs.size) ||
      !keep_array(loader, &state.nodes, source.nodes.size)) {
    return loader.out_of_memory();
  }
  for (uint64_t i = 0; i <= tensors; ++i) state.tensors[i] = Tensor{};
  return {};
}

Status at_node(Status status, uint32_t node) {
  status.node = static_cast<int32_t>(node);
  return status;
}

// Graph inputs: everything from their own entries, which are the only stored shapes that count.
Status read_inputs(ModelState& state, const Source& source) {
  for (uint32_t i = 0; i < source.inputs.size; ++i) {
    const Table value = source.inputs.table(i);
    SHRIKE_RETURN_IF_ERROR(decode_variable(value, &state.tensors[i]));
    SHRIKE_RETURN_IF_ERROR(decode_shape(value, &state.tensors[i].shape));
    if (state.tensors[i].name.size == 0)
      return make_status(StatusCode::kCorrupt, "graph input without a name");
  }
  return {};
}

// Node outputs: type and exponent from value_info, names from the nodes.
Status read_node_outputs(Loader& loader, const Source& source) {
  ModelState& state = *loader.state;
  const uint64_t mark = loader.arena.temporary_mark();
  int32_t* order = static_cast<int32_t*>(loader.arena.temporary(source.values.size * sizeof(int32_t)));
  if (order == nullptr) return loader.out_of_memory();
  const NameIndex<ValueNames> values(order, static_cast<int32_t>(source.values.size), {source.values});
  Tensor* next = state.tensors + state.input_count;
  for (uint32_t i = 0; i < source.nodes.size; ++i) {
    const Vector outputs = source.nodes.table(i).vector(node_slot::kOutputs);
    for (uint32_t j = 0; j < outputs.size; ++j) {
      if (outputs.text(j).size == 0) continue;
      const int32_t value = values.find(outputs.text(j));
      if (value < 0) {
        return make_status(StatusCode::kUnknownTensor, "a node output has no value_info entry",
                           static_cast<int32_t>(i));
      }
      const Status status = decode_variable(source.values.table(static_cast<uint32_t>(value)), next);
      if (!status.ok()) return at_node(status, i);
      next->name = outputs.text(j);
      ++next;
    }
  }
  loader.arena.release_temporary(mark);
  return {};
}

Status read_initializers(ModelState& state, const Source& source) {
  for (uint32_t i = 0; i < source.initializers.size; ++i) {
    SHRIKE_RETURN_IF_ERROR(
        decode_tensor(source.initializers.table(i), state.tensors + state.variable_count + i));
  }
  return {};
}

Status index_names(Loader& loader) {
  ModelState& state = *loader.state;
  int32_t* order = static_cast<int32_t*>(
      loader.arena.temporary(static_cast<uint64_t>(state.tensor_count) * sizeof(int32_t)));
  if (order == nullptr) return loader.out_of_memory();
  loader.names = NameIndex<TensorNames>(order, state.tensor_count, {state.tensors});
  if (loader.names.duplicate() >= 0) {
    return make_status(StatusCode::kDuplicateTensor, "two inputs, node outputs or initializers share a name");
  }
  return {};
}

// Resolves operand names; `next_output` is the first variable that this node or a later one produces.
Status link_node(Loader& loader, const Table& table, NodeState& node, int32_t* next_output) {
  ModelState& state = *loader.state;
  const Vector inputs = table.vector(node_slot::kInputs), outputs = table.vector(node_slot::kOutputs);
  node.table = table;
  node.name = table.text(node_slot::kName);
  node.type = table.text(node_slot::kOpType);
  node.input_count = static_cast<int32_t>(inputs.size);
  node.output_count = static_cast<int32_t>(outputs.size);
  if (!keep_array(loader, &node.inputs, inputs.size) || !keep_array(loader, &node.outputs, outputs.size)) {
    return loader.out_of_memory();
  }
  for (uint32_t i = 0; i < inputs.size; ++i) {
    const Text name = inputs.text(i);
    const int32_t index = name.size == 0 ? state.tensor_count : loader.names.find(name);
    if (index < 0)
      return make_status(StatusCode::kUnknownTensor, "a node reads a tensor that nothing produces");
    if (index < state.variable_count && index >= *next_output) {
      return make_status(StatusCode::kUnknownTensor, "a node reads a tensor that only a later node produces");
    }
    node.inputs[i] = state.tensors + index;
  }
  for (uint32_t i = 0; i < outputs.size; ++i) {
    node.outputs[i] = outputs.text(i).size == 0 ? state.absent() : state.tensors + (*next_output)++;
  }
  return {};
}

const Operator* find_operator(const OperatorSet& set, Text type) {
  for (int32_t i = 0; i < set.count; ++i) {
    if (type == set.operators[i]->type) return set.operators[i];
  }
  return nullptr;
}

Status link_nodes(Loader& loader, const Source& source) {
  ModelState& state = *loader.state;
  const OperatorSet& operators = *loader.options.operators;
  int32_t next_output = state.input_count;
  for (uint32_t i = 0; i < source.nodes.size; ++i) {
    NodeState& node = state.nodes[i];
    const Status status = link_node(loader, source.nodes.table(i), node, &next_output);
    if (!status.ok()) return at_node(status, i);
    node.op = find_operator(operators, node.type);
    if (node.op == nullptr) {
      return make_status(StatusCode::kUnsupportedOperator, "no such operator in the set given",
                         static_cast<int32_t>(i));
    }
  }
  for (uint32_t i = 0; i < source.outputs.size; ++i) {
    const int32_t index = loader.names.find(source.outputs.table(i).text(value_slot::kName));
    if (index < 0) return make_status(StatusCode::kUnknownTensor, "a graph output is produced by nothing");
    state.outputs[i] = state.tensors + index;
  }
  return {};
}

Status read_tests(Loader& loader, const Source& source) {
  ModelState& state = *loader.state;
  const Vector inputs = source.graph.vector(graph_slot::kTestInputs);
  const Vector outputs = source.graph.vector(graph_slot::kTestOutputs);
  const uint64_t count = uint64_t{inputs.size} + outputs.size;
  if (count > kMaxTensors) return make_status(StatusCode::kCorrupt, "the graph has too many test values");
  if (!keep_array(loader, &state.test_tensors, count)) return loader.out_of_memory();
  state.test_input_count = static_cast<int32_t>(inputs.size);
  state.test_output_count = static_cast<int32_t>(outputs.size);
  for (uint32_t i = 0; i < count; ++i) {
    state.test_tensors[i] = Tensor{};
    const Table table = i < inputs.size ? inputs.table(i) : outputs.table(i - inputs.size);
    SHRIKE_RETURN_IF_ERROR(decode_tensor(table, &state.test_tensors[i]));
  }
  return {};
}

}  // namespace

Status Loader::out_of_memory() const {
  Status status = make_status(StatusCode::kArenaTooSmall, "the arena is too small");
  status.needed = arena.needed();
  return status;
}

Source source_of(const Payload& payload) {
  Source source;
  source.graph = Table{follow(payload.data)}.table(model_slot::kGraph);
  source.nodes = source.graph.vector(graph_slot::kNodes);
  source.initializers = source.graph.vector(graph_slot::kInitializers);
  source.inputs = source.graph.vector(graph_slot::kInputs);
  source.outputs = source.graph.vector(graph_slot::kOutputs);
  source.values = source.graph.vector(graph_slot::kValueInfo);
  return source;
}

Status build_tables(Loader& loader, const Payload& payload) {
  const Source source = source_of(payload);
  if (!source.graph.present()) return make_status(StatusCode::kCorrupt, "the file holds no graph");
  SHRIKE_RETURN_IF_ERROR(count_and_allocate(loader, source));
  ModelState& state = *loader.state;
  state.graph_name = source.graph.text(graph_slot::kName);
  SHRIKE_RETURN_IF_ERROR(read_inputs(state, source));
  SHRIKE_RETURN_IF_ERROR(read_node_outputs(loader, source));
  SHRIKE_RETURN_IF_ERROR(read_initializers(state, source));
  SHRIKE_RETURN_IF_ERROR(index_names(loader));
  SHRIKE_RETURN_IF_ERROR(link_nodes(loader, source));
  SHRIKE_RETURN_IF_ERROR(read_tests(loader, source));
  loader.table_end = loader.arena.bottom();
  return {};
}

}  // namespace shrike
