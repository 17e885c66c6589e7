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
  uint8_t* memory = nullptr;  // the caller's, of which `arena` begins at a rounder address
  Arena arena;
  ModelOptions options;
  ModelState* state = nullptr;
  NameIndex<TensorNames> names;  // temporary memory: valid until planning
  bool exhausted = false;        // an operator's allocation failed
  // The arena is too small: operators are prepared one after the other in the same memory, to learn what they
  // need.
  bool measuring = false;
  bool measured = false;   // and the arena's needed() is exact
  uint64_t table_end = 0;  // of the tables of nodes and tensors, in the arena
  const char* bad_attribute = nullptr;

  Status out_of_memory() const;
};

// A verified payload's graph.
struct Source {
  format::Table graph;
  format::Vector nodes, initializers, inputs, outputs, values;
};
Source source_of(const format::Payload& payload);

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
// memory.cpp: who shares memory with whom, lifetimes, offsets, data pointers, scratch. A loader that only
// measures gets kArenaTooSmall with the exact figure.
Status plan_memory(Loader& loader);
// estimate.cpp: bytes of arena that are enough for all but strange files, told without any memory, for arenas
// that don't even hold the tables.
uint64_t estimate_arena(const format::Payload& payload, const KernelSet& kernels);

}  // namespace shrike
