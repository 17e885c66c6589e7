// How long Shrike's own runtime takes on a board, from instructions that were counted instead of timed: no
// board was asked.
#pragma once
#include <optional>

#include "shrike/inspect.h"

namespace shrike::quantize {

struct OwnRuntime {
  double instructions = 0;  // of one run on one core, with the kernels `pairs`
  // At one instruction a cycle with all data at hand, which no core betters: the run takes at least that.
  double milliseconds = 0;
};
// Prices of bench/firmware.md: good to about a tenth for 8-bit convolutional networks; 16-bit arithmetic is
// counted as if it were 8-bit, which is too little. Nothing for a chip on whose core nothing was counted.
std::optional<OwnRuntime> estimate_own_runtime(const InspectableModel& model, Target target);

}  // namespace shrike::quantize
