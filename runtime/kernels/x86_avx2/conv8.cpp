// 8-bit convolution, tiles of up to 5 pixels x 16 channels. vpmaddubsw, vpmaddwd and vpaddd take 4 inputs of
// 8 channels: 3 instructions where 16-bit operands need 4, and half the loads. packed_conv.h says why it is
// exact. 10 accumulators, 2 weight vectors, the ones and 2 temporaries leave a register free; the
// multiplications are the limit, not the tile.
#include "kernels/x86/tile256.h"
#include "kernels/x86_avx2/avx2.h"

namespace shrike {
namespace {

struct Avx2 {
  using Element = uint8_t;
  static constexpr uint8_t kZero = kInputOffset;
  static constexpr int32_t kLanes = 8, kVectors = 2;
  static constexpr bool kSaturatingPairs = true;
  static constexpr int32_t pixels(int32_t) { return 5; }

  static void convert(const int8_t* input, uint8_t* output, size_t count) {
    flip_signs_256(input, output, count);
  }
  static __m256i multiply_add(__m256i sums, __m256i inputs, __m256i weights) {
    const __m256i pairs = _mm256_maddubs_epi16(inputs, weights);
    return _mm256_add_epi32(sums, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
  }
  static void tile(const ConvTile& tile, int32_t pixels, int32_t vectors) {
    run_tile_256<Avx2>(tile, pixels, vectors);
  }
};

}  // namespace

namespace avx2 {

size_t conv8_packed_bytes(const Conv8& conv) {
  return BlockedConv<Avx2>::packed_bytes(conv);
}
void conv8_pack(const Conv8& conv, void* packed) {
  BlockedConv<Avx2>::pack(conv, packed);
}
size_t conv8_scratch_bytes(const Conv8& conv) {
  return BlockedConv<Avx2>::scratch_bytes(conv);
}
void conv8_run(const Conv8& conv, const int8_t* input, int8_t* output, int32_t row_begin, int32_t row_end,
               void* scratch) {
  BlockedConv<Avx2>::run(conv, input, output, row_begin, row_end, scratch);
}

}  // namespace avx2
}  // namespace shrike
