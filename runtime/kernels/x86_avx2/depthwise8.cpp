// 8-bit depthwise convolution: 16 channels of two pixels at a time. Two taps are interleaved so that one
// multiply-add (vpmaddwd) sums both in 32 bits.
#include "kernels/requantize_lanes.h"
#include "kernels/row_ring.h"
#include "kernels/weight_layout.h"
#include "kernels/x86_avx2/avx2.h"
#include "kernels/x86_avx2/rows.h"

namespace shrike {
namespace {

constexpr int32_t kBlock = 16;
constexpr size_t kSlack = 16;  // the last block reads whole vectors
constexpr size_t kMaxScratch = size_t{64} << 20;

struct Layout {
  size_t taps, pairs, blocks, channels;

  explicit Layout(const ConvGeometry& g) {
    taps = static_cast<size_t>(g.kernel_h) * static_cast<size_t>(g.kernel_w);
    pairs = (taps + 1) / 2;
    blocks = (static_cast<size_t>(g.out_c) + kBlock - 1) / kBlock;
    channels = blocks * kBlock;
  }
  size_t bytes() const {
    return kCacheLine + round_up((3 * channels + blocks) * sizeof(int32_t), kCacheLine) +
           pairs * 2 * channels * sizeof(int16_t);
  }
};

// Channel parameters are in lane order; weights [blocks][pairs][lanes][2].
struct Packed {
  int32_t *bias, *shift, *low;  // [channels]
  int32_t* one_by_one;          // [blocks]
  int16_t* weights;

  Packed(const Layout& layout, void* memory) {
    bias = align_line<int32_t>(memory);
    shift = bias + layout.channels;
    low = shift + layout.channels;
    one_by_one = low + layout.channels;
    weights = align_line<int16_t>(one_by_one + layout.blocks);
  }
};

// Interleaving works within 128-bit halves: lanes 0-7 hold channels 0-3 and 8-11, lanes 8-15 the others.
// Packing to bytes undoes it.
constexpr int32_t lane_of(int32_t channel) {
  return channel % 4 + (channel / 4 % 2) * 8 + (channel / 8) * 4;
}

// One block of channels: everything its pixels share, in values that stores to the output can't change.
class Block {
 public:
  Block(const Conv8& conv, const Layout& layout, const Packed& packed, int32_t first)
      : conv_(conv),
        first_(first),
        count_(conv.geometry.out_c - first < kBlock ? conv.geometry.out_c - first : kBlock),
        one_by_one_(packed.one_by_one[first / kBlock] != 0),
        pairs_(layout.pairs),
        stride_(static_cast<size_t>(conv.geometry.stride_w) * static_cast<size_t>(conv.geometry.in_c)),
        weights_(packed.weights + static_cast<size_t>(first) * layout.pairs * 2),
        floor_(_mm_set1_epi8(conv.relu ? 0 : -128)) {
    for (int half = 0; half < 2; ++half) {
      const int32_t lane = first + half * 8;
      bias_[half] = load256(packed.bias + lane);
      shift_[half] = load256(packed.shift + lane);
      low_[half] = load256(packed.low + lane);
    }
  }

  // One row. `taps`: input of every tap at output pixel 0, an even number of them; kPairs: half of it when
  // known at compile time, else 0.
  template <int kPairs>
  void run_row(const int16_t* const* taps, int8_t* output) const {
    constexpr int kPixels = 2;
    const size_t width = static_cast<size_t>(conv_.geometry.out_w);
    const size_t out_c = static_cast<size_t>(conv_.geometry.out_c);
    size_t x = 0;
    for (; x + kPixels <= width; x += kPixels)
      run_pixels<kPixels, kPairs>(taps, x, output + x * out_c, out_c);
    for (; x < width; ++x) run_pixels<1, kPairs>(taps, x, output + x * out_c, out_c);
  }

 private:
  template <int kPixels, int kPairs>
  void run_pixels(const int16_t* const* taps, size_t x, int8_t* output, size_t out_c) const {
    const size_t pairs = kPairs > 0 ? kPairs : pairs_;
    const size_t start = x * stride_ + static_cast<size_t>(first_);
    __m256i sums[kPixels][2];
    for (auto& pixel : sums) pixel[0] = pixel[1] = _mm256_setzero_si256();
    for (size_t pair = 0; pair < pairs; ++pair) {
      const int16_t* first = taps[2 * pair] + start;
      const int16_t* second = taps[2 * pair + 1] + start;
      const __m256i low = load256(weights_ + pair * 2 * kBlock),
                    high = load256(weights_ + pair * 2 * kBlock + kBlock);
      for (int p = 0; p < kPixels; ++p, first += stride_, second += stride_) {
        const __m256i a = load256(first), b = load256(second);
        sums[p][0] = _mm256_add_epi32(sums[p][0], _mm256_madd_epi16(_mm256_unpacklo_epi16(a, b), low));
        sums[p][1] = _mm256_add_epi32(sums[p][1], _mm256_madd_epi16(_mm256_unpackhi_epi16(a, b), high));
      }
    }
    for (int p = 0; p < kPixels; ++p) store(sums[p], output + static_cast<size_t>(p) * out_c + first_);
  }

  void store(const __m256i (&sums)[2], int8_t* output) const {
    if (one_by_one_) return store_one_by_one(sums, output);
    __m256i values[2];
    for (int half = 0; half < 2; ++half) {
      values[half] = requantize_lanes(_mm256_add_epi32(sums[half], bias_[half]), shift_[half], low_[half]);
    }
    const __m256i words = _mm256_packs_epi32(values[0], values[1]);
    const __m128i bytes = _mm_max_epi8(
        _mm_packs_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1)), floor_);
    if (count_ == kBlock) {
      _mm_storeu_si128(reinterpret_cast<__m128i*>(output), bytes);
    } else {
      int8_t all[kBlock];
      _mm_storeu_si128(reinterpret_cast<__m128i*>(all), bytes);
      memcpy(output, all, static_cast<size_t>(count_));
    }
  }

  void store_one_by_one(const __m256i (&sums)[2], int8_t* output) const {
    int32_t lanes[kBlock];
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(lanes), sums[0]);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(lanes + 8), sums[1]);
    for (int32_t c = 0; c < count_; ++c) output[c] = requantize_one(conv_, first_ + c, lanes[lane_of(c)]);
  }

  const Conv8& conv_;
  const int32_t first_, count_;
  const bool one_by_one_;
  const size_t pairs_, stride_;
  const int16_t* const weights_;
  const __m128i floor_;
  __m256i bias_[2], shift_[2], low_[2];
};

}  // namespace

namespace avx2 {

size_t depthwise8_packed_bytes(const Conv8& conv) {
  const ConvGeometry& g = conv.geometry;
  if (!g.depthwise || g.pad_top < 0 || g.pad_left < 0) return 0;
  if (static_cast<int64_t>(g.kernel_h) * g.kernel_w >= 1 << 17)
    return 0;  // 32-bit sums, as in blocked_conv.h
  return depthwise8_scratch_bytes(conv) > kMaxScratch ? 0 : Layout(g).bytes();
}

void depthwise8_pack(const Conv8& conv, void* memory) {
  const Layout layout(conv.geometry);
  const Packed packed(layout, memory);
  memset(packed.bias, 0, (3 * layout.channels + layout.blocks) * sizeof(int32_t));
  memset(packed.weights, 0, layout.pairs * 2 * layout.channels * sizeof(int16_t));
  for (int32_t n = 0; n < conv.geometry.out_c; ++n) {
    const int32_t block = n / kBlock, lane = lane_of(n % kBlock), slot = block * kBlock + lane;
    int16_t* weights = packed.weights + static_cast<size_t>(block) * layout.pairs * 2 * kBlock + lane * 2;
    const ChannelTaps at = channel_taps<int8_t>(conv.geometry, conv.layout, n);
    int64_t magnitude = 0;
    for (size_t tap = 0; tap < layout.taps; ++tap) {
      const int8_t weight = conv.weights[at.offset + tap * at.stride];
      magnitude += weight < 0 ? -weight : weight;
      weights[tap / 2 * 2 * kBlock + tap % 2] = weight;
    }
    const int64_t bias = conv.bias != nullptr ? conv.bias[n] : 0;
    LaneShift lanes;
    if (!lane_shift(magnitude * 128 + (bias < 0 ? -bias : bias), conv.shifts[n], conv.rounding, &lanes)) {
      packed.one_by_one[block] = 1;
      continue;
    }
    packed.bias[slot] = static_cast<int32_t>(bias + lanes.half);
    packed.shift[slot] = lanes.shift;
    packed.low[slot] = lanes.low();
  }
}

size_t depthwise8_scratch_bytes(const Conv8& conv) {
  const RingSize ring(conv.geometry, 1, kSlack, sizeof(int16_t));
  return kCacheLine + ring.elements() * sizeof(int16_t) + 2 * Layout(conv.geometry).pairs * sizeof(int16_t*);
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
    for (size_t tap = 0; tap < layout.taps; ++tap) {
      const size_t ky = tap / static_cast<size_t>(g.kernel_w), kx = tap % static_cast<size_t>(g.kernel_w);
      taps[tap] = ring.row(top + static_cast<int64_t>(ky) * g.dilation_h) +
                  kx * static_cast<size_t>(g.dilation_w) * static_cast<size_t>(g.in_c);
    }
    if (layout.taps % 2 != 0) taps[layout.taps] = taps[layout.taps - 1];  // its weights are zero
    int8_t* target = output + static_cast<size_t>(row) * row_bytes;
    for (int32_t first = 0; first < g.out_c; first += kBlock) {
      const Block block(conv, layout, packed, first);
      if (layout.pairs == 5) {  // 3x3
        block.run_row<5>(taps, target);
      } else {
        block.run_row<0>(taps, target);
      }
    }
  }
}

}  // namespace avx2
}  // namespace shrike
