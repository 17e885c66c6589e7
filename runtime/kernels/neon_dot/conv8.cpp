// 8-bit convolution with sdot, tiles of up to 5 pixels x 16 channels: 20 accumulators, the weights of four
// inputs in four registers, and 16 inputs of each pixel in one. An sdot adds 16 products to four sums.
#include "kernels/neon/blocked_conv.h"
#include "kernels/neon_dot/neon_dot.h"

namespace shrike {
namespace {

constexpr int32_t kGroups = 4;  // of four inputs, in one register

struct NeonDot {
  using Element = int8_t;
  static constexpr int8_t kZero = 0;
  static constexpr int32_t kGroup = 4, kPixels = 5;

  static void convert(const int8_t* input, int8_t* output, size_t count) { memcpy(output, input, count); }
  template <int kCount>
  static void run_tile(const ConvTile<int8_t>& tile);
};

// Group kLane of every pixel.
template <int kLane, int kPixels>
inline void multiply_group(const int8x16_t (&inputs)[kPixels], const int8_t* weights,
                           int32x4_t (&sums)[kPixels][kVectors]) {
  for (int v = 0; v < kVectors; ++v) {
    const int8x16_t w = vld1q_s8(weights + (kLane * kVectors + v) * 16);
    for (int p = 0; p < kPixels; ++p) sums[p][v] = vdotq_laneq_s32(sums[p][v], w, inputs[p], kLane);
  }
}

template <int kCount>
void NeonDot::run_tile(const ConvTile<int8_t>& tile) {
  constexpr int32_t kGroupBytes = kBlock * NeonDot::kGroup;
  int32x4_t sums[kCount][kVectors];
  start_tile(tile, sums);
  const int8_t* weights = tile.weights;
  for (int32_t run = 0; run < tile.run_count; ++run) {
    const int8_t* input = tile.runs[run] + tile.offset;
    int32_t left = tile.groups;
    for (; left >= kGroups; left -= kGroups, input += 16, weights += kGroups * kGroupBytes) {
      int8x16_t inputs[kCount];
      for (size_t p = 0; p < kCount; ++p) inputs[p] = vld1q_s8(input + p * tile.pixel_stride);
      multiply_group<0>(inputs, weights, sums);
      multiply_group<1>(inputs, weights, sums);
      multiply_group<2>(inputs, weights, sums);
      multiply_group<3>(inputs, weights, sums);
    }
    for (; left > 0; --left, input += 4, weights += kGroupBytes) {
      int8x16_t inputs[kCount];
      for (size_t p = 0; p < kCount; ++p) {
        int32_t group;
        memcpy(&group, input + p * tile.pixel_stride, sizeof group);
        inputs[p] = vreinterpretq_s8_s32(vdupq_n_s32(group));
      }
      multiply_group<0>(inputs, weights, sums);
    }
  }
  store_tile(tile, sums);
}

}  // namespace

namespace neon_dot {

size_t conv8_packed_bytes(const Conv8& conv) {
  return BlockedConv<NeonDot>::packed_bytes(conv);
}
void conv8_pack(const Conv8& conv, void* packed) {
  BlockedConv<NeonDot>::pack(conv, packed);
}
size_t conv8_scratch_bytes(const Conv8& conv) {
  return BlockedConv<NeonDot>::scratch_bytes(conv);
}
void conv8_run(const Conv8& conv, const int8_t* input, int8_t* output, int32_t row_begin, int32_t row_end,
               void* scratch) {
  BlockedConv<NeonDot>::run(conv, input, output, row_begin, row_end, scratch);
}

}  // namespace neon_dot
}  // namespace shrike
