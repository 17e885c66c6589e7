// 8-bit depthwise convolution: 16 channels of one pixel at a time. Two taps are interleaved so that one
// multiply-add (vpmaddwd) sums both in 32 bits.
#include "kernels/weight_layout.h"
#include "kernels/x86/requantize_lanes.h"
#include "kernels/x86/row_ring.h"
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
    return kCacheLine + round_up((4 * channels + blocks) * sizeof(int32_t), kCacheLine) +
           pairs * 2 * channels * sizeof(int16_t);
  }
};

// Channel parameters are in lane order; weights [blocks][pairs][lanes][2].
struct Packed {
  int32_t *bias, *shift, *addend, *odd;  // [channels]
  int32_t* wide;                         // [blocks]
  int16_t* weights;

  Packed(const Layout& layout, void* memory) {
    bias = align_line<int32_t>(memory);
    shift = bias + layout.channels;
    addend = shift + layout.channels;
    odd = addend + layout.channels;
    wide = odd + layout.channels;
    weights = align_line<int16_t>(wide + layout.blocks);
  }
};

// Interleaving works within 128-bit halves: lanes 0-7 hold channels 0-3 and 8-11, lanes 8-15 the others.
// Packing to bytes undoes it.
constexpr int32_t lane_of(int32_t channel) {
  return channel % 4 + (channel / 4 % 2) * 8 + (channel / 8) * 4;
}

void store_block(const Conv8& conv, const Packed& packed, int32_t first, __m256i low, __m256i high,
                 int8_t* output) {
  const ConvGeometry& g = conv.geometry;
  const int32_t count = g.out_c - first < kBlock ? g.out_c - first : kBlock;
  if (packed.wide[first / kBlock] != 0) {
    int32_t sums[kBlock];
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(sums), low);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(sums + 8), high);
    for (int32_t c = 0; c < count; ++c) output[c] = requantize_wide(conv, first + c, sums[lane_of(c)]);
    return;
  }
  const auto requantize = [&](__m256i sums, int32_t lane) {
    return requantize_lanes(_mm256_add_epi32(sums, load256(packed.bias + lane)), load256(packed.shift + lane),
                            load256(packed.addend + lane), load256(packed.odd + lane));
  };
  const __m256i words = _mm256_packs_epi32(requantize(low, first), requantize(high, first + 8));
  const __m128i bytes =
      _mm_max_epi8(_mm_packs_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1)),
                   _mm_set1_epi8(conv.relu ? 0 : -128));
  if (count == kBlock) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(output), bytes);
  } else {
    int8_t all[kBlock];
    _mm_storeu_si128(reinterpret_cast<__m128i*>(all), bytes);
    memcpy(output, all, static_cast<size_t>(count));
  }
}

// One row of one block of channels. `taps`: input of every tap at output pixel 0, an even number of them.
void run_block(const Conv8& conv, const Layout& layout, const Packed& packed, int32_t first,
               const int16_t* const* taps, int8_t* output) {
  const ConvGeometry& g = conv.geometry;
  const size_t channel = static_cast<size_t>(first);
  const size_t stride = static_cast<size_t>(g.stride_w) * static_cast<size_t>(g.in_c);
  const int16_t* weights = packed.weights + channel * layout.pairs * 2;
  for (size_t x = 0; x < static_cast<size_t>(g.out_w); ++x) {
    __m256i low = _mm256_setzero_si256(), high = _mm256_setzero_si256();
    for (size_t pair = 0; pair < layout.pairs; ++pair) {
      const __m256i a = load256(taps[2 * pair] + x * stride + channel);
      const __m256i b = load256(taps[2 * pair + 1] + x * stride + channel);
      const int16_t* w = weights + pair * 2 * kBlock;
      low = _mm256_add_epi32(low, _mm256_madd_epi16(_mm256_unpacklo_epi16(a, b), load256(w)));
      high = _mm256_add_epi32(high, _mm256_madd_epi16(_mm256_unpackhi_epi16(a, b), load256(w + 16)));
    }
    store_block(conv, packed, first, low, high, output + x * static_cast<size_t>(g.out_c) + channel);
  }
}

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
  memset(packed.bias, 0, (4 * layout.channels + layout.blocks) * sizeof(int32_t));
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
      packed.wide[block] = 1;
      continue;
    }
    packed.bias[slot] = static_cast<int32_t>(bias);
    packed.shift[slot] = lanes.shift;
    packed.addend[slot] = lanes.addend;
    packed.odd[slot] = lanes.odd;
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
    for (int32_t first = 0; first < g.out_c; first += kBlock)
      run_block(conv, layout, packed, first, taps, target);
    if (conv.table != nullptr) lookup8(target, target, row_bytes, conv.table);
  }
}

}  // namespace avx2
}  // namespace shrike
