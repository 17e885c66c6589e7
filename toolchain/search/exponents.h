// Trial of neighbouring exponents, judged at the outputs by the integer runtime.
#pragma once
#include "toolchain/formats/options.h"
#include "toolchain/formats/statistics.h"
#include "toolchain/integer/reference.h"

namespace shrike::quantize {

struct SearchReport {
  double loss_before = 0, loss_after = 0;
  int trials = 0, changes = 0;
};

// Coordinate descent over the groups whose error curves leave the exponent open: each is tried one bit finer
// and one bit coarser and keeps what lowers output_loss by more than a threshold; what the chip can't compute
// is no candidate. Changes plan.formats and re-rounds the weights concerned.
SearchReport search_exponents(const graph::Graph& graph, const Statistics& statistics,
                              const Reference& reference, Target target, const FormatOptions& options,
                              Plan& plan, const ProgressCallback& progress);

}  // namespace shrike::quantize
