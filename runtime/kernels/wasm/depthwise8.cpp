// 8-bit depthwise convolution: 8 channels of up to 4 pixels at a time. Two taps are interleaved so that one
// multiply-add sums both in 32 bits.
#include "kernels/wasm/block.h"
#include "kernels/wasm/wasm.h"

namespace shrike {
namespace {

constexpr int32_t kPixels = 4;
constexpr size_t kSlack = 8;  // the last block reads whole vectors
constexpr size_t kMaxScratch = size_t{64} << 20;

struct Layout {
  size_t taps, pairs, blocks;

  explicit Layout(const ConvGeometry& g) {
    taps = static_cast<size_t>(g.kernel_h) * static_cast<size_t>(g.kernel_w);
    pairs = (taps + 1) / 2;
    blocks = (static_cast<size_t>(g.out_c) + kBlock - 1) / kBlock;
  }
  size_t head_bytes() const { return round_up(blocks * sizeof(BlockRounding), kCacheLine); }
  size_t block_weights() const { return pairs * 2 * kBlock; }
  size_t bytes() const { return kCacheLine + head_bytes() + blocks * block_weights() * sizeof(int16_t); }
};

// The packed memory; weights are [blocks][pairs][channels][2].
struct Packed {
  BlockRounding* rounding;
  int16_t* weights;

  Packed(const Layout& layout, void* memory) {
    uint8_t* begin = align_line<uint8_t>(memory);
    rounding = reinterpret_cast<BlockRounding*>(begin);
    weights = reinterpret_cast<int16_t*>(begin + layout.head_bytes());
  }
};

// `taps`: input of every tap at output pixel 0, an even number of them.
template <int kCount>
void run_pixels(const Conv8& conv, const BlockRounding& rounding, const int16_t* weights, size_t pairs,
                const int16_t* const* taps, size_t offset, int32_t first, int8_t* output) {
  const size_t stride = static_cast<size_t>(conv.geometry.stride_w) * static_cast<size_t>(conv.geometry.in_c);
  v128_t sums[kCount][2];
  for (int p = 0; p < kCount; ++p) {
    sums[p][0] = wasm_v128_load(rounding.bias);
    sums[p][1] = wasm_v128_load(rounding.bias + 4);
  }
  for (size_t pair = 0; pair < pairs; ++pair, weights += 2 * kBlock) {
    const int16_t* a = taps[2 * pair] + offset;
    const int16_t* b = taps[2 * pair + 1] + offset;
    const v128_t low = wasm_v128_load(weights), high = wasm_v128_load(weights + kBlock);
    for (int p = 0; p < kCount; ++p) {
      const v128_t x = wasm_v128_load(a + static_cast<size_t>(p) * stride);
      const v128_t y = wasm_v128_load(b + static_cast<size_t>(p) * stride);
      const v128_t first_four = wasm_i16x8_shuffle(x, y, 0, 8, 1, 9, 2, 10, 3, 11);
      const v128_t last_four = wasm_i16x8_shuffle(x, y, 4, 12, 5, 13, 6, 14, 7, 15);
      sums[p][0] = wasm_i32x4_add(sums[p][0], wasm_i32x4_dot_i16x8(first_four, low));
      sums[p][1] = wasm_i32x4_add(sums[p][1], wasm_i32x4_dot_i16x8(last_four, high));
    }
  }
  const int32_t out_c = conv.geometry.out_c, channels = out_c - first < kBlock ? out_c - first : kBlock;
  for (int p = 0; p < kCount; ++p) {
    store_block(conv, rounding, first, channels, sums[p][0], sums[p][1],
                output + static_cast<size_t>(p) * static_cast<size_t>(out_c));
  }
}

void run_row(const Conv8& conv, const Layout& layout, const Packed& packed, const int16_t* const* taps,
             size_t block, int8_t* output) {
  const ConvGeometry& g = conv.geometry;
  const size_t stride = static_cast<size_t>(g.stride_w) * static_cast<size_t>(g.in_c);
  const size_t first = block * kBlock, out_c = static_cast<size_t>(g.out_c);
  const int16_t* weights = packed.weights + block * layout.block_weights();
  const BlockRounding& rounding = packed.rounding[block];
  const int32_t width = g.out_w;
  int32_t x = 0;
  const auto run = [&](auto pixels) {
    const size_t at = static_cast<size_t>(x);
    pixels(conv, rounding, weights, layout.pairs, taps, at * stride + first, static_cast<int32_t>(first),
           output + at * out_c + first);
  };
  for (; x + kPixels <= width; x += kPixels) run(run_pixels<kPixels>);
  for (; x < width; ++x) run(run_pixels<1>);
}

}  // namespace

namespace simd128 {

size_t depthwise8_packed_bytes(const Conv8& conv) {
  const ConvGeometry& g = conv.geometry;
  if (!g.depthwise || g.pad_top < 0 || g.pad_left < 0) return 0;
  if (static_cast<int64_t>(g.kernel_h) * g.kernel_w >= 1 << 17) return 0;  // 32-bit sums, as in conv8.cpp
  return depthwise8_scratch_bytes(conv) > kMaxScratch ? 0 : Layout(g).bytes();
}

void depthwise8_pack(const Conv8& conv, void* memory) {
  const Layout layout(conv.geometry);
  const Packed packed(layout, memory);
  memset(packed.weights, 0, layout.blocks * layout.block_weights() * sizeof(int16_t));
  for (size_t block = 0; block < layout.blocks; ++block) {
    const int32_t first = static_cast<int32_t>(block) * kBlock;
    int16_t* weights = packed.weights + block * layout.block_weights();
    int64_t magnitudes[kBlock] = {};
    for (int32_t i = 0; i < kBlock && first + i < conv.geometry.out_c; ++i) {
      const ChannelTaps at = channel_taps<int8_t>(conv.geometry, conv.layout, first + i);
      for (size_t tap = 0; tap < layout.taps; ++tap) {
        const int8_t weight = conv.weights[at.offset + tap * at.stride];
        weights[(tap / 2 * kBlock + static_cast<size_t>(i)) * 2 + tap % 2] = weight;
        magnitudes[i] += weight < 0 ? -weight : weight;
      }
    }
    find_rounding(conv, first, magnitudes, &packed.rounding[block]);
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
  for (int32_t row = row_begin; row < row_end; ++row) {
    const int64_t top = static_cast<int64_t>(row) * g.stride_h - g.pad_top;
    ring.advance(top, top + static_cast<int64_t>(g.kernel_h - 1) * g.dilation_h);
    for (size_t tap = 0; tap < layout.taps; ++tap) {
      const size_t ky = tap / static_cast<size_t>(g.kernel_w), kx = tap % static_cast<size_t>(g.kernel_w);
      taps[tap] = ring.row(top + static_cast<int64_t>(ky) * g.dilation_h) +
                  kx * static_cast<size_t>(g.dilation_w) * static_cast<size_t>(g.in_c);
    }
    if (layout.taps % 2 != 0) taps[layout.taps] = taps[layout.taps - 1];  // its weights are zero
    int8_t* target =
        output + static_cast<size_t>(row) * static_cast<size_t>(g.out_w) * static_cast<size_t>(g.out_c);
    for (size_t block = 0; block < layout.blocks; ++block) run_row(conv, layout, packed, taps, block, target);
  }
}

}  // namespace simd128
}  // namespace shrike
