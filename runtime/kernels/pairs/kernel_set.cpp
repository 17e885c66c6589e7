// The portable table with the 8-bit convolutions replaced.
#include "kernels/pairs/pairs.h"
#include "kernels/portable/portable.h"

namespace shrike {

const KernelSet kPairKernels = {
    .isa = "pairs",
    .conv8 = {"conv_s8_8x4_pairs", pairs::conv8_packed_bytes, pairs::conv8_pack, pairs::conv8_scratch_bytes,
              pairs::conv8_run},
    .depthwise8 = {"depthwise_s8_4x4_pairs", no_bytes, no_packing, pairs::depthwise8_scratch_bytes,
                   pairs::depthwise8_run},
    .conv16 = kPortableConv16,
    .lookup8 = lookup_s8,
    .add8 = add_s8,
    .mul8 = mul_s8,
    .requantize8 = requantize_s8,
    .quantize8 = quantize_s8,
    .maximum8 = maximum_s8,
    .lanes20 = lanes20_s8,
    .fallback = nullptr,
};

}  // namespace shrike
