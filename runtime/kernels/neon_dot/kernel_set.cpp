// The table of NEON with dot products, and whether it may be chosen. Compiled without them, as this runs
// before anything is known of the machine.
#if defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

#include "kernels/neon/neon.h"
#include "kernels/neon_dot/neon_dot.h"
#include "kernels/portable/portable.h"

namespace shrike::neon_dot {

bool supported() {
#if defined(__linux__)
  return (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0;
#elif defined(__APPLE__) || defined(__ARM_FEATURE_DOTPROD)
  return true;  // every 64-bit Mac, or the whole program is compiled for it
#else
  return false;
#endif
}

constexpr KernelSet kKernels = {
    .isa = "neon_dot",
    .conv8 = {"conv_s8_5x16_neon_dot", conv8_packed_bytes, conv8_pack, conv8_scratch_bytes, conv8_run},
    .depthwise8 = {"depthwise_s8_4x8_neon", neon::depthwise8_packed_bytes, neon::depthwise8_pack,
                   neon::depthwise8_scratch_bytes, neon::depthwise8_run},
    .conv16 = kPortableConv16,
    .lookup8 = neon::lookup8,
    .add8 = neon::add8,
    .mul8 = neon::mul8,
    .requantize8 = neon::requantize8,
    .quantize8 = quantize_s8,
    .maximum8 = neon::maximum8,
    .lanes20 = neon::lanes20,
    .fallback = &kPortableKernels,
};

}  // namespace shrike::neon_dot
