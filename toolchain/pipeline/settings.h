// Everything a user can decide about quantisation. The names here are the names on the command line and in
// YAML files.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "shrike/tensor.h"
#include "toolchain/data/image.h"
#include "toolchain/graph/passes.h"

namespace shrike::quantize {

// How the exponent of an activation is found. kDirect scores every candidate exponent by the squared error it
// causes (behind the activation function where there is one); the others find a clipping range first, as the
// peer does, but correctly (spec/quantizer.md sections 7 and 20).
enum class Calibration { kDirect, kMinMax, kPercentile, kKl, kMse };

// Which exponent the members of an Add or Concat group share. kJoint: the one that costs
// least over the group, RequantizeLinear nodes priced in. kOutput/kInput/kLarge: the output's own, the
// input's, the coarsest member's.
enum class Alignment { kJoint, kOutput, kInput, kLarge };

// Which part of a weight above the threshold the clone of a split layer gets: half, or a share drawn from
// 0..1.
enum class SplitMethod { kBalance, kRandom };

// Weights have one exponent per output channel where the target can (esp32p4), or one per layer.
enum class WeightExponents { kChannel, kLayer };

// How a weight exponent is found: the one that rounds with the least squared error, or the finest that covers
// the largest weight, or the given share of the weights (Settings::percentile) on each side.
enum class WeightCalibration { kDirect, kMinMax, kPercentile };

struct Settings {
  Target target = Target::kEsp32p4;
  int bits = 8;
  graph::ImageSize size;             // 0x0: the model's own
  std::vector<std::string> outputs;  // empty: the head's, or the graph's own
  data::Geometry geometry = data::Geometry::kLetterbox;

  std::vector<std::string> split_layers;  // names of layers to divide, see split.h
  SplitMethod split_method = SplitMethod::kBalance;
  double split_threshold = 2.0;
  bool equalization = false;  // see equalize.h
  int equalization_iterations = 10;
  double equalization_threshold = 0.5;

  bool rescaling = true;  // see rescale.h
  Calibration calibration = Calibration::kDirect;
  double percentile = 0.9999;
  int calibration_images = 96;  // 0: all
  Alignment add_alignment = Alignment::kJoint;
  Alignment concat_alignment = Alignment::kJoint;

  std::vector<std::string> int16_layers;       // dispatching table: node names computed at 16 bit
  std::map<std::string, int> fixed_exponents;  // tensor name -> exponent, overrides everything
  WeightExponents weight_exponents = WeightExponents::kChannel;
  WeightCalibration weight_calibration = WeightCalibration::kDirect;
  bool weight_refit = true;     // second-order rounding against the quantised input
  bool bias_correction = true;  // exact mean correction
  int refit_images = 96;
  int bias_images = 96;
  bool exponent_search = false;  // trial exponents judged at the outputs by the integer runtime
  int search_images = 8;
  int threads = 0;  // 0: all cores. Never changes the result
};

}  // namespace shrike::quantize
