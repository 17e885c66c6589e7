// 8-bit convolution without dot products, tiles of up to 5 pixels x 16 channels: 20 accumulators, the weights
// of an input in two registers, and 8 inputs of each pixel in one. smlal takes four products of 16-bit
// factors, which nothing can make overflow; sums of two 8-bit products would leave 16 bits where four factors
// are -128.
#include "kernels/neon/blocked_conv.h"
#include "kernels/neon/neon.h"
#include "kernels/neon/rows.h"

namespace shrike {
namespace {

constexpr int32_t kInputs = 8;

struct Neon : WidenedRow {
  static constexpr int32_t kGroup = 1, kPixels = 5;
  template <int kCount>
  static void run_tile(const ConvTile<int16_t>& tile);
};

// Input kLane of every pixel.
template <int kLane, int kPixels>
inline void multiply_input(const int16x8_t (&inputs)[kPixels], const int8_t* weights,
                           int32x4_t (&sums)[kPixels][kVectors]) {
  const int8x16_t bytes = vld1q_s8(weights + kLane * kBlock);
  const int16x8_t front = vmovl_s8(vget_low_s8(bytes)), back = vmovl_high_s8(bytes);
  for (int p = 0; p < kPixels; ++p) {
    sums[p][0] = vmlal_laneq_s16(sums[p][0], vget_low_s16(front), inputs[p], kLane);
    sums[p][1] = vmlal_high_laneq_s16(sums[p][1], front, inputs[p], kLane);
    sums[p][2] = vmlal_laneq_s16(sums[p][2], vget_low_s16(back), inputs[p], kLane);
    sums[p][3] = vmlal_high_laneq_s16(sums[p][3], back, inputs[p], kLane);
  }
}

template <int kCount>
void Neon::run_tile(const ConvTile<int16_t>& tile) {
  int32x4_t sums[kCount][kVectors];
  start_tile(tile, sums);
  const int8_t* weights = tile.weights;
  for (int32_t run = 0; run < tile.run_count; ++run) {
    const int16_t* input = tile.runs[run] + tile.offset;
    int32_t left = tile.run_elements;
    for (; left >= kInputs; left -= kInputs, input += kInputs, weights += kInputs * kBlock) {
      int16x8_t inputs[kCount];
      for (size_t p = 0; p < kCount; ++p) inputs[p] = vld1q_s16(input + p * tile.pixel_stride);
      multiply_input<0>(inputs, weights, sums);
      multiply_input<1>(inputs, weights, sums);
      multiply_input<2>(inputs, weights, sums);
      multiply_input<3>(inputs, weights, sums);
      multiply_input<4>(inputs, weights, sums);
      multiply_input<5>(inputs, weights, sums);
      multiply_input<6>(inputs, weights, sums);
      multiply_input<7>(inputs, weights, sums);
    }
    for (; left > 0; --left, ++input, weights += kBlock) {
      int16x8_t inputs[kCount];
      for (size_t p = 0; p < kCount; ++p) inputs[p] = vdupq_n_s16(input[p * tile.pixel_stride]);
      multiply_input<0>(inputs, weights, sums);
    }
  }
  store_tile(tile, sums);
}

}  // namespace

namespace neon {

size_t conv8_packed_bytes(const Conv8& conv) {
  return BlockedConv<Neon>::packed_bytes(conv);
}
void conv8_pack(const Conv8& conv, void* packed) {
  BlockedConv<Neon>::pack(conv, packed);
}
size_t conv8_scratch_bytes(const Conv8& conv) {
  return BlockedConv<Neon>::scratch_bytes(conv);
}
void conv8_run(const Conv8& conv, const int8_t* input, int8_t* output, int32_t row_begin, int32_t row_end,
               void* scratch) {
  BlockedConv<Neon>::run(conv, input, output, row_begin, row_end, scratch);
}

}  // namespace neon
}  // namespace shrike
