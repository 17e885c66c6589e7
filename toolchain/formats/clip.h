// The exponent of an activation by itself, before it is brought together with others.
#pragma once
#include "toolchain/formats/options.h"
#include "toolchain/formats/statistics.h"

namespace shrike::quantize {

// By the calibration method; `percentile` is for kPercentile. 8 bits.
int clipped_exponent(const TensorStatistics& statistics, Calibration method, double percentile);

}  // namespace shrike::quantize
