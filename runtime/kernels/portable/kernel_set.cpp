// The portable table: complete, always built, the oracle of the others.
#include "kernels/portable/portable.h"

namespace shrike {

void run_depthwise(const Conv8& conv, const int8_t* input, int8_t* output, int32_t row_begin, int32_t row_end,
                   void*) {
  depthwise_s8_rows(conv, input, output, row_begin, row_end);
}

SaturationCount run_conv_16(const Conv16& conv, const int16_t* input, int16_t* output, int32_t row_begin,
                            int32_t row_end, void*) {
  return conv_s16_rows(conv, input, output, row_begin, row_end);
}

namespace {

void run_conv(const Conv8& conv, const int8_t* input, int8_t* output, int32_t row_begin, int32_t row_end,
              void*) {
  conv_s8_rows(conv, input, output, row_begin, row_end);
}

}  // namespace

const KernelSet kPortableKernels = {
    .isa = "portable",
    .conv8 = {"conv_s8_4x4_portable", no_bytes, no_packing, no_bytes, run_conv},
    .depthwise8 = kPortableDepthwise,
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
