// Convolution of group 1 for x86: everything but the inner loop. An instruction set `Isa` provides
//   Element = uint8_t, kZero = 128, convert()   input rows as packed_conv.h wants them
//   kLanes, kVectors              output channels of a vector, vectors of a block at most
//   pixels(vectors)               of the largest tile of a block
//   kSaturatingPairs              its multiply-add saturates pairs at 16 bits
//   tile(tile, pixels, vectors)   the inner loop
#pragma once
#include "kernels/x86/packed_conv.h"

namespace shrike {
namespace {

// Up to Isa::pixels(vectors) output pixels of one row x one block of output channels.
struct ConvTile {
  const uint8_t* const* runs;  // [run_count], at output pixel 0
  int32_t run_count;
  int32_t groups;         // per run
  size_t offset;          // elements from pixel 0 to the tile's first pixel
  size_t pixel_stride;    // elements between output pixels
  const int8_t* weights;  // [run_count][groups][vectors][lanes][kGroup]
  int32_t excess_count;
  const ExcessGroup* excess;
  const int8_t* excess_weights;       // [excess_count][vectors][lanes][kGroup]
  const int32_t *bias, *shift, *low;  // of the block's first channel
  int8_t floor;                       // 0 with ReLU, else -128
  int8_t* output;                     // first pixel, first channel of the block
  size_t output_stride;               // = out_c
  int32_t channels;                   // valid channels of the block
  const Conv8* one_by_one;            // not null: requantise by requantize_one
  int32_t first_channel;

  // `sums`: [pixels][stride], the packed bias already added.
  void store_one_by_one(const int32_t* sums, int32_t pixels, int32_t stride) const {
    for (int32_t p = 0; p < pixels; ++p) {
      for (int32_t c = 0; c < channels; ++c) {
        output[static_cast<size_t>(p) * output_stride + static_cast<size_t>(c)] =
            requantize_one(*one_by_one, first_channel + c, sums[p * stride + c]);
      }
    }
  }
};

template <class Isa>
class BlockedConv {
  static constexpr size_t kSlack = 16;  // covers the last group of a run
  static constexpr size_t kStripBytes = 96
                                        << 10;  // converted input that should stay in the second-level cache
  static constexpr size_t kMaxScratch = 64u << 20;

  static PackedLayout layout_of(const ConvGeometry& g) {
    return PackedLayout(g, Isa::kLanes, Isa::kVectors, Isa::kSaturatingPairs);
  }

  static size_t strip_of(const ConvGeometry& g) {
    return strip_length(g, Isa::pixels(1), kSlack, 1, kStripBytes);
  }

 public:
  static size_t packed_bytes(const Conv8& conv) {
    const ConvGeometry& g = conv.geometry;
    if (g.depthwise || g.pad_top < 0 || g.pad_left < 0) return 0;
    // 32-bit sums without bias: taps * 2^14 must stay below 2^31.
    if (static_cast<int64_t>(g.kernel_h) * g.kernel_w * g.in_c >= 1 << 17) return 0;
    return scratch_bytes(conv) > kMaxScratch ? 0 : layout_of(g).bytes();
  }

  static void pack(const Conv8& conv, void* memory) {
    const PackedLayout layout = layout_of(conv.geometry);
    pack_conv(conv, layout, PackedConv(layout, memory));
  }

  static size_t scratch_bytes(const Conv8& conv) {
    const ConvGeometry& g = conv.geometry;
    const size_t strip = strip_of(g);
    if (is_pointwise(g)) return kCacheLine + strip * static_cast<size_t>(g.in_c) + kSlack;
    const RingSize ring(g, static_cast<int32_t>(strip), kSlack, 1);
    return kCacheLine + ring.elements() + strip * static_cast<size_t>(layout_of(g).runs) * sizeof(uint8_t*);
  }

  static void run(const Conv8& conv, const int8_t* input, int8_t* output, int32_t row_begin, int32_t row_end,
                  void* scratch) {
    const BlockedConv self(conv);
    if (is_pointwise(conv.geometry)) {
      self.run_pointwise(input, output, row_begin, row_end, scratch);
    } else {
      self.run_rows(input, output, row_begin, row_end, scratch);
    }
  }

 private:
  explicit BlockedConv(const Conv8& conv)
      : conv_(conv), g_(conv.geometry), layout_(layout_of(conv.geometry)), packed_(layout_, conv.packed) {}

  ConvTile tile_of(int32_t block) const {
    const int32_t first = layout_.first_channel(block), next = layout_.first_channel(block + 1);
    ConvTile tile;
    tile.run_count = layout_.runs;
    tile.groups = layout_.groups;
    tile.pixel_stride = static_cast<size_t>(g_.stride_w) * static_cast<size_t>(g_.in_c);
    tile.weights = packed_.block_weights(layout_, block);
    tile.excess_count = packed_.excess_count[block];
    tile.excess = packed_.excess + static_cast<size_t>(block) * layout_.excess_limit;
    tile.excess_weights = tile.weights + layout_.block_bytes(block);
    tile.bias = packed_.bias + first;
    tile.shift = packed_.shift + first;
    tile.low = packed_.low + first;
    tile.floor = conv_.relu ? 0 : -128;
    tile.output_stride = static_cast<size_t>(g_.out_c);
    tile.channels = (next < g_.out_c ? next : g_.out_c) - first;
    tile.one_by_one = packed_.one_by_one[block] != 0 ? &conv_ : nullptr;
    tile.first_channel = first;
    return tile;
  }

  // `pixels` neighbouring output pixels from `output` (channel 0) on.
  void run_span(ConvTile& tile, int32_t block, const uint8_t* const* runs, int32_t pixels,
                int8_t* output) const {
    tile.runs = runs;
    // Tiles of nearly equal size waste less than full tiles and a small last one.
    const int32_t most = Isa::pixels(layout_.vectors(block));
    const int32_t tiles = (pixels + most - 1) / most;
    int32_t done = 0;
    for (int32_t i = 0; i < tiles; ++i) {
      const int32_t count = (pixels - done) / (tiles - i);
      tile.offset = static_cast<size_t>(done) * tile.pixel_stride;
      tile.output = output + static_cast<size_t>(done) * tile.output_stride + tile.first_channel;
      Isa::tile(tile, count, layout_.vectors(block));
      done += count;
    }
  }

  void run_pointwise(const int8_t* input, int8_t* output, int32_t row_begin, int32_t row_end,
                     void* scratch) const {
    const size_t in_c = static_cast<size_t>(g_.in_c), out_c = static_cast<size_t>(g_.out_c);
    const size_t strip = strip_of(g_);
    const size_t end = static_cast<size_t>(row_end) * static_cast<size_t>(g_.out_w);
    uint8_t* converted = align_line<uint8_t>(scratch);
    const uint8_t* runs[1] = {converted};
    for (size_t pixel = static_cast<size_t>(row_begin) * static_cast<size_t>(g_.out_w); pixel < end;
         pixel += strip) {
      const size_t count = end - pixel < strip ? end - pixel : strip;
      Isa::convert(input + pixel * in_c, converted, count * in_c);
      memset(converted + count * in_c, Isa::kZero, kSlack);
      int8_t* target = output + pixel * out_c;
      for (int32_t block = 0; block < layout_.blocks; ++block) {
        ConvTile tile = tile_of(block);
        run_span(tile, block, runs, static_cast<int32_t>(count), target);
      }
    }
  }

  void run_rows(const int8_t* input, int8_t* output, int32_t row_begin, int32_t row_end,
                void* scratch) const {
    const int32_t strip = static_cast<int32_t>(strip_of(g_));
    const RingSize size(g_, strip, kSlack, 1);
    uint8_t* memory = align_line<uint8_t>(scratch);
    RowRing<Isa> ring(g_, size, input, memory);
    const uint8_t** runs = reinterpret_cast<const uint8_t**>(memory + size.elements());
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
        ConvTile tile = tile_of(block);
        for (int32_t y = 0; y < rows; ++y) {
          run_span(tile, block, runs + static_cast<size_t>(y * layout_.runs), g_.out_w,
                   target + static_cast<size_t>(y) * row_bytes);
        }
      }
    }
  }

  const Conv8& conv_;
  const ConvGeometry& g_;
  const PackedLayout layout_;
  const PackedConv packed_;
};

}  // namespace
}  // namespace shrike
