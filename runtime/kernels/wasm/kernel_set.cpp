// The portable table with the 8-bit convolutions replaced.
#include "kernels/portable/portable.h"
#include "kernels/wasm/wasm.h"

namespace shrike {

const KernelSet kSimd128Kernels = {
    .isa = "simd128",
    .conv8 = {"conv_s8_4x8_simd128", simd128::conv8_packed_bytes, simd128::conv8_pack,
              simd128::conv8_scratch_bytes, simd128::conv8_run},
    .depthwise8 = {"depthwise_s8_4x8_simd128", simd128::depthwise8_packed_bytes, simd128::depthwise8_pack,
                   simd128::depthwise8_scratch_bytes, simd128::depthwise8_run},
    .conv16 = kPortableConv16,
    .lookup8 = lookup_s8,
    .add8 = add_s8,
    .mul8 = mul_s8,
    .requantize8 = requantize_s8,
    .quantize8 = quantize_s8,
    .maximum8 = maximum_s8,
    .lanes20 = lanes20_s8,
    .fallback = &kPortableKernels,
};

}  // namespace shrike
