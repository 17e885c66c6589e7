// Input rows widened to 16 bits, for multiplications of 16 by 16 bits.
#pragma once
#include <arm_neon.h>
#include <stddef.h>
#include <stdint.h>

namespace shrike {
namespace {

struct WidenedRow {
  using Element = int16_t;
  static constexpr int16_t kZero = 0;

  static void convert(const int8_t* input, int16_t* output, size_t count) {
    size_t i = 0;
    for (; i + 16 <= count; i += 16) {
      const int8x16_t bytes = vld1q_s8(input + i);
      vst1q_s16(output + i, vmovl_s8(vget_low_s8(bytes)));
      vst1q_s16(output + i + 8, vmovl_high_s8(bytes));
    }
    for (; i < count; ++i) output[i] = input[i];
  }
};

}  // namespace
}  // namespace shrike
