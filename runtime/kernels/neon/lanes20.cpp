// esp32s3's saturating lanes, four to a vector. A product of two bytes fits 16 bits.
#include <arm_neon.h>

#include "kernels/neon/neon.h"

namespace shrike::neon {
namespace {

struct Lanes {
  int32x4_t sums, cut;

  void add(int16x4_t product) {
    const int32x4_t value = vaddw_s16(sums, product);
    sums = vmaxq_s32(vminq_s32(value, vdupq_n_s32(kHighest20)), vdupq_n_s32(kLowest20));
    // -1 where nothing was cut.
    cut = vaddq_s32(cut, vreinterpretq_s32_u32(vceqq_s32(sums, value)));
  }
};

}  // namespace

void lanes20(const int8_t* x, const int8_t* weights, size_t count, int32_t* sums, int32_t* cut) {
  // Counted down from `count` by those that were not cut.
  const int32x4_t start = vdupq_n_s32(static_cast<int32_t>(count));
  Lanes lanes[4];
  for (int v = 0; v < 4; ++v) lanes[v] = {vld1q_s32(sums + 4 * v), start};
  for (size_t c = 0; c < count; ++c) {
    const int8x16_t w = vld1q_s8(weights + 16 * c);
    const int8x8_t value = vdup_n_s8(x[c]);
    const int16x8_t front = vmull_s8(vget_low_s8(w), value), back = vmull_s8(vget_high_s8(w), value);
    lanes[0].add(vget_low_s16(front));
    lanes[1].add(vget_high_s16(front));
    lanes[2].add(vget_low_s16(back));
    lanes[3].add(vget_high_s16(back));
  }
  for (int v = 0; v < 4; ++v) {
    vst1q_s32(sums + 4 * v, lanes[v].sums);
    vst1q_s32(cut + 4 * v, vaddq_s32(vld1q_s32(cut + 4 * v), lanes[v].cut));
  }
}

}  // namespace shrike::neon
