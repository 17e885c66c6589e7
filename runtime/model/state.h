// What a loaded model consists of. Everything lives in the caller's arena.
#pragma once
#include "format/flat.h"
#include "ops/op.h"
#include "shrike/inspect.h"

namespace shrike {

struct NodeState {
  Text name;
  Text type;
  format::Table table;
  const Operator* op;
  Tensor** inputs;
  Tensor** outputs;
  int32_t input_count;
  int32_t output_count;
  void* parameters;
  uint64_t macs;
  InPlace in_place;
  bool skip;         // alias whose output already is the input's memory
  bool takes_table;  // as in Prepare, table_8 too
  bool left_out;     // done by the node before when the model runs as a whole
  int32_t follower;  // node that is left out since this one applies its table; -1: none
  const int8_t* table_8;
};

struct ModelState {
  // Variables first (graph inputs, then node outputs in order of production), then initializers, then one
  // absent tensor.
  Tensor* tensors;
  int32_t variable_count;
  int32_t tensor_count;
  int32_t input_count;  // graph inputs are variables 0..input_count-1
  Tensor** outputs;     // graph outputs
  int32_t output_count;
  NodeState* nodes;
  int32_t node_count;
  TensorPlacement* placements;  // [variable_count]

  Tensor* test_tensors;  // inputs, then outputs
  int32_t test_input_count;
  int32_t test_output_count;
  format::Vector metadata;
  Text graph_name;

  const Chip* chip;
  bool target_assumed;
  WorkerPool* workers;
  const KernelSet* kernels;
  void* scratch;
  SaturationCount saturated;
  MemoryReport memory;

  Tensor* absent() const { return tensors + tensor_count; }
  int32_t index_of(const Tensor* tensor) const { return static_cast<int32_t>(tensor - tensors); }
  bool is_variable(const Tensor* tensor) const {
    return tensor >= tensors && index_of(tensor) < variable_count;
  }
};

}  // namespace shrike
