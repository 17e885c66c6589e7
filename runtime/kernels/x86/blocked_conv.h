// Convolution of group 1 for x86: everything but the inner loop. An instruction set `Isa` provides
//   Element, kZero, convert()   the input's element type in the row ring (row_ring.h)
//   Weight                      element type of packed weights
//   kGroup, kLanes              input elements per multiply-add step and lane; output channels per vector
//   kPixels                     largest tile: kPixels x 2 vectors
//   kInputOffset                what convert() adds to every value; taken back through the packed bias
//   tile(task, pixels, vectors) the inner loop
//
// A "run" is a stretch of input elements that meets a contiguous stretch of weights: all taps of one kernel
// row when they lie side by side (dilation 1), else one tap. Runs are padded to whole groups with zero
// weights.
#pragma once
#include <string.h>

#include "kernels/weight_layout.h"
#include "kernels/x86/requantize_lanes.h"
#include "kernels/x86/row_ring.h"

namespace shrike {
namespace {

// Up to kPixels output pixels of one row x one block of output channels.
template <class Isa>
struct ConvTile {
  const typename Isa::Element* const* runs;  // [run_count], at output pixel 0
  int32_t run_count;
  int32_t groups;                              // per run
  size_t offset;                               // elements from pixel 0 to the tile's first pixel
  size_t pixel_stride;                         // elements between output pixels
  const typename Isa::Weight* weights;         // [run_count][groups][vectors][kLanes][kGroup]
  const int32_t *bias, *shift, *addend, *odd;  // of the block's first channel
  int8_t floor;                                // 0 with ReLU, else -128
  int8_t* output;                              // first pixel, first channel of the block
  size_t output_stride;                        // = out_c
  int32_t channels;                            // valid channels of the block
  const Conv8* wide;                           // not null: requantise by requantize_wide
  int32_t first_channel;

  // `sums`: [pixels][stride] accumulators without bias, what convert() added already taken back.
  void store_wide(const int32_t* sums, int32_t pixels, int32_t stride) const {
    for (int32_t p = 0; p < pixels; ++p) {
      for (int32_t c = 0; c < channels; ++c) {
        output[static_cast<size_t>(p) * output_stride + static_cast<size_t>(c)] =
            requantize_wide(*wide, first_channel + c, sums[p * stride + c]);
      }
    }
  }
};

template <class Isa>
class BlockedConv {
  using Element = typename Isa::Element;
  using Weight = typename Isa::Weight;
  static constexpr int32_t kBlock = 2 * Isa::kLanes;
  static constexpr size_t kSlack = 16;  // covers the last group of a run
  static constexpr size_t kStripBytes = 96
                                        << 10;  // converted input that should stay in the second-level cache
  static constexpr size_t kMaxScratch = size_t{64} << 20;

  // Numbers that follow from the geometry, and where things are in the packed memory.
  struct Layout {
    bool pointwise;  // output pixel i needs input pixel i only: rows don't matter
    int32_t runs, run_elements, groups, blocks;
    size_t block_weights;  // of a full block
    size_t tail_weights;   // of the last block, which has one vector when that is enough
    int32_t tail_vectors;

    explicit Layout(const ConvGeometry& g) {
      pointwise = g.kernel_h == 1 && g.kernel_w == 1 && g.stride_h == 1 && g.stride_w == 1 &&
                  g.pad_top == 0 && g.pad_left == 0 && g.out_h == g.in_h && g.out_w == g.in_w;
      const bool contiguous = g.dilation_w == 1 || g.kernel_w == 1;
      runs = contiguous ? g.kernel_h : g.kernel_h * g.kernel_w;
      run_elements = contiguous ? g.kernel_w * g.in_c : g.in_c;
      groups = (run_elements + Isa::kGroup - 1) / Isa::kGroup;
      blocks = (g.out_c + kBlock - 1) / kBlock;
      tail_vectors = g.out_c - (blocks - 1) * kBlock <= Isa::kLanes ? 1 : 2;
      const size_t vector_weights =
          static_cast<size_t>(runs) * static_cast<size_t>(groups) * Isa::kLanes * Isa::kGroup;
      block_weights = 2 * vector_weights;
      tail_weights = static_cast<size_t>(tail_vectors) * vector_weights;
    }
    size_t channels() const { return static_cast<size_t>(blocks * kBlock); }
    size_t weights() const { return static_cast<size_t>(blocks - 1) * block_weights + tail_weights; }
    size_t bytes() const {
      return kCacheLine +
             round_up((4 * channels() + static_cast<size_t>(blocks)) * sizeof(int32_t), kCacheLine) +
             weights() * sizeof(Weight);
    }
  };

  struct Packed {
    int32_t *bias, *shift, *addend, *odd;  // [channels]
    int32_t* wide;                         // [blocks]
    Weight* weights;

    Packed(const Layout& layout, void* memory) {
      bias = align_line<int32_t>(memory);
      shift = bias + layout.channels();
      addend = shift + layout.channels();
      odd = addend + layout.channels();
      wide = odd + layout.channels();
      weights = align_line<Weight>(wide + layout.blocks);
    }
  };

  // Output rows (pointwise: pixels) per strip. A strip's input is converted once and meets every weight block
  // while it is in the cache.
  static int32_t strip_length(const ConvGeometry& g, const Layout& layout) {
    if (layout.pointwise) {
      const size_t pixels = kStripBytes / (static_cast<size_t>(g.in_c) * sizeof(Element));
      const size_t whole = pixels / Isa::kPixels * Isa::kPixels;
      const size_t longest = 64 * Isa::kPixels;
      return static_cast<int32_t>(whole < Isa::kPixels ? Isa::kPixels : whole > longest ? longest : whole);
    }
    const size_t row_bytes = RingSize(g, 1, kSlack, sizeof(Element)).row_elements * sizeof(Element);
    const size_t fixed = static_cast<size_t>(g.kernel_h) * row_bytes;
    const size_t more =
        fixed < kStripBytes ? (kStripBytes - fixed) / (row_bytes * static_cast<size_t>(g.stride_h)) : 0;
    return static_cast<int32_t>(more + 1 < static_cast<size_t>(g.out_h) ? more + 1
                                                                        : static_cast<size_t>(g.out_h));
  }

 public:
  static size_t packed_bytes(const Conv8& conv) {
    const ConvGeometry& g = conv.geometry;
    if (g.depthwise || g.pad_top < 0 || g.pad_left < 0) return 0;
    // 32-bit sums without bias: taps * 2^14 must stay below 2^31.
    if (static_cast<int64_t>(g.kernel_h) * g.kernel_w * g.in_c >= 1 << 17) return 0;
    return scratch_bytes(conv) > kMaxScratch ? 0 : Layout(g).bytes();
  }

  static void pack(const Conv8& conv, void* memory) {
    const ConvGeometry& g = conv.geometry;
    const Layout layout(g);
    const Packed packed(layout, memory);
    memset(packed.bias, 0, layout.channels() * 4 * sizeof(int32_t));
    memset(packed.weights, 0, layout.weights() * sizeof(Weight));
    for (int32_t block = 0; block < layout.blocks; ++block) {
      const int32_t first = block * kBlock;
      const int32_t end = first + kBlock < g.out_c ? first + kBlock : g.out_c;
      packed.wide[block] = pack_channels(conv, packed, first, end) ? 0 : 1;
      for (int32_t n = first; n < end; ++n) {
        if (packed.wide[block] == 0 && conv.bias != nullptr)
          packed.bias[n] = add_wrapping(packed.bias[n], conv.bias[n]);
        pack_weights(conv, layout, packed, block, n);
      }
    }
  }

  static size_t scratch_bytes(const Conv8& conv) {
    const ConvGeometry& g = conv.geometry;
    const Layout layout(g);
    const size_t strip = static_cast<size_t>(strip_length(g, layout));
    if (layout.pointwise)
      return kCacheLine + (strip * static_cast<size_t>(g.in_c) + kSlack) * sizeof(Element);
    const RingSize ring(g, static_cast<int32_t>(strip), kSlack, sizeof(Element));
    return kCacheLine + ring.elements() * sizeof(Element) +
           strip * static_cast<size_t>(layout.runs) * sizeof(Element*);
  }

  static void run(const Conv8& conv, const int8_t* input, int8_t* output, int32_t row_begin, int32_t row_end,
                  void* scratch) {
    const Layout layout(conv.geometry);
    if (layout.pointwise) {
      run_pointwise(conv, layout, input, output, row_begin, row_end, scratch);
    } else {
      run_rows(conv, layout, input, output, row_begin, row_end, scratch);
    }
  }

 private:
  static int32_t add_wrapping(int32_t a, int32_t b) {
    return static_cast<int32_t>(static_cast<uint32_t>(a) + static_cast<uint32_t>(b));
  }

  // Rounding of channels [first, end), and the bias that takes the input offset back. False: the block needs
  // requantize_wide.
  static bool pack_channels(const Conv8& conv, const Packed& packed, int32_t first, int32_t end) {
    const ConvGeometry& g = conv.geometry;
    bool narrow = true;
    for (int32_t n = first; n < end; ++n) {
      const ChannelTaps at = channel_taps<int8_t>(g, conv.layout, n);
      int64_t sum = 0, magnitude = 0;
      for (size_t tap = 0; tap < taps_per_channel(g); ++tap) {
        const int32_t weight = conv.weights[at.offset + tap * at.stride];
        sum += weight;
        magnitude += weight < 0 ? -weight : weight;
      }
      // |sum| < 2^24, so the product fits.
      packed.bias[n] = static_cast<int32_t>(-sum * Isa::kInputOffset);
      const int64_t bias = conv.bias != nullptr ? conv.bias[n] : 0;
      LaneShift lanes;
      if (!lane_shift(magnitude * 128 + (bias < 0 ? -bias : bias), conv.shifts[n], conv.rounding, &lanes)) {
        narrow = false;
        continue;
      }
      packed.shift[n] = lanes.shift;
      packed.addend[n] = lanes.addend;
      packed.odd[n] = lanes.odd;
    }
    return narrow;
  }

  static void pack_weights(const Conv8& conv, const Layout& layout, const Packed& packed, int32_t block,
                           int32_t n) {
    const ConvGeometry& g = conv.geometry;
    const int32_t vectors = block == layout.blocks - 1 ? layout.tail_vectors : 2;
    const size_t step = static_cast<size_t>(vectors) * Isa::kLanes * Isa::kGroup;
    Weight* lane = packed.weights + static_cast<size_t>(block) * layout.block_weights +
                   static_cast<size_t>(n - block * kBlock) * Isa::kGroup;
    const ChannelTaps at = channel_taps<int8_t>(g, conv.layout, n);
    const int8_t* weight = conv.weights + at.offset;
    for (int32_t run = 0; run < layout.runs; ++run) {
      for (int32_t i = 0; i < layout.run_elements; ++i, weight += at.stride) {
        lane[static_cast<size_t>(run * layout.groups + i / Isa::kGroup) * step +
             static_cast<size_t>(i % Isa::kGroup)] = *weight;
      }
    }
  }

  // One block of channels for `pixels` neighbouring output pixels; `output` is pixel 0, channel 0.
  static void run_span(const Conv8& conv, const Layout& layout, const Packed& packed, int32_t block,
                       const Element* const* runs, int32_t pixels, int8_t* output) {
    const ConvGeometry& g = conv.geometry;
    const int32_t first = block * kBlock;
    const int32_t vectors = block == layout.blocks - 1 ? layout.tail_vectors : 2;
    ConvTile<Isa> tile;
    tile.runs = runs;
    tile.run_count = layout.runs;
    tile.groups = layout.groups;
    tile.pixel_stride = static_cast<size_t>(g.stride_w) * static_cast<size_t>(g.in_c);
    tile.weights = packed.weights + static_cast<size_t>(block) * layout.block_weights;
    tile.bias = packed.bias + first;
    tile.shift = packed.shift + first;
    tile.addend = packed.addend + first;
    tile.odd = packed.odd + first;
    tile.floor = conv.relu ? 0 : -128;
    tile.output_stride = static_cast<size_t>(g.out_c);
    tile.channels = g.out_c - first < kBlock ? g.out_c - first : kBlock;
    tile.wide = packed.wide[block] != 0 ? &conv : nullptr;
    tile.first_channel = first;
    // Tiles of nearly equal size waste less than full tiles and a small last one.
    const int32_t tiles = (pixels + Isa::kPixels - 1) / Isa::kPixels;
    int32_t done = 0;
    for (int32_t i = 0; i < tiles; ++i) {
      const int32_t count = (pixels - done) / (tiles - i);
      tile.offset = static_cast<size_t>(done) * tile.pixel_stride;
      tile.output = output + static_cast<size_t>(done) * tile.output_stride + first;
      Isa::tile(tile, count, vectors);
      done += count;
    }
  }

  static void finish(const Conv8& conv, int8_t* output, size_t count) {
    if (conv.table != nullptr) Isa::lookup(output, output, count, conv.table);
  }

  static void run_pointwise(const Conv8& conv, const Layout& layout, const int8_t* input, int8_t* output,
                            int32_t row_begin, int32_t row_end, void* scratch) {
    const ConvGeometry& g = conv.geometry;
    const Packed packed(layout, conv.packed);
    const size_t in_c = static_cast<size_t>(g.in_c), out_c = static_cast<size_t>(g.out_c);
    const size_t strip = static_cast<size_t>(strip_length(g, layout));
    const size_t end = static_cast<size_t>(row_end) * static_cast<size_t>(g.out_w);
    Element* converted = align_line<Element>(scratch);
    const Element* runs[1] = {converted};
    for (size_t pixel = static_cast<size_t>(row_begin) * static_cast<size_t>(g.out_w); pixel < end;
         pixel += strip) {
      const size_t count = end - pixel < strip ? end - pixel : strip;
      Isa::convert(input + pixel * in_c, converted, count * in_c);
      for (size_t i = 0; i < kSlack; ++i) converted[count * in_c + i] = Isa::kZero;
      int8_t* target = output + pixel * out_c;
      for (int32_t block = 0; block < layout.blocks; ++block) {
        run_span(conv, layout, packed, block, runs, static_cast<int32_t>(count), target);
      }
      finish(conv, target, count * out_c);
    }
  }

  static void run_rows(const Conv8& conv, const Layout& layout, const int8_t* input, int8_t* output,
                       int32_t row_begin, int32_t row_end, void* scratch) {
    const ConvGeometry& g = conv.geometry;
    const Packed packed(layout, conv.packed);
    const int32_t strip = strip_length(g, layout);
    const RingSize size(g, strip, kSlack, sizeof(Element));
    Element* memory = align_line<Element>(scratch);
    RowRing<Isa> ring(g, size, input, memory);
    const Element** runs = reinterpret_cast<const Element**>(memory + size.elements());
    const size_t row_bytes = static_cast<size_t>(g.out_w) * static_cast<size_t>(g.out_c);
    for (int32_t row = row_begin; row < row_end; row += strip) {
      const int32_t rows = row_end - row < strip ? row_end - row : strip;
      const int64_t top = static_cast<int64_t>(row) * g.stride_h - g.pad_top;
      ring.advance(top, top + static_cast<int64_t>(rows - 1) * g.stride_h +
                            static_cast<int64_t>(g.kernel_h - 1) * g.dilation_h);
      for (int32_t y = 0; y < rows; ++y) {
        find_runs(layout, g, ring, top + static_cast<int64_t>(y) * g.stride_h,
                  runs + static_cast<size_t>(y * layout.runs));
      }
      int8_t* target = output + static_cast<size_t>(row) * row_bytes;
      for (int32_t block = 0; block < layout.blocks; ++block) {
        for (int32_t y = 0; y < rows; ++y) {
          run_span(conv, layout, packed, block, runs + static_cast<size_t>(y * layout.runs), g.out_w,
                   target + static_cast<size_t>(y) * row_bytes);
        }
      }
      finish(conv, target, static_cast<size_t>(rows) * row_bytes);
    }
  }

  static void find_runs(const Layout& layout, const ConvGeometry& g, const RowRing<Isa>& ring, int64_t top,
                        const Element** runs) {
    const int32_t per_row = layout.runs / g.kernel_h;
    for (int32_t run = 0; run < layout.runs; ++run) {
      const size_t tap = static_cast<size_t>(run % per_row) * static_cast<size_t>(g.dilation_w);
      runs[run] = ring.row(top + static_cast<int64_t>(run / per_row) * g.dilation_h) +
                  tap * static_cast<size_t>(g.in_c);
    }
  }
};

}  // namespace
}  // namespace shrike
