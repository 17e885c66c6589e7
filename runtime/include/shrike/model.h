// The integer model: loads an `.espdl` file in place, plans its memory into memory that the caller gives, and
// runs it.
//
//   alignas(16) static uint8_t arena[6 << 20];
//   shrike::Model model;
//   const shrike::ModelOptions options = {.operators = &shrike::kAllOperators,
//                                         .kernels = &shrike::kPortableKernels};
//   shrike::Status status = model.load(file, file_bytes, arena, sizeof arena, options);
//   memcpy(model.input(0).data, pixels, model.input(0).bytes);
//   if (status.ok()) status = model.run();
//   shrike::TensorView box0 = model.output("box0");
//
// Nothing is allocated: tables, planned activations and scratch all live in the arena; weights stay in the
// file, which must outlive the model and start at a 16-byte aligned address. Every byte of the file is
// treated as hostile and is checked once, at load; run() trusts what load() accepted.
//
// shrike/inspect.h shows what a model consists of, shrike/operators.h what it may consist of; shrike/shrike.h
// is the same in C.
#pragma once
#include <stddef.h>

#include "shrike/operators.h"
#include "shrike/status.h"
#include "shrike/tensor.h"

namespace shrike {

struct ModelState;

// Runs `task(argument, index)` for index 0..count-1, in any order and on any threads, and returns when all
// are done. Results never depend on it. The default (no pool) runs them in a loop.
struct WorkerPool {
  virtual int threads() const = 0;
  virtual void run(void (*task)(void* argument, int index), void* argument, int count) = 0;

 protected:
  ~WorkerPool() = default;
};

enum class KeepTensors : uint8_t {
  kReuseMemory,  // planned: an intermediate tensor is valid only until its memory is reused
  kAll,          // every tensor has memory of its own and can be read after run()
};

// A piece of memory: 16-byte aligned.
struct MemoryBlock {
  void* data = nullptr;
  size_t bytes = 0;
};

struct ModelOptions {
  // Operators that the file may use: a set of your own, which links no others, or &kAllOperators. Required.
  const OperatorSet* operators = nullptr;
  // Inner loops, e.g. &kPortableKernels. Required too: what is named is what is linked.
  const KernelSet* kernels = nullptr;
  // The chip whose arithmetic to use. kOfFile: the one that the file names, or esp32p4 when it names none. A
  // file that names another chip than the one given here is refused, unless it is forced.
  Target target = Target::kOfFile;
  bool force_target = false;
  Accumulators accumulators = Accumulators::kExactChip;
  KeepTensors keep = KeepTensors::kReuseMemory;
  WorkerPool* workers = nullptr;  // null: the calling thread
  // Fast memory beside the arena, e.g. a chip's internal RAM beside PSRAM: the planner puts the activations
  // there that move most bytes. May be anywhere; no tables, no scratch.
  MemoryBlock internal;
};

// Where the bytes go.
struct MemoryReport {
  uint64_t arena_bytes = 0;       // what load() needs as arena, whatever the alignment to 16
  uint64_t internal_bytes = 0;    // used of ModelOptions::internal
  uint64_t table_bytes = 0;       // of the arena: node and tensor tables, kernel parameters, repacked weights
  uint64_t scratch_bytes = 0;     // of the arena: shared by all nodes
  uint64_t activation_bytes = 0;  // planned activations in both memories, graph inputs and outputs included
  // No plan can need fewer activation bytes: largest sum of simultaneously live tensors.
  uint64_t lower_bound = 0;
};

class Model {
 public:
  // Verifies `file` completely, then prepares it in `arena` (16-byte aligned). On failure the model is
  // unusable and the status says why. kArenaTooSmall carries in `needed` how many bytes to give: exactly what
  // the model needs, as MemoryReport::arena_bytes will say, if the arena held the tables of nodes and tensors
  // (about 100 bytes each), else an estimate from above.
  Status load(const void* file, size_t file_bytes, void* arena, size_t arena_bytes,
              const ModelOptions& options);

  // Runs all nodes. Inputs must have been written since the last run: their memory is reused.
  Status run();
  // Clears state kept between runs (StreamingCache).
  void reset();

  int32_t input_count() const;
  TensorView input(int32_t index) const;  // graph order; type kUndefined when there is none
  int32_t output_count() const;
  TensorView output(int32_t index) const;
  TensorView output(const char* name) const;  // type kUndefined when there is none

  // The chip as which the model computes.
  Target target() const;
  bool target_assumed() const;  // nothing named it: esp32p4 was assumed
  Rounding rounding() const;    // the chip's

  // Value of a metadata key, empty when absent.
  Text metadata(const char* key) const;
  Text graph_name() const;
  MemoryReport memory() const;

 protected:
  ModelState* state_ = nullptr;  // at the head of the arena
};

}  // namespace shrike
