// Where time, multiply-adds, bytes and memory go, node by node.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "toolchain/host/integer_model.h"

namespace shrike::host {

struct NodeProfile {
  std::string name, type, output_shape;
  double milliseconds = 0;  // median over the runs
  uint64_t macs = 0;
  uint64_t activation_bytes = 0;  // variables read and written once
  uint64_t internal_bytes = 0;    // of them, in the fast pool
  uint64_t weight_bytes = 0;      // initializers read once
  uint64_t live_bytes = 0;        // activations alive while it runs
};

struct Profile {
  std::vector<NodeProfile> nodes;
  double milliseconds = 0;  // median of whole runs
  uint64_t weight_bytes = 0;
};

// Runs the model `runs` times on what its inputs hold (zeros at first).
Profile profile(IntegerModel& model, int runs);

}  // namespace shrike::host
