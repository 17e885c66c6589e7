// 8-bit depthwise convolution with vpdpbusd, 64 channels of 4 pixels at a time: 16 accumulators. What is left
// of the channels takes shorter vectors.
#include "kernels/x86/depthwise.h"
#include "kernels/x86/vectors256.h"
#include "kernels/x86_avx512vnni/avx512vnni.h"
#include "kernels/x86_avx512vnni/vectors512.h"

namespace shrike {
namespace {

struct Channels64 : Bytes64 {
  static constexpr int kPixels = 4;
  static Type multiply_add(Type sums, Type inputs, Type weights) {
    return _mm512_dpbusd_epi32(sums, inputs, weights);
  }
};

struct Channels32 : Bytes32 {
  static constexpr int kPixels = 4;
  static Type multiply_add(Type sums, Type inputs, Type weights) {
    return _mm256_dpbusd_epi32(sums, inputs, weights);
  }
};

struct Channels16 : Bytes16 {
  static constexpr int kPixels = 4;
  static Type multiply_add(Type sums, Type inputs, Type weights) {
    return _mm_dpbusd_epi32(sums, inputs, weights);
  }
};

struct Avx512Vnni {
  using Wide = Channels64;
  static size_t last_width(size_t channels) { return channels > 32 ? 64 : channels > 16 ? 32 : 16; }
  static void run_last(size_t width, const Conv8& conv, const DepthwiseLayout& layout,
                       const PackedDepthwise& packed, size_t block, const DepthwiseRow& row) {
    const size_t first = block * Wide::kBytes;
    if (width == 64) {
      DepthwiseBlock<Channels64>(conv, layout, packed, block, first).run(row);
    } else if (width == 32) {
      DepthwiseBlock<Channels32>(conv, layout, packed, block, first).run(row);
    } else {
      DepthwiseBlock<Channels16>(conv, layout, packed, block, first).run(row);
    }
  }
};

}  // namespace

namespace avx512vnni {

size_t depthwise8_packed_bytes(const Conv8& conv) {
  return Depthwise<Avx512Vnni>::packed_bytes(conv);
}
void depthwise8_pack(const Conv8& conv, void* packed) {
  Depthwise<Avx512Vnni>::pack(conv, packed);
}
size_t depthwise8_scratch_bytes(const Conv8& conv) {
  return Depthwise<Avx512Vnni>::scratch_bytes(conv);
}
void depthwise8_run(const Conv8& conv, const int8_t* input, int8_t* output, int32_t row_begin,
                    int32_t row_end, void* scratch) {
  Depthwise<Avx512Vnni>::run(conv, input, output, row_begin, row_end, scratch);
}

}  // namespace avx512vnni
}  // namespace shrike
