// The table of NEON without dot products.
#include "kernels/neon/neon.h"
#include "kernels/portable/portable.h"

namespace shrike::neon {

constexpr KernelSet kKernels = {
    .isa = "neon",
    .conv8 = {"conv_s8_5x16_neon", conv8_packed_bytes, conv8_pack, conv8_scratch_bytes, conv8_run},
    .depthwise8 = {"depthwise_s8_4x8_neon", depthwise8_packed_bytes, depthwise8_pack,
                   depthwise8_scratch_bytes, depthwise8_run},
    .conv16 = kPortableConv16,
    .lookup8 = lookup8,
    .add8 = add8,
    .mul8 = mul8,
    .requantize8 = requantize8,
    .quantize8 = quantize_s8,
    .maximum8 = maximum8,
    .lanes20 = lanes20,
    .fallback = &kPortableKernels,
};

}  // namespace shrike::neon
