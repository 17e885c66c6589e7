// What a board prints so that `shrike check-board FILE LOG` can say on a PC whether it computes the same, and
// which layer is the first that doesn't. Lines begin with "SHRIKE"; other lines may stand between.
#pragma once
#include "shrike/inspect.h"

namespace shrike::esp {

struct CheckOptions {
  uint64_t seed = 1;
  // A node whose outputs are printed element by element, for the place of a difference; -1: none.
  int32_t shown_node = -1;
  int64_t (*microseconds)() = nullptr;  // a clock; null: no times are printed
};

// Fills the inputs from the seed, runs node by node and prints a fingerprint of every output of every node.
// `file` is the model's file as it lies on the board. Inputs must be integers.
Status print_check(InspectableModel& model, const void* file, size_t file_bytes, const CheckOptions& options);

}  // namespace shrike::esp
