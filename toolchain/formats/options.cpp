#include "toolchain/formats/options.h"

#include "runtime/chips/chip.h"

namespace shrike::quantize {

bool has_channel_exponents(const FormatOptions& options, Target target) {
  return options.weight_exponents == WeightExponents::kChannel && chip_of(target).per_channel_exponents;
}

}  // namespace shrike::quantize
