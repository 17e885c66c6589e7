// The integer model: loads an `.espdl` file in place, plans its memory into one caller-given arena and runs
// it.
//
//   alignas(16) static uint8_t arena[6 << 20];
//   shrike::Model model;
//   shrike::Status status = model.load(file, file_bytes, arena, sizeof arena, {});
//   memcpy(model.input(0).data, pixels, model.input(0).bytes);
//   if (status.ok()) status = model.run();
//   shrike::TensorView box0 = model.output("box0");
//
// Nothing is allocated: tables, planned activations and scratch all live in the arena; weights stay in the
// file, which must outlive the model and start at a 16-byte aligned address. Every byte of the file is
// treated as hostile and is checked once, at load; run() trusts what load() accepted.
#pragma once
#include <stddef.h>

#include "shrike/status.h"
#include "shrike/tensor.h"

namespace shrike {

struct OpSet;      // registered operators; ops/op_set.h. Links only what it names
struct KernelSet;  // inner loops; kernels/kernels.h
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

struct ModelOptions {
  Target target = Target::kEsp32p4;  // the file does not say reliably
  Accumulators accumulators = Accumulators::kExactChip;
  KeepTensors keep = KeepTensors::kReuseMemory;
  const OpSet* ops = nullptr;          // null: those linked, see ops/op.h
  const KernelSet* kernels = nullptr;  // null: those linked, see kernels/kernels.h
  WorkerPool* workers = nullptr;       // null: the calling thread
  uint64_t internal_bytes =
      0;  // size of the fast pool at the arena's head that the planner may use; 0: one pool
};

// Where the bytes of the arena go.
struct MemoryReport {
  uint64_t table_bytes = 0;       // node and tensor tables, kernel parameters, repacked weights
  uint64_t activation_bytes = 0;  // planned activations, graph inputs and outputs included
  uint64_t lower_bound =
      0;  // no plan can need fewer activation bytes (largest sum of simultaneously live tensors)
  uint64_t scratch_bytes = 0;   // shared by all nodes
  uint64_t internal_bytes = 0;  // of activation_bytes, in the fast pool
  uint64_t arena_bytes = 0;     // the whole: what load() needs at least
};

class Model {
 public:
  // Verifies `file` completely, then prepares it. On failure the model is unusable and the status says why;
  // kArenaTooSmall carries the bytes needed in `needed` (exact once the tables fit, else a lower bound:
  // retry).
  Status load(const void* file, size_t file_bytes, void* arena, size_t arena_bytes,
              const ModelOptions& options);

  // Runs all nodes. Inputs must have been written since the last run: their memory is reused.
  Status run();
  // Runs one node, in file order from 0; for tests, profiling and layer-by-layer work.
  Status run_node(int32_t node);
  // Clears state kept between runs (StreamingCache).
  void reset();

  int32_t node_count() const;
  Text node_name(int32_t node) const;
  Text node_type(int32_t node) const;
  int32_t node_input_count(int32_t node) const;
  int32_t node_output_count(int32_t node) const;
  // Variable or initializer; an absent optional input has type kUndefined.
  TensorView node_input(int32_t node, int32_t index) const;
  TensorView node_output(int32_t node, int32_t index) const;
  uint64_t node_macs(int32_t node) const;  // multiply-adds of one run (0 for data movement)

  int32_t input_count() const;
  TensorView input(int32_t index) const;  // graph order
  int32_t output_count() const;
  TensorView output(int32_t index) const;
  TensorView output(const char* name) const;  // type kUndefined when there is none
  // Every variable (graph inputs and node outputs) in order of production.
  int32_t variable_count() const;
  TensorView variable(int32_t index) const;
  TensorView variable(const char* name) const;
  // Place in the arena and lifetime [first_node, last_node] of a variable, for memory maps and their checker.
  // Inputs start at node -1; graph outputs live to node_count().
  struct Placement {
    uint64_t offset;
    uint64_t bytes;
    int32_t first_node;
    int32_t last_node;
    bool internal;
    int32_t shares_with;
  };
  Placement placement(int32_t variable) const;

  // Embedded test vectors (spec/espdl-format.md 4.6); their `name` is a variable's.
  int32_t test_input_count() const;
  TensorView test_input(int32_t index) const;
  int32_t test_output_count() const;
  TensorView test_output(int32_t index) const;

  // Value of a metadata key, empty when absent.
  Text metadata(const char* key) const;
  Text graph_name() const;
  MemoryReport memory() const;
  // Exact-chip mode: sums that met a limit of their lane since load() or reset(): were cut there, or ended at
  // it. One sum is one output element, however often it was cut. Lanes have 20 bits on esp32s3 (40 at 16
  // bit), 32 on esp32p4.
  uint64_t saturated_accumulators() const;
  // The multiply-adds in those sums that were cut, the unit of other simulators' counts for esp32p4.
  uint64_t saturated_multiply_adds() const;
  // Adds what another instance of the same model met, when several share the inputs.
  void add_saturated(const Model& other);

 private:
  ModelState* state_ = nullptr;  // at the head of the arena
};

}  // namespace shrike
