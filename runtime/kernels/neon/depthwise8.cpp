// 8-bit depthwise convolution: 8 channels of four pixels at a time, four products of 16-bit factors an
// instruction.
#include <arm_neon.h>
#include <string.h>

#include "kernels/neon/neon.h"
#include "kernels/neon/rows.h"
#include "kernels/requantize_lanes.h"
#include "kernels/row_ring.h"
#include "kernels/weight_layout.h"

namespace shrike {
namespace {

constexpr int32_t kBlock = 8;
constexpr size_t kSlack = 8;  // the last block reads whole vectors
constexpr size_t kMaxScratch = size_t{64} << 20;

struct Layout {
  size_t taps, blocks, channels;

  explicit Layout(const ConvGeometry& g) {
    taps = static_cast<size_t>(g.kernel_h) * static_cast<size_t>(g.kernel_w);
    blocks = (static_cast<size_t>(g.out_c) + kBlock - 1) / kBlock;
    channels = blocks * kBlock;
  }
  size_t head_bytes() const { return (4 * channels + blocks) * sizeof(int32_t); }
  size_t bytes() const {
    return kCacheLine + round_up(head_bytes(), kCacheLine) + taps * channels * sizeof(int16_t);
  }
};

// Weights are [blocks][taps][8].
struct Packed {
  int32_t *bias, *shift, *addend, *odd;  // [channels], as in LaneShift
  int32_t* one_by_one;                   // [blocks], not 0: rounded by requantize_one
  int16_t* weights;

  Packed(const Layout& layout, void* memory) {
    bias = align_line<int32_t>(memory);
    shift = bias + layout.channels;
    addend = shift + layout.channels;
    odd = addend + layout.channels;
    one_by_one = odd + layout.channels;
    weights = align_line<int16_t>(one_by_one + layout.blocks);
  }
};

// One block of channels: everything its pixels share.
class Block {
 public:
  Block(const Conv8& conv, const Layout& layout, const Packed& packed, int32_t first)
      : conv_(conv),
        first_(first),
        count_(conv.geometry.out_c - first < kBlock ? conv.geometry.out_c - first : kBlock),
        one_by_one_(packed.one_by_one[first / kBlock] != 0),
        taps_(layout.taps),
        stride_(static_cast<size_t>(conv.geometry.stride_w) * static_cast<size_t>(conv.geometry.in_c)),
        weights_(packed.weights + static_cast<size_t>(first) * layout.taps),
        floor_(vdup_n_s8(conv.relu ? 0 : -128)) {
    for (int half = 0; half < 2; ++half) {
      const int32_t lane = first + half * 4;
      bias_[half] = vld1q_s32(packed.bias + lane);
      right_[half] = vnegq_s32(vld1q_s32(packed.shift + lane));
      addend_[half] = vld1q_s32(packed.addend + lane);
      odd_[half] = vld1q_s32(packed.odd + lane);
    }
  }

  // One row. `taps`: input of every tap at output pixel 0.
  void run_row(const int16_t* const* taps, int8_t* output) const {
    constexpr size_t kPixels = 4;
    const size_t width = static_cast<size_t>(conv_.geometry.out_w);
    const size_t out_c = static_cast<size_t>(conv_.geometry.out_c);
    size_t x = 0;
    for (; x + kPixels <= width; x += kPixels) run_pixels<kPixels>(taps, x, output + x * out_c, out_c);
    for (; x < width; ++x) run_pixels<1>(taps, x, output + x * out_c, out_c);
  }

 private:
  template <size_t kPixels>
  void run_pixels(const int16_t* const* taps, size_t x, int8_t* output, size_t out_c) const {
    const size_t start = x * stride_ + static_cast<size_t>(first_);
    int32x4_t sums[kPixels][2];
    for (auto& pixel : sums) {
      pixel[0] = bias_[0];
      pixel[1] = bias_[1];
    }
    for (size_t tap = 0; tap < taps_; ++tap) {
      const int16_t* input = taps[tap] + start;
      const int16x8_t weights = vld1q_s16(weights_ + tap * kBlock);
      for (size_t p = 0; p < kPixels; ++p, input += stride_) {
        const int16x8_t values = vld1q_s16(input);
        sums[p][0] = vmlal_s16(sums[p][0], vget_low_s16(values), vget_low_s16(weights));
        sums[p][1] = vmlal_high_s16(sums[p][1], values, weights);
      }
    }
    for (size_t p = 0; p < kPixels; ++p) store(sums[p], output + p * out_c + first_);
  }

  // Rule RS, on lanes whose parameters lane_shift() accepted.
  int16x4_t requantize(int32x4_t sum, int half) const {
    const int32x4_t parity = vandq_s32(vshlq_s32(sum, right_[half]), odd_[half]);
    return vqmovn_s32(vshlq_s32(vaddq_s32(vaddq_s32(sum, addend_[half]), parity), right_[half]));
  }

  void store(const int32x4_t (&sums)[2], int8_t* output) const {
    if (one_by_one_) {
      int32_t lanes[kBlock];
      vst1q_s32(lanes, sums[0]);
      vst1q_s32(lanes + 4, sums[1]);
      for (int32_t c = 0; c < count_; ++c) output[c] = requantize_one(conv_, first_ + c, lanes[c]);
      return;
    }
    const int8x8_t bytes =
        vmax_s8(vqmovn_s16(vcombine_s16(requantize(sums[0], 0), requantize(sums[1], 1))), floor_);
    if (count_ == kBlock) {
      vst1_s8(output, bytes);
    } else {
      int8_t all[kBlock];
      vst1_s8(all, bytes);
      memcpy(output, all, static_cast<size_t>(count_));
    }
  }

  const Conv8& conv_;
  const int32_t first_, count_;
  const bool one_by_one_;
  const size_t taps_, stride_;
  const int16_t* const weights_;
  const int8x8_t floor_;
  int32x4_t bias_[2], right_[2], addend_[2], odd_[2];
};

}  // namespace

namespace neon {

size_t depthwise8_packed_bytes(const Conv8& conv) {
  const ConvGeometry& g = conv.geometry;
  if (!g.depthwise || g.pad_top < 0 || g.pad_left < 0) return 0;
  if (static_cast<int64_t>(g.kernel_h) * g.kernel_w >= 1 << 17) return 0;  // 32-bit sums
  return depthwise8_scratch_bytes(conv) > kMaxScratch ? 0 : Layout(g).bytes();
}

void depthwise8_pack(const Conv8& conv, void* memory) {
  const Layout layout(conv.geometry);
  const Packed packed(layout, memory);
  memset(packed.bias, 0, layout.head_bytes());
  memset(packed.weights, 0, layout.taps * layout.channels * sizeof(int16_t));
  for (int32_t n = 0; n < conv.geometry.out_c; ++n) {
    const int32_t block = n / kBlock;
    int16_t* weights = packed.weights + static_cast<size_t>(block) * layout.taps * kBlock + n % kBlock;
    const ChannelTaps at = channel_taps<int8_t>(conv.geometry, conv.layout, n);
    int64_t magnitude = 0;
    for (size_t tap = 0; tap < layout.taps; ++tap) {
      const int8_t weight = conv.weights[at.offset + tap * at.stride];
      magnitude += weight < 0 ? -weight : weight;
      weights[tap * kBlock] = weight;
    }
    const int64_t bias = conv.bias != nullptr ? conv.bias[n] : 0;
    LaneShift lanes{};
    if (!lane_shift(magnitude * 128 + (bias < 0 ? -bias : bias), conv.shifts[n], conv.rounding, &lanes)) {
      packed.one_by_one[block] = 1;
      continue;
    }
    packed.bias[n] = static_cast<int32_t>(bias);
    packed.shift[n] = lanes.shift;
    packed.addend[n] = lanes.addend();
    packed.odd[n] = lanes.odd;
  }
  // requantize_one adds the bias itself, in 64 bits.
  for (int32_t n = 0; n < conv.geometry.out_c; ++n) {
    if (packed.one_by_one[n / kBlock] != 0) packed.bias[n] = 0;
  }
}

size_t depthwise8_scratch_bytes(const Conv8& conv) {
  const RingSize ring(conv.geometry, 1, kSlack, sizeof(int16_t));
  return kCacheLine + ring.elements() * sizeof(int16_t) + Layout(conv.geometry).taps * sizeof(int16_t*);
}

void depthwise8_run(const Conv8& conv, const int8_t* input, int8_t* output, int32_t row_begin,
                    int32_t row_end, void* scratch) {
  const ConvGeometry& g = conv.geometry;
  const Layout layout(g);
  const Packed packed(layout, conv.packed);
  const RingSize size(g, 1, kSlack, sizeof(int16_t));
  int16_t* memory = align_line<int16_t>(scratch);
  RowRing<WidenedRow> ring(g, size, input, memory);
  const int16_t** taps = reinterpret_cast<const int16_t**>(memory + size.elements());
  const size_t row_bytes = static_cast<size_t>(g.out_w) * static_cast<size_t>(g.out_c);
  for (int32_t row = row_begin; row < row_end; ++row) {
    const int64_t top = static_cast<int64_t>(row) * g.stride_h - g.pad_top;
    ring.advance(top, top + static_cast<int64_t>(g.kernel_h - 1) * g.dilation_h);
    ring.find_runs(top, static_cast<int32_t>(layout.taps), taps);
    for (int32_t first = 0; first < g.out_c; first += kBlock) {
      Block(conv, layout, packed, first).run_row(taps, output + static_cast<size_t>(row) * row_bytes);
    }
  }
}

}  // namespace neon
}  // namespace shrike
