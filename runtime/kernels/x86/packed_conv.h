// Weights of a convolution of group 1, repacked for x86's multiply-adds of unsigned by signed bytes.
//
// Inputs are stored with the top bit flipped, i.e. plus 128, so that they are unsigned. Sums then are too
// large by 128 times the sum of all weights, padding included (its 0 is stored as 128 as well); the packed
// bias takes that back. Sums are taken modulo 2^32 and the true sum fits, so the result is exact.
//
// AVX2's vpmaddubsw saturates the sum of a pair of products at 16 bits. With inputs up to 255 a pair is exact
// when the weights of one sign add up to at most 128 (255 * 128 = 32640). The few pairs beyond are split:
// what exceeds 128 goes into an excess group, multiplied by the same inputs once more.
//
// A "run" is a stretch of input elements that meets a contiguous stretch of weights: all taps of one kernel
// row when they lie side by side (dilation 1), else one tap. Runs are padded to whole groups with zero
// weights.
#pragma once
#include <immintrin.h>
#include <string.h>

#include "kernels/requantize_lanes.h"
#include "kernels/row_ring.h"
#include "kernels/weight_layout.h"

namespace shrike {
namespace {

constexpr int32_t kGroup = 4;  // inputs multiplied and added in one 32-bit lane
constexpr int32_t kInputOffset = 128;
constexpr int32_t kPairLimit = 128;
constexpr int32_t kMostBlock = 64;  // output channels of a block, at most

// Inputs of an excess group.
struct ExcessGroup {
  int32_t run;
  int32_t element;  // of the run
};

// Numbers that follow from the geometry. `lanes`: output channels of a vector; a block has as many vectors
// as a tile takes, `most_vectors` at most, and all blocks are nearly equal, earlier ones not smaller.
struct PackedLayout {
  int32_t lanes, runs, run_elements, groups, all_vectors, blocks;
  size_t vector_bytes;  // weights of one vector: [runs][groups][lanes][kGroup]
  size_t excess_limit;  // groups per block that may need splitting

  PackedLayout(const ConvGeometry& g, int32_t vector_lanes, int32_t most_vectors, bool saturating_pairs)
      : lanes(vector_lanes) {
    const bool contiguous = g.dilation_w == 1 || g.kernel_w == 1;
    runs = contiguous ? g.kernel_h : g.kernel_h * g.kernel_w;
    run_elements = contiguous ? g.kernel_w * g.in_c : g.in_c;
    groups = (run_elements + kGroup - 1) / kGroup;
    all_vectors = (g.out_c + lanes - 1) / lanes;
    blocks = (all_vectors + most_vectors - 1) / most_vectors;
    const size_t all_groups = static_cast<size_t>(runs) * static_cast<size_t>(groups);
    vector_bytes = all_groups * static_cast<size_t>(lanes * kGroup);
    excess_limit = saturating_pairs ? all_groups : 0;
  }
  int32_t first_vector(int32_t block) const {
    return static_cast<int32_t>((int64_t{all_vectors} * block + blocks - 1) / blocks);
  }
  int32_t vectors(int32_t block) const { return first_vector(block + 1) - first_vector(block); }
  int32_t first_channel(int32_t block) const { return first_vector(block) * lanes; }
  // Weights of one block: [runs][groups][vectors][lanes][kGroup].
  size_t block_bytes(int32_t block) const { return static_cast<size_t>(vectors(block)) * vector_bytes; }
  size_t channels() const { return static_cast<size_t>(all_vectors * lanes); }
  size_t head_bytes() const {
    const size_t numbers = 3 * channels() + 2 * static_cast<size_t>(blocks);
    return numbers * sizeof(int32_t) + static_cast<size_t>(blocks) * excess_limit * sizeof(ExcessGroup);
  }
  size_t bytes() const {
    const size_t weights = static_cast<size_t>(all_vectors) * vector_bytes;
    return kCacheLine + round_up(head_bytes(), kCacheLine) + (excess_limit > 0 ? 2 : 1) * weights;
  }
};

// The packed memory. Excess weights, [groups][vectors][lanes][kGroup] a block, follow the block's weights.
struct PackedConv {
  int32_t *bias, *shift, *low;  // [channels]
  int32_t* one_by_one;          // [blocks], not 0: the block is requantised by requantize_one
  int32_t* excess_count;        // [blocks]
  ExcessGroup* excess;          // [blocks][excess_limit]
  int8_t* weights;

  PackedConv(const PackedLayout& layout, void* memory) {
    bias = align_line<int32_t>(memory);
    shift = bias + layout.channels();
    low = shift + layout.channels();
    one_by_one = low + layout.channels();
    excess_count = one_by_one + layout.blocks;
    excess = reinterpret_cast<ExcessGroup*>(excess_count + layout.blocks);
    weights = reinterpret_cast<int8_t*>(bias) + round_up(layout.head_bytes(), kCacheLine);
  }
  int8_t* block_weights(const PackedLayout& layout, int32_t block) const {
    return weights + static_cast<size_t>(layout.first_vector(block)) * layout.vector_bytes *
                         (layout.excess_limit > 0 ? 2 : 1);
  }
};

// Of a channel's weights.
struct WeightSums {
  int64_t sum, magnitude;
  void add(int32_t weight) {
    sum += weight;
    magnitude += weight < 0 ? -weight : weight;
  }
};

// Puts a channel's numbers into lane `lane` of `packed` (its bias, shift and low); false when its sums may
// leave the lanes. `half` belongs to the packed bias too (add_bias).
template <class Packed>
bool pack_lane(const Conv8& conv, int32_t channel, const WeightSums& sums, const Packed& packed, size_t lane,
               int32_t* half) {
  const int64_t bias = conv.bias != nullptr ? conv.bias[channel] : 0;
  LaneShift shift{};
  const int64_t bound = sums.magnitude * 128 + (bias < 0 ? -bias : bias);
  const bool fits = lane_shift(bound, conv.shifts[channel], conv.rounding, &shift);
  packed.bias[lane] = static_cast<int32_t>(-sums.sum * kInputOffset);  // |sum| < 2^24
  packed.shift[lane] = shift.shift;
  packed.low[lane] = shift.low();
  *half = shift.half;
  return fits;
}

// Not where requantize_one does it, which adds the bias itself, in 64 bits.
inline void add_bias(const Conv8& conv, int32_t channel, int32_t half, int32_t* packed) {
  const uint32_t bias = conv.bias != nullptr ? static_cast<uint32_t>(conv.bias[channel]) : 0;
  *packed = static_cast<int32_t>(static_cast<uint32_t>(*packed) + bias + static_cast<uint32_t>(half));
}

// Channel n of a block whose groups are `step` bytes apart; `lane` is its place in the first group.
inline WeightSums pack_channel(const Conv8& conv, const PackedLayout& layout, int32_t n, int8_t* lane,
                               size_t step) {
  const ChannelTaps at = channel_taps<int8_t>(conv.geometry, conv.layout, n);
  const int8_t* weight = conv.weights + at.offset;
  WeightSums sums{0, 0};
  for (int32_t run = 0; run < layout.runs; ++run) {
    for (int32_t left = layout.run_elements; left > 0; left -= kGroup, lane += step) {
      for (int32_t i = 0; i < (left < kGroup ? left : kGroup); ++i, weight += at.stride) {
        lane[i] = *weight;
        sums.add(*weight);
      }
    }
  }
  return sums;
}

// Sixteen channels from n on, a block of the file, in which their weights of a tap lie side by side.
inline void pack_stored_block(const Conv8& conv, const PackedLayout& layout, int32_t n, int8_t* lane,
                              size_t step, WeightSums* sums) {
  constexpr int kParts = 4;  // of four channels and a group's four taps each
  const __m128i one8 = _mm_set1_epi8(1), one16 = _mm_set1_epi16(1);
  const int8_t* weight = conv.weights + channel_taps<int8_t>(conv.geometry, conv.layout, n).offset;
  __m128i sum[kParts] = {}, magnitude[kParts] = {};
  for (int32_t run = 0; run < layout.runs; ++run) {
    for (int32_t left = layout.run_elements; left > 0; left -= kGroup, lane += step) {
      __m128i taps[kGroup] = {};
      for (int32_t i = 0; i < (left < kGroup ? left : kGroup); ++i, weight += kBlockChannels<int8_t>)
        taps[i] = _mm_loadu_si128(reinterpret_cast<const __m128i*>(weight));
      const __m128i low[2] = {_mm_unpacklo_epi8(taps[0], taps[1]), _mm_unpacklo_epi8(taps[2], taps[3])};
      const __m128i high[2] = {_mm_unpackhi_epi8(taps[0], taps[1]), _mm_unpackhi_epi8(taps[2], taps[3])};
      const __m128i parts[kParts] = {_mm_unpacklo_epi16(low[0], low[1]), _mm_unpackhi_epi16(low[0], low[1]),
                                     _mm_unpacklo_epi16(high[0], high[1]),
                                     _mm_unpackhi_epi16(high[0], high[1])};
      for (int part = 0; part < kParts; ++part) {
        const __m128i values = parts[part];
        _mm_storeu_si128(reinterpret_cast<__m128i*>(lane) + part, values);
        sum[part] = _mm_add_epi32(sum[part], _mm_madd_epi16(_mm_maddubs_epi16(one8, values), one16));
        magnitude[part] = _mm_add_epi32(magnitude[part],
                                        _mm_madd_epi16(_mm_maddubs_epi16(_mm_abs_epi8(values), one8), one16));
      }
    }
  }
  int32_t found[2][kBlockChannels<int8_t>];  // below 2^23: a channel has less than 2^16 taps
  memcpy(found[0], sum, sizeof sum);
  memcpy(found[1], magnitude, sizeof magnitude);
  for (int32_t i = 0; i < kBlockChannels<int8_t>; ++i) sums[i] = {found[0][i], found[1][i]};
}

// Makes the pairs of one group safe; false when they all were. What is taken away goes to `excess`, else
// zero.
inline bool split_pairs(int8_t* group, int8_t* excess, size_t bytes) {
  int32_t unsafe = 0;
  for (size_t i = 0; i < bytes; i += 2) {
    const int32_t sum = group[i] + group[i + 1];  // of opposite signs: always within
    unsafe |= static_cast<int32_t>(sum > kPairLimit) | static_cast<int32_t>(sum < -kPairLimit);
  }
  if (unsafe == 0) return false;
  memset(excess, 0, bytes);
  for (size_t i = 0; i < bytes; i += 2) {
    const int32_t sum = group[i] + group[i + 1];
    const int32_t over = sum > kPairLimit ? sum - kPairLimit : sum < -kPairLimit ? sum + kPairLimit : 0;
    // |over| <= 128 and has the sign of both weights, so neither difference leaves the range.
    excess[i + 1] = static_cast<int8_t>(over);
    group[i + 1] = static_cast<int8_t>(group[i + 1] - over);
  }
  return true;
}

inline void split_block(const PackedLayout& layout, const PackedConv& packed, int32_t block, size_t step) {
  int8_t* group = packed.block_weights(layout, block);
  int8_t* excess = group + layout.block_bytes(block);
  ExcessGroup* place = packed.excess + static_cast<size_t>(block) * layout.excess_limit;
  int32_t count = 0;
  for (int32_t run = 0; run < layout.runs; ++run) {
    for (int32_t i = 0; i < layout.groups; ++i, group += step) {
      if (!split_pairs(group, excess, step)) continue;
      place[count++] = {run, i * kGroup};
      excess += step;
    }
  }
  packed.excess_count[block] = count;
}

inline void pack_conv(const Conv8& conv, const PackedLayout& layout, const PackedConv& packed) {
  memset(packed.bias, 0, layout.channels() * 3 * sizeof(int32_t));
  const int32_t stored_in_blocks = blocked_channels<int8_t>(conv.geometry, conv.layout);
  for (int32_t block = 0; block < layout.blocks; ++block) {
    const int32_t first = layout.first_channel(block), next = layout.first_channel(block + 1);
    const int32_t end = next < conv.geometry.out_c ? next : conv.geometry.out_c;
    const size_t step = static_cast<size_t>((next - first) * kGroup);
    int8_t* weights = packed.block_weights(layout, block);
    memset(weights, 0, layout.block_bytes(block));
    packed.one_by_one[block] = packed.excess_count[block] = 0;
    WeightSums all_sums[kMostBlock];
    for (int32_t n = first; n < end;) {
      int8_t* lane = weights + (n - first) * kGroup;
      const int32_t after = n + kBlockChannels<int8_t>;
      if (after <= stored_in_blocks && after <= next) {
        pack_stored_block(conv, layout, n, lane, step, all_sums + (n - first));
        n = after;
      } else {
        all_sums[n - first] = pack_channel(conv, layout, n, lane, step);
        ++n;
      }
    }
    int32_t halves[kMostBlock] = {};
    for (int32_t n = first; n < end; ++n) {
      const int32_t i = n - first;
      if (!pack_lane(conv, n, all_sums[i], packed, static_cast<size_t>(n), &halves[i]))
        packed.one_by_one[block] = 1;
    }
    for (int32_t n = first; n < end && packed.one_by_one[block] == 0; ++n)
      add_bias(conv, n, halves[n - first], &packed.bias[n]);
    if (layout.excess_limit > 0) split_block(layout, packed, block, step);
  }
}

}  // namespace
}  // namespace shrike
