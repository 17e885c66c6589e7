// The steps of Model::load(), in order: tables from the file, operators prepared, memory planned.
#pragma once
#include "format/container.h"
#include "model/arena.h"
#include "model/names.h"
#include "model/state.h"

namespace shrike {

struct TensorNames {
  const Tensor* tensors = nullptr;
  Text operator()(int32_t index) const { return tensors[index].name; }
};

struct Loader {
  Arena arena;
  ModelOptions options;
  ModelState* state = nullptr;
  NameIndex<TensorNames> names;  // temporary memory: valid until planning
  bool exhausted = false;        // an operator's allocation failed
  const char* bad_attribute = nullptr;

  Status out_of_memory() const;
};

// What Prepare::internal points at.
struct NodeContext {
  Loader* loader;
  NodeState* node;
  int32_t index;
};

// build.cpp: tensors, nodes and names from a verified payload.
Status build_tables(Loader& loader, const format::Payload& payload);
// prepare.cpp: runs every operator's prepare() in order; all shapes are known afterwards. `in_place` etc. are
// set.
Status prepare_nodes(Loader& loader);
// memory.cpp: who shares memory with whom, lifetimes, offsets, data pointers, scratch.
Status plan_memory(Loader& loader);

}  // namespace shrike
