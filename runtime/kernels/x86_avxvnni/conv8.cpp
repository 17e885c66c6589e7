// 8-bit convolution with vpdpbusd on 256-bit vectors, tiles of up to 6 pixels x 16 channels: 12 accumulators,
// 2 weight vectors and 1 broadcast group of inputs are 15 of the 16 registers.
#include "kernels/x86/tile256.h"
#include "kernels/x86_avxvnni/avxvnni.h"

namespace shrike {
namespace {

struct AvxVnni {
  using Element = uint8_t;
  static constexpr uint8_t kZero = kInputOffset;
  static constexpr int32_t kLanes = 8, kVectors = 2;
  static constexpr bool kSaturatingPairs = false;
  static constexpr int32_t pixels(int32_t vectors) { return vectors == 1 ? 10 : 6; }

  static void convert(const int8_t* input, uint8_t* output, size_t count) {
    flip_signs_256(input, output, count);
  }
  static __m256i multiply_add(__m256i sums, __m256i inputs, __m256i weights) {
    return _mm256_dpbusd_avx_epi32(sums, inputs, weights);
  }
  static void tile(const ConvTile& tile, int32_t pixels, int32_t vectors) {
    run_tile_256<AvxVnni>(tile, pixels, vectors);
  }
};

}  // namespace

namespace avxvnni {

size_t conv8_packed_bytes(const Conv8& conv) {
  return BlockedConv<AvxVnni>::packed_bytes(conv);
}
void conv8_pack(const Conv8& conv, void* packed) {
  BlockedConv<AvxVnni>::pack(conv, packed);
}
size_t conv8_scratch_bytes(const Conv8& conv) {
  return BlockedConv<AvxVnni>::scratch_bytes(conv);
}
void conv8_run(const Conv8& conv, const int8_t* input, int8_t* output, int32_t row_begin, int32_t row_end,
               void* scratch) {
  BlockedConv<AvxVnni>::run(conv, input, output, row_begin, row_end, scratch);
}

}  // namespace avxvnni
}  // namespace shrike
