// Element-wise 8-bit loops, 16 values at a time; what is left over goes one by one.
#include <arm_neon.h>

#include "kernels/neon/neon.h"
#include "kernels/requantize_lanes.h"
#include "ops/numeric.h"

namespace shrike::neon {
namespace {

constexpr size_t kStep = 16;

// Rule RS on lanes of 32 and 16 bits; `right` is the shift's negative.
inline int32x4_t shift_lanes(int32x4_t value, int32x4_t right, int32x4_t addend, int32x4_t odd) {
  const int32x4_t parity = vandq_s32(vshlq_s32(value, right), odd);
  return vshlq_s32(vaddq_s32(vaddq_s32(value, addend), parity), right);
}

inline int16x8_t shift_lanes(int16x8_t value, int16x8_t right, int16x8_t addend, int16x8_t odd) {
  const int16x8_t parity = vandq_s16(vshlq_s16(value, right), odd);
  return vshlq_s16(vaddq_s16(vaddq_s16(value, addend), parity), right);
}

}  // namespace

void lookup8(const int8_t* input, int8_t* output, size_t count, const int8_t* table) {
  // tbl gives 0 for indices beyond its 64 entries, so one of four look-ups holds the entry.
  const uint8_t* const bytes = reinterpret_cast<const uint8_t*>(table);
  const uint8x16x4_t quarters[4] = {vld1q_u8_x4(bytes), vld1q_u8_x4(bytes + 64), vld1q_u8_x4(bytes + 128),
                                    vld1q_u8_x4(bytes + 192)};
  const uint8x16_t offset = vdupq_n_u8(128), quarter = vdupq_n_u8(64);
  size_t i = 0;
  for (; i + kStep <= count; i += kStep) {
    uint8x16_t index = vaddq_u8(vreinterpretq_u8_s8(vld1q_s8(input + i)), offset);
    uint8x16_t entry = vqtbl4q_u8(quarters[0], index);
    for (int q = 1; q < 4; ++q) {
      index = vsubq_u8(index, quarter);
      entry = vorrq_u8(entry, vqtbl4q_u8(quarters[q], index));
    }
    vst1q_s8(output + i, vreinterpretq_s8_u8(entry));
  }
  for (; i < count; ++i) output[i] = table[input[i] + 128];
}

void add8(const int8_t* a, const int8_t* b, int8_t* output, size_t count) {
  size_t i = 0;
  for (; i + kStep <= count; i += kStep) vst1q_s8(output + i, vqaddq_s8(vld1q_s8(a + i), vld1q_s8(b + i)));
  for (; i < count; ++i) output[i] = saturate<int8_t>(a[i] + b[i]);
}

void maximum8(const int8_t* a, const int8_t* b, int8_t* output, size_t count) {
  size_t i = 0;
  for (; i + kStep <= count; i += kStep) vst1q_s8(output + i, vmaxq_s8(vld1q_s8(a + i), vld1q_s8(b + i)));
  for (; i < count; ++i) output[i] = a[i] > b[i] ? a[i] : b[i];
}

void mul8(const int8_t* a, const int8_t* b, int8_t* output, size_t count, int32_t shift, Rounding rounding) {
  LaneShift lanes{};
  lane_shift(1 << 14, shift, rounding, &lanes);  // products always fit
  const int32x4_t right = vdupq_n_s32(-lanes.shift), addend = vdupq_n_s32(lanes.addend()),
                  odd = vdupq_n_s32(lanes.odd);
  size_t i = 0;
  for (; i + 8 <= count; i += 8) {
    const int16x8_t product = vmull_s8(vld1_s8(a + i), vld1_s8(b + i));
    const int32x4_t front = shift_lanes(vmovl_s16(vget_low_s16(product)), right, addend, odd);
    const int32x4_t back = shift_lanes(vmovl_high_s16(product), right, addend, odd);
    vst1_s8(output + i, vqmovn_s16(vcombine_s16(vqmovn_s32(front), vqmovn_s32(back))));
  }
  for (; i < count; ++i)
    output[i] = saturate<int8_t>(rounding_shift<int32_t>(int32_t{a[i]} * b[i], shift, rounding));
}

void requantize8(const int8_t* input, int8_t* output, size_t count, int32_t shift, Rounding rounding) {
  size_t i = 0;
  if (shift < 0) {
    // 8 places already push every value but 0 out of range.
    const int32_t left = shift < -8 ? 8 : -shift;
    for (; i + kStep <= count; i += kStep)
      vst1q_s8(output + i, vqshlq_s8(vld1q_s8(input + i), vdupq_n_s8(static_cast<int8_t>(left))));
    for (; i < count; ++i) output[i] = saturate<int8_t>(input[i] * (1 << left));
    return;
  }
  // Of 8-bit values the shift becomes 9 at most and half a unit 256, so lanes of 16 bits hold everything.
  LaneShift lanes{};
  lane_shift(128, shift, rounding, &lanes);
  const int16x8_t right = vdupq_n_s16(static_cast<int16_t>(-lanes.shift)),
                  addend = vdupq_n_s16(static_cast<int16_t>(lanes.addend())),
                  odd = vdupq_n_s16(static_cast<int16_t>(lanes.odd));
  for (; i + kStep <= count; i += kStep) {
    const int8x16_t bytes = vld1q_s8(input + i);
    const int16x8_t front = shift_lanes(vmovl_s8(vget_low_s8(bytes)), right, addend, odd);
    const int16x8_t back = shift_lanes(vmovl_high_s8(bytes), right, addend, odd);
    vst1q_s8(output + i, vcombine_s8(vqmovn_s16(front), vqmovn_s16(back)));
  }
  for (; i < count; ++i) output[i] = saturate<int8_t>(rounding_shift<int32_t>(input[i], shift, rounding));
}

}  // namespace shrike::neon
