// How the formats of tensors and weights are chosen: the part of the settings (pipeline/settings.h) that this
// floor reads. The names are the names on the command line.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "shrike/tensor.h"

namespace shrike::quantize {

// How the exponent of an activation is found. kDirect scores every candidate exponent by the squared error it
// causes (behind the activation function where there is one); the others find a clipping range first, as
// ESP-PPQ does, but correctly (spec/quantizer.md sections 7 and 20).
enum class Calibration { kDirect, kMinMax, kPercentile, kKl, kMse };

// Which exponent the members of an Add or Concat group share. kJoint: the one that costs
// least over the group, RequantizeLinear nodes priced in. kOutput/kInput/kLarge: the output's own, the
// input's, the coarsest member's.
enum class Alignment { kJoint, kOutput, kInput, kLarge };

// Weights have one exponent per output channel where the target can (esp32p4), or one per layer.
enum class WeightExponents { kChannel, kLayer };

// How a weight exponent is found: the one that rounds with the least squared error, or the finest that covers
// the largest weight, or the given share of the weights (FormatOptions::percentile) on each side.
enum class WeightCalibration { kDirect, kMinMax, kPercentile };

struct FormatOptions {
  int bits = 8;
  std::vector<std::string> int16_layers;       // dispatching table: node names computed at 16 bit
  std::map<std::string, int> fixed_exponents;  // tensor name -> exponent, overrides everything
  Calibration calibration = Calibration::kDirect;
  double percentile = 0.9999;  // of kPercentile, for activations and for weights
  Alignment add_alignment = Alignment::kJoint;
  Alignment concat_alignment = Alignment::kJoint;
  WeightExponents weight_exponents = WeightExponents::kChannel;
  WeightCalibration weight_calibration = WeightCalibration::kDirect;
};

// Filters have an exponent for each output channel: the options want it and the chip can.
bool has_channel_exponents(const FormatOptions& options, Target target);

}  // namespace shrike::quantize
