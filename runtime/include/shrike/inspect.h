// What a loaded model consists of: nodes, inner tensors and their places in memory, embedded test vectors,
// counters. For tests, profiling, layer-by-layer work and memory maps; an application needs none of it.
#pragma once
#include "shrike/model.h"

namespace shrike {

// Place and lifetime of a variable. Inputs live from node -1, graph outputs to node_count().
struct TensorPlacement {
  uint64_t offset;  // from the begin of the arena, or of the internal memory
  uint64_t bytes;
  int32_t first_node;
  int32_t last_node;
  bool internal;        // in ModelOptions::internal
  int32_t shares_with;  // variable whose memory this is, -1: its own
};

class InspectableModel : public Model {
 public:
  // Nodes in file order from 0.
  int32_t node_count() const;
  Text node_name(int32_t node) const;
  Text node_type(int32_t node) const;
  int32_t node_input_count(int32_t node) const;
  int32_t node_output_count(int32_t node) const;
  // Variable or initializer; an absent optional input has type kUndefined.
  TensorView node_input(int32_t node, int32_t index) const;
  TensorView node_output(int32_t node, int32_t index) const;
  uint64_t node_macs(int32_t node) const;  // multiply-adds of one run (0 for data movement)
  Status run_node(int32_t node);

  // Every variable (graph inputs and node outputs) in order of production.
  int32_t variable_count() const;
  TensorView variable(int32_t index) const;
  TensorView variable(const char* name) const;
  TensorPlacement placement(int32_t variable) const;

  // Embedded test vectors (spec/espdl-format.md 4.6); their `name` is a variable's.
  int32_t test_input_count() const;
  TensorView test_input(int32_t index) const;
  int32_t test_output_count() const;
  TensorView test_output(int32_t index) const;

  // Exact-chip mode: sums that met a limit of their lane since load() or reset(): were cut there, or ended at
  // it. One sum is one output element, however often it was cut. Lanes have 20 bits on esp32s3 (40 at 16
  // bit), 32 on esp32p4.
  uint64_t saturated_accumulators() const;
  // The multiply-adds in those sums that were cut, the unit in which the Python simulation ESP-PPQ counts for
  // esp32p4.
  uint64_t saturated_multiply_adds() const;
  // Adds what another instance of the same model met, when several share the inputs.
  void add_saturated(const InspectableModel& other);
};

}  // namespace shrike
