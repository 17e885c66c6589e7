// Everything a user can decide about quantisation. The names here are the names on the command line and in
// YAML files.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "shrike/tensor.h"
#include "toolchain/data/input_spec.h"
#include "toolchain/espdl/library_version.h"
#include "toolchain/formats/options.h"
#include "toolchain/graph/passes.h"
#include "toolchain/transform/equalize.h"
#include "toolchain/transform/split.h"

namespace shrike::quantize {

// Functions below the pipeline take the part that concerns them.
struct Settings : FormatOptions, SplitOptions, EqualizeOptions {
  Target target = kDefaultTarget;
  espdl::LibraryVersion library = espdl::newest_library();  // ESP-DL, that the file is written for
  graph::ImageSize size;                                    // 0x0: the model's own
  std::vector<std::string> outputs;                         // empty: the head's, or the graph's own
  data::InputOptions input;  // what pictures become; empty: as the model says, else RGB in 0..1, letterbox
  // How pictures are fitted for every fit and judgement, where that differs from use; empty: as in use.
  std::optional<data::Geometry> calibration_fit;

  bool channel_groups = true;   // see channel_groups.h
  bool equalization = false;    // see equalize.h
  bool rescaling = true;        // see rescale.h
  bool explicit_pads = true;    // see choose_rescaling.h
  int calibration_images = 96;  // 0: all

  bool weight_refit = true;     // second-order rounding against the quantised input
  bool bias_correction = true;  // exact mean correction
  int refit_images = 96;
  int bias_images = 96;
  bool exponent_search = false;  // trial exponents judged at the outputs by the integer runtime
  int search_images = 8;
  int threads = 0;  // 0: all cores. Never changes the result
};

}  // namespace shrike::quantize
