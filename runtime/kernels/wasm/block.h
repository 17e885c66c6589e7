// What both convolutions share: input widened to 16 bits for i32x4.dot_i16x8_s, which multiplies eight pairs
// and adds neighbours, and blocks of eight output channels whose sums become bytes together.
#pragma once
#include <string.h>
#include <wasm_simd128.h>

#include "kernels/requantize_lanes.h"
#include "kernels/row_ring.h"
#include "kernels/weight_layout.h"

namespace shrike {
namespace {

constexpr int32_t kBlock = 8;  // output channels: two vectors of 32-bit sums

struct WidenedRow {
  using Element = int16_t;
  static constexpr int16_t kZero = 0;

  static void convert(const int8_t* input, int16_t* output, size_t count) {
    size_t i = 0;
    for (; i + 8 <= count; i += 8) wasm_v128_store(output + i, wasm_i16x8_load8x8(input + i));
    for (; i < count; ++i) output[i] = input[i];
  }
};

// How the sums of a block become bytes. The shifts of its channels may differ, but vectors shift all lanes
// alike: sums are multiplied up to the largest shift first. Rule RS does not notice (a sum and its half unit
// grow alike), and sums so large that the product would not fit saturate anyway: they are cut before.
struct BlockRounding {
  int32_t bias[kBlock];
  int32_t lowest[kBlock], highest[kBlock], factor[kBlock];
  int32_t shift, addend, odd;  // of LaneShift
  int32_t scaled;              // not 0: factors are not all 1
  int32_t one_by_one;          // not 0: nothing of this holds, requantise by requantize_one
};

constexpr int32_t kMostScaledShift = 20;

// `magnitudes`: sum of |weight| of each channel; channels from `first` on.
inline void find_rounding(const Conv8& conv, int32_t first, const int64_t (&magnitudes)[kBlock],
                          BlockRounding* block) {
  *block = {};
  const int32_t count = conv.geometry.out_c - first < kBlock ? conv.geometry.out_c - first : kBlock;
  LaneShift lanes[kBlock] = {};
  LaneShift ruling{};  // of the largest shift
  int32_t smallest = 31;
  for (int32_t i = 0; i < count; ++i) {
    const int64_t bias = conv.bias != nullptr ? conv.bias[first + i] : 0;
    const int64_t bound = magnitudes[i] * 128 + (bias < 0 ? -bias : bias);
    if (!lane_shift(bound, conv.shifts[first + i], conv.rounding, &lanes[i])) block->one_by_one = 1;
    if (lanes[i].shift > ruling.shift) ruling = lanes[i];
    if (lanes[i].shift < smallest) smallest = lanes[i].shift;
  }
  if (smallest != ruling.shift && ruling.shift > kMostScaledShift) block->one_by_one = 1;
  if (block->one_by_one != 0) return;  // requantize_one adds the bias itself
  block->scaled = smallest != ruling.shift ? 1 : 0;
  block->shift = ruling.shift;
  block->addend = ruling.addend();
  block->odd = ruling.odd;
  for (int32_t i = 0; i < count; ++i) {
    block->bias[i] = conv.bias != nullptr ? conv.bias[first + i] : 0;
    block->factor[i] = 1 << (ruling.shift - lanes[i].shift);
    block->highest[i] = block->scaled != 0 ? 1 << (lanes[i].shift + 8) : 0;
    block->lowest[i] = -block->highest[i];
  }
}

inline v128_t scale_up(v128_t sums, const BlockRounding& block, int32_t lane) {
  const v128_t cut = wasm_i32x4_max(wasm_i32x4_min(sums, wasm_v128_load(block.highest + lane)),
                                    wasm_v128_load(block.lowest + lane));
  return wasm_i32x4_mul(cut, wasm_v128_load(block.factor + lane));
}

// Rule RS.
inline v128_t round_lanes(v128_t sums, const BlockRounding& block) {
  const uint32_t shift = static_cast<uint32_t>(block.shift);
  const v128_t odd = wasm_v128_and(wasm_i32x4_shr(sums, shift), wasm_i32x4_splat(block.odd));
  return wasm_i32x4_shr(wasm_i32x4_add(wasm_i32x4_add(sums, wasm_i32x4_splat(block.addend)), odd), shift);
}

// Writes the first `channels` of a block's sums, which hold the bias, as bytes.
inline void store_block(const Conv8& conv, const BlockRounding& block, int32_t first, int32_t channels,
                        v128_t low, v128_t high, int8_t* output) {
  if (block.one_by_one != 0) {
    int32_t sums[kBlock];
    wasm_v128_store(sums, low);
    wasm_v128_store(sums + 4, high);
    for (int32_t i = 0; i < channels; ++i) output[i] = requantize_one(conv, first + i, sums[i]);
    return;
  }
  if (block.scaled != 0) {
    low = scale_up(low, block, 0);
    high = scale_up(high, block, 4);
  }
  const v128_t words = wasm_i16x8_narrow_i32x4(round_lanes(low, block), round_lanes(high, block));
  const v128_t bytes =
      wasm_i8x16_max(wasm_i8x16_narrow_i16x8(words, words), wasm_i8x16_splat(conv.relu ? 0 : -128));
  if (channels == kBlock) {
    wasm_v128_store64_lane(output, bytes, 0);
  } else {
    int8_t all[16];
    wasm_v128_store(all, bytes);
    memcpy(output, all, static_cast<size_t>(channels));
  }
}

}  // namespace
}  // namespace shrike
