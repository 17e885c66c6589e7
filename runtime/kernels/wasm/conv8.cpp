// 8-bit convolution of group 1, tiles of up to 4 pixels x 8 channels: eight sums, two vectors of weights and
// a pair of inputs in every lane leave registers free on machines that have sixteen. A multiply-add takes two
// inputs of four channels.
//
// A "run" is a stretch of input elements that meets a contiguous stretch of weights: all taps of one kernel
// row when they lie side by side (dilation 1), else one tap. Runs of an odd length are padded with a zero
// weight.
#include "kernels/wasm/block.h"
#include "kernels/wasm/wasm.h"

namespace shrike {
namespace {

constexpr int32_t kPixels = 4;
constexpr size_t kSlack = 2;              // elements that the last pair of a run may read past it
constexpr size_t kStripBytes = 96 << 10;  // widened input that should stay in the second-level cache
constexpr size_t kMaxScratch = 64u << 20;
constexpr size_t kPairWeights = 2 * kBlock;  // int16 of one pair of inputs

struct Layout {
  int32_t runs, run_elements, pairs, blocks;

  explicit Layout(const ConvGeometry& g) {
    const bool contiguous = g.dilation_w == 1 || g.kernel_w == 1;
    runs = contiguous ? g.kernel_h : g.kernel_h * g.kernel_w;
    run_elements = contiguous ? g.kernel_w * g.in_c : g.in_c;
    pairs = (run_elements + 1) / 2;
    blocks = (g.out_c + kBlock - 1) / kBlock;
  }
  size_t block_weights() const {
    return static_cast<size_t>(runs) * static_cast<size_t>(pairs) * kPairWeights;
  }
  size_t head_bytes() const {
    return round_up(static_cast<size_t>(blocks) * sizeof(BlockRounding), kCacheLine);
  }
  size_t bytes() const {
    return kCacheLine + head_bytes() + static_cast<size_t>(blocks) * block_weights() * sizeof(int16_t);
  }
};

// The packed memory; weights are [blocks][runs][pairs][channels][2].
struct Packed {
  BlockRounding* rounding;
  int16_t* weights;

  Packed(const Layout& layout, void* memory) {
    uint8_t* begin = align_line<uint8_t>(memory);
    rounding = reinterpret_cast<BlockRounding*>(begin);
    weights = reinterpret_cast<int16_t*>(begin + layout.head_bytes());
  }
};

// `lane`: where the channel's first pair goes. Gives the sum of |weight|.
int64_t pack_channel(const Conv8& conv, const Layout& layout, int32_t channel, int16_t* lane) {
  const ChannelTaps at = channel_taps<int8_t>(conv.geometry, conv.layout, channel);
  const int8_t* weight = conv.weights + at.offset;
  int64_t magnitude = 0;
  for (int32_t run = 0; run < layout.runs; ++run) {
    for (int32_t i = 0; i < layout.run_elements; ++i, weight += at.stride) {
      lane[static_cast<size_t>(i / 2) * kPairWeights + static_cast<size_t>(i % 2)] = *weight;
      magnitude += *weight < 0 ? -*weight : *weight;
    }
    lane += static_cast<size_t>(layout.pairs) * kPairWeights;
  }
  return magnitude;
}

// What the pixels of a tile share.
struct Tile {
  const Conv8& conv;
  const Layout& layout;
  const BlockRounding& rounding;
  const int16_t* weights;
  int32_t first_channel, channels;
  size_t pixel_stride;  // elements
  size_t output_stride;
};

// `runs`: input of every run at the first pixel's offset 0.
template <int kCount>
void run_tile(const Tile& tile, const int16_t* const* runs, size_t offset, int8_t* output) {
  v128_t sums[kCount][2];
  for (int p = 0; p < kCount; ++p) {
    sums[p][0] = wasm_v128_load(tile.rounding.bias);
    sums[p][1] = wasm_v128_load(tile.rounding.bias + 4);
  }
  const int16_t* weights = tile.weights;
  for (int32_t run = 0; run < tile.layout.runs; ++run) {
    const int16_t* input = runs[run] + offset;
    for (int32_t pair = 0; pair < tile.layout.pairs; ++pair, input += 2, weights += kPairWeights) {
      const v128_t low = wasm_v128_load(weights), high = wasm_v128_load(weights + kBlock);
      for (int p = 0; p < kCount; ++p) {
        const v128_t both = wasm_v128_load32_splat(input + static_cast<size_t>(p) * tile.pixel_stride);
        sums[p][0] = wasm_i32x4_add(sums[p][0], wasm_i32x4_dot_i16x8(both, low));
        sums[p][1] = wasm_i32x4_add(sums[p][1], wasm_i32x4_dot_i16x8(both, high));
      }
    }
  }
  for (int p = 0; p < kCount; ++p) {
    store_block(tile.conv, tile.rounding, tile.first_channel, tile.channels, sums[p][0], sums[p][1],
                output + static_cast<size_t>(p) * tile.output_stride);
  }
}

// `count` neighbouring output pixels from `output` (channel 0) on.
void run_span(const Tile& tile, const int16_t* const* runs, size_t count, int8_t* output) {
  output += tile.first_channel;
  size_t x = 0;
  for (; x + kPixels <= count; x += kPixels)
    run_tile<kPixels>(tile, runs, x * tile.pixel_stride, output + x * tile.output_stride);
  for (; x < count; ++x) run_tile<1>(tile, runs, x * tile.pixel_stride, output + x * tile.output_stride);
}

class Convolution {
 public:
  explicit Convolution(const Conv8& conv)
      : conv_(conv), g_(conv.geometry), layout_(g_), packed_(layout_, conv.packed) {}

  static size_t strip_of(const ConvGeometry& g) {
    return strip_length(g, kPixels, kSlack, sizeof(int16_t), kStripBytes);
  }

  void run_pointwise(const int8_t* input, int8_t* output, int32_t row_begin, int32_t row_end,
                     void* scratch) const {
    const size_t in_c = static_cast<size_t>(g_.in_c), out_c = static_cast<size_t>(g_.out_c);
    const size_t strip = strip_of(g_), width = static_cast<size_t>(g_.out_w);
    const size_t end = static_cast<size_t>(row_end) * width;
    int16_t* widened = align_line<int16_t>(scratch);
    const int16_t* runs[1] = {widened};
    for (size_t pixel = static_cast<size_t>(row_begin) * width; pixel < end; pixel += strip) {
      const size_t count = end - pixel < strip ? end - pixel : strip;
      WidenedRow::convert(input + pixel * in_c, widened, count * in_c);
      memset(widened + count * in_c, 0, kSlack * sizeof(int16_t));
      for (int32_t block = 0; block < layout_.blocks; ++block)
        run_span(tile_of(block), runs, count, output + pixel * out_c);
    }
  }

  void run_rows(const int8_t* input, int8_t* output, int32_t row_begin, int32_t row_end,
                void* scratch) const {
    const int32_t strip = static_cast<int32_t>(strip_of(g_));
    const RingSize size(g_, strip, kSlack, sizeof(int16_t));
    int16_t* memory = align_line<int16_t>(scratch);
    RowRing<WidenedRow> ring(g_, size, input, memory);
    const int16_t** runs = reinterpret_cast<const int16_t**>(memory + size.elements());
    const size_t row_bytes = static_cast<size_t>(g_.out_w) * static_cast<size_t>(g_.out_c);
    for (int32_t row = row_begin; row < row_end; row += strip) {
      const int32_t rows = row_end - row < strip ? row_end - row : strip;
      const int64_t top = static_cast<int64_t>(row) * g_.stride_h - g_.pad_top;
      ring.advance(top, top + static_cast<int64_t>(rows - 1) * g_.stride_h +
                            static_cast<int64_t>(g_.kernel_h - 1) * g_.dilation_h);
      for (int32_t y = 0; y < rows; ++y) {
        ring.find_runs(top + static_cast<int64_t>(y) * g_.stride_h, layout_.runs,
                       runs + static_cast<size_t>(y * layout_.runs));
      }
      int8_t* target = output + static_cast<size_t>(row) * row_bytes;
      for (int32_t block = 0; block < layout_.blocks; ++block) {
        const Tile tile = tile_of(block);
        for (int32_t y = 0; y < rows; ++y) {
          run_span(tile, runs + static_cast<size_t>(y * layout_.runs), static_cast<size_t>(g_.out_w),
                   target + static_cast<size_t>(y) * row_bytes);
        }
      }
    }
  }

 private:
  Tile tile_of(int32_t block) const {
    const int32_t first = block * kBlock;
    return {conv_,
            layout_,
            packed_.rounding[block],
            packed_.weights + static_cast<size_t>(block) * layout_.block_weights(),
            first,
            g_.out_c - first < kBlock ? g_.out_c - first : kBlock,
            static_cast<size_t>(g_.stride_w) * static_cast<size_t>(g_.in_c),
            static_cast<size_t>(g_.out_c)};
  }

  const Conv8& conv_;
  const ConvGeometry& g_;
  const Layout layout_;
  const Packed packed_;
};

}  // namespace

namespace simd128 {

size_t conv8_packed_bytes(const Conv8& conv) {
  const ConvGeometry& g = conv.geometry;
  if (g.depthwise || g.pad_top < 0 || g.pad_left < 0) return 0;
  // 32-bit sums without bias: taps * 2^14 must stay below 2^31.
  if (static_cast<int64_t>(g.kernel_h) * g.kernel_w * g.in_c >= 1 << 17) return 0;
  return conv8_scratch_bytes(conv) > kMaxScratch ? 0 : Layout(g).bytes();
}

void conv8_pack(const Conv8& conv, void* memory) {
  const Layout layout(conv.geometry);
  const Packed packed(layout, memory);
  for (int32_t block = 0; block < layout.blocks; ++block) {
    int16_t* weights = packed.weights + static_cast<size_t>(block) * layout.block_weights();
    memset(weights, 0, layout.block_weights() * sizeof(int16_t));
    int64_t magnitudes[kBlock] = {};
    for (int32_t i = 0; i < kBlock && block * kBlock + i < conv.geometry.out_c; ++i)
      magnitudes[i] = pack_channel(conv, layout, block * kBlock + i, weights + 2 * i);
    find_rounding(conv, block * kBlock, magnitudes, &packed.rounding[block]);
  }
}

size_t conv8_scratch_bytes(const Conv8& conv) {
  const ConvGeometry& g = conv.geometry;
  const size_t strip = Convolution::strip_of(g);
  if (is_pointwise(g)) return kCacheLine + (strip * static_cast<size_t>(g.in_c) + kSlack) * sizeof(int16_t);
  const RingSize ring(g, static_cast<int32_t>(strip), kSlack, sizeof(int16_t));
  return kCacheLine + ring.elements() * sizeof(int16_t) +
         strip * static_cast<size_t>(Layout(g).runs) * sizeof(int16_t*);
}

void conv8_run(const Conv8& conv, const int8_t* input, int8_t* output, int32_t row_begin, int32_t row_end,
               void* scratch) {
  const Convolution convolution(conv);
  if (is_pointwise(conv.geometry)) {
    convolution.run_pointwise(input, output, row_begin, row_end, scratch);
  } else {
    convolution.run_rows(input, output, row_begin, row_end, scratch);
  }
}

}  // namespace simd128
}  // namespace shrike
