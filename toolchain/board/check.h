// A board's log beside this machine: where they first differ, and what each layer took.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "toolchain/board/log.h"
#include "toolchain/host/integer_model.h"

namespace shrike::board {

struct LayerTime {
  int node = 0;
  std::string name, type;
  std::optional<double> estimated;  // milliseconds with ESP-DL
  double measured = 0;
};

// The first layer, in order of execution, that the board computes otherwise.
struct Divergence {
  int node = -1;  // -1: a graph input
  std::string node_name, node_type, tensor;
  std::string element;  // "[0, 3, 4, 1] is 12 here and 13 on the board; 5 of 64 differ"; empty: not known
};

struct Check {
  bool other_file = false;          // the board says that it runs another file
  int compared = 0, differing = 0;  // tensors
  std::optional<Divergence> first;
  std::vector<std::string> missing;  // outputs of the network that the log lacks
  std::vector<LayerTime> times;
};

// Throws Error when the log says nothing about a run of `file`.
Check check_log(host::IntegerModel& file, const std::string& file_sha256, const Log& log,
                const std::string& log_path);

// Times that the log has for the layers of `file`, in order of execution.
std::vector<LayerTime> layer_times(const host::IntegerModel& file, const Log& log);

}  // namespace shrike::board
