// 8-bit depthwise convolution with vpdpbusd, 32 channels of 2 pixels at a time: 8 accumulators and 16
// registers. The last 16 channels take shorter vectors.
#include "kernels/x86/depthwise.h"
#include "kernels/x86/vectors256.h"
#include "kernels/x86_avxvnni/avxvnni.h"

namespace shrike {
namespace {

struct Channels32 : Bytes32 {
  static constexpr int kPixels = 2, kPairPixels = 0;
  static Type multiply_add(Type sums, Type inputs, Type weights) {
    return _mm256_dpbusd_avx_epi32(sums, inputs, weights);
  }
};

struct Channels16 : Bytes16 {
  static constexpr int kPixels = 2, kPairPixels = 0;
  static Type multiply_add(Type sums, Type inputs, Type weights) {
    return _mm_dpbusd_avx_epi32(sums, inputs, weights);
  }
};

struct AvxVnni {
  using Wide = Channels32;
  static size_t last_width(size_t channels) { return channels > 16 ? 32 : 16; }
  static void run_last(size_t width, const Conv8& conv, const DepthwiseLayout& layout,
                       const PackedDepthwise& packed, size_t block, const DepthwiseRow& row) {
    const size_t first = block * Wide::kBytes;
    if (width == 32) {
      DepthwiseBlock<Channels32>(conv, layout, packed, block, first).run(row);
    } else {
      DepthwiseBlock<Channels16>(conv, layout, packed, block, first).run(row);
    }
  }
};

}  // namespace

namespace avxvnni {

size_t depthwise8_packed_bytes(const Conv8& conv) {
  return Depthwise<AvxVnni>::packed_bytes(conv);
}
void depthwise8_pack(const Conv8& conv, void* packed) {
  Depthwise<AvxVnni>::pack(conv, packed);
}
size_t depthwise8_scratch_bytes(const Conv8& conv) {
  return Depthwise<AvxVnni>::scratch_bytes(conv);
}
void depthwise8_run(const Conv8& conv, const int8_t* input, int8_t* output, int32_t row_begin,
                    int32_t row_end, void* scratch) {
  Depthwise<AvxVnni>::run(conv, input, output, row_begin, row_end, scratch);
}

}  // namespace avxvnni
}  // namespace shrike
