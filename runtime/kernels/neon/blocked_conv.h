// Convolution of group 1 for NEON: everything but the inner loop, which an instruction set `Isa` provides:
//   Element, kZero, convert()   input rows as its loop wants them (kernels/row_ring.h)
//   kGroup                      neighbouring inputs of a channel whose weights lie side by side
//   kPixels                     largest tile: kPixels x 16 channels
//   run_tile<n>(tile)           the loop, for n pixels
//
// A "run" is a stretch of input elements that meets a contiguous stretch of weights: all taps of one kernel
// row when they lie side by side (dilation 1), else one tap. Runs are padded to whole groups with zero
// weights.
//
// Internal linkage throughout, because this is compiled for different instruction sets
// (kernels/requantize_lanes.h).
#pragma once
#include <arm_neon.h>
#include <string.h>

#include "kernels/requantize_lanes.h"
#include "kernels/row_ring.h"
#include "kernels/weight_layout.h"

namespace shrike {
namespace {

constexpr int32_t kLanes = 4;
constexpr int32_t kBlock = 16;  // channels
constexpr int32_t kVectors = kBlock / kLanes;

struct BlockLayout {
  int32_t runs, run_elements, groups, blocks;
  size_t block_bytes;  // weights of one block: [runs][groups][16][group]

  BlockLayout(const ConvGeometry& g, int32_t group) {
    const bool contiguous = g.dilation_w == 1 || g.kernel_w == 1;
    runs = contiguous ? g.kernel_h : g.kernel_h * g.kernel_w;
    run_elements = contiguous ? g.kernel_w * g.in_c : g.in_c;
    groups = (run_elements + group - 1) / group;
    blocks = (g.out_c + kBlock - 1) / kBlock;
    block_bytes =
        static_cast<size_t>(runs) * static_cast<size_t>(groups) * static_cast<size_t>(kBlock * group);
  }
  size_t channels() const { return static_cast<size_t>(blocks) * kBlock; }
  size_t head_bytes() const { return (4 * channels() + static_cast<size_t>(blocks)) * sizeof(int32_t); }
  size_t bytes() const {
    return kCacheLine + round_up(head_bytes(), kCacheLine) + static_cast<size_t>(blocks) * block_bytes;
  }
};

struct PackedBlocks {
  int32_t *bias, *shift, *addend, *odd;  // [channels], as in LaneShift
  int32_t* one_by_one;                   // [blocks], not 0: rounded by requantize_one
  int8_t* weights;

  PackedBlocks(const BlockLayout& layout, void* memory) {
    bias = align_line<int32_t>(memory);
    shift = bias + layout.channels();
    addend = shift + layout.channels();
    odd = addend + layout.channels();
    one_by_one = odd + layout.channels();
    weights = reinterpret_cast<int8_t*>(bias) + round_up(layout.head_bytes(), kCacheLine);
  }
};

// Up to Isa::kPixels output pixels of one row x one block of output channels.
template <typename Element>
struct ConvTile {
  const Element* const* runs;  // [run_count], at output pixel 0
  int32_t run_count, run_elements, groups;
  size_t offset;        // elements from pixel 0 to the tile's first pixel
  size_t pixel_stride;  // elements between output pixels
  const int8_t* weights;
  const int32_t *bias, *shift, *addend, *odd;  // of the block's first channel
  int8_t floor;                                // 0 with ReLU, else -128
  int8_t* output;                              // first pixel, first channel of the block
  size_t output_stride;
  int32_t first, channels;  // of the block
  const Conv8* one_by_one;  // not null: rounded by requantize_one
};

// Rule RS on four sums whose parameters lane_shift() accepted.
inline int32x4_t requantize_lanes(int32x4_t value, const int32_t* shift, const int32_t* addend,
                                  const int32_t* odd) {
  const int32x4_t right = vnegq_s32(vld1q_s32(shift));
  const int32x4_t parity = vandq_s32(vshlq_s32(value, right), vld1q_s32(odd));
  return vshlq_s32(vaddq_s32(vaddq_s32(value, vld1q_s32(addend)), parity), right);
}

template <typename Element, int kPixels>
inline void start_tile(const ConvTile<Element>& tile, int32x4_t (&sums)[kPixels][kVectors]) {
  for (int v = 0; v < kVectors; ++v) {
    const int32x4_t bias = vld1q_s32(tile.bias + v * kLanes);
    for (int p = 0; p < kPixels; ++p) sums[p][v] = bias;
  }
}

template <typename Element, int kPixels>
inline void store_tile(const ConvTile<Element>& tile, const int32x4_t (&sums)[kPixels][kVectors]) {
  const size_t channels = static_cast<size_t>(tile.channels);
  for (int p = 0; p < kPixels; ++p) {
    int8_t* const output = tile.output + static_cast<size_t>(p) * tile.output_stride;
    if (tile.one_by_one != nullptr) {
      int32_t values[kBlock];
      for (int v = 0; v < kVectors; ++v) vst1q_s32(values + v * kLanes, sums[p][v]);
      for (int32_t c = 0; c < tile.channels; ++c)
        output[c] = requantize_one(*tile.one_by_one, tile.first + c, values[c]);
      continue;
    }
    int16x4_t words[kVectors];
    for (int v = 0; v < kVectors; ++v) {
      words[v] = vqmovn_s32(requantize_lanes(sums[p][v], tile.shift + v * kLanes, tile.addend + v * kLanes,
                                             tile.odd + v * kLanes));
    }
    const int8x16_t bytes = vmaxq_s8(vcombine_s8(vqmovn_s16(vcombine_s16(words[0], words[1])),
                                                 vqmovn_s16(vcombine_s16(words[2], words[3]))),
                                     vdupq_n_s8(tile.floor));
    if (tile.channels == kBlock) {
      vst1q_s8(output, bytes);
    } else {
      int8_t all[kBlock];
      vst1q_s8(all, bytes);
      memcpy(output, all, channels);
    }
  }
}

template <class Isa>
class BlockedConv {
  using Element = typename Isa::Element;
  static constexpr size_t kSlack = 16;                     // covers the last group of a run
  static constexpr size_t kStripBytes = size_t{96} << 10;  // converted input that should stay in the cache
  static constexpr size_t kMaxScratch = size_t{64} << 20;

  static size_t strip_of(const ConvGeometry& g) {
    return strip_length(g, Isa::kPixels, kSlack, sizeof(Element), kStripBytes);
  }

 public:
  static size_t packed_bytes(const Conv8& conv) {
    const ConvGeometry& g = conv.geometry;
    if (g.depthwise || g.pad_top < 0 || g.pad_left < 0) return 0;
    // 32-bit sums without bias: taps * 2^14 must stay below 2^31.
    if (static_cast<int64_t>(g.kernel_h) * g.kernel_w * g.in_c >= 1 << 17) return 0;
    return scratch_bytes(conv) > kMaxScratch ? 0 : BlockLayout(g, Isa::kGroup).bytes();
  }

  static void pack(const Conv8& conv, void* memory) {
    const BlockLayout layout(conv.geometry, Isa::kGroup);
    const PackedBlocks packed(layout, memory);
    memset(packed.bias, 0, layout.head_bytes());
    memset(packed.weights, 0, static_cast<size_t>(layout.blocks) * layout.block_bytes);
    for (int32_t n = 0; n < conv.geometry.out_c; ++n) {
      const int32_t block = n / kBlock;
      const int64_t magnitude =
          pack_channel(conv, layout, n, packed.weights + static_cast<size_t>(block) * layout.block_bytes);
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

  static size_t scratch_bytes(const Conv8& conv) {
    const ConvGeometry& g = conv.geometry;
    const size_t strip = strip_of(g);
    if (is_pointwise(g)) return kCacheLine + (strip * static_cast<size_t>(g.in_c) + kSlack) * sizeof(Element);
    const RingSize ring(g, static_cast<int32_t>(strip), kSlack, sizeof(Element));
    return kCacheLine + ring.elements() * sizeof(Element) +
           strip * static_cast<size_t>(BlockLayout(g, Isa::kGroup).runs) * sizeof(Element*);
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
  template <int kCount>
  static void run_tile(const ConvTile<Element>& tile, int32_t pixels) {
    if constexpr (kCount > 1) {
      if (pixels < kCount) return run_tile<kCount - 1>(tile, pixels);
    }
    Isa::template run_tile<kCount>(tile);
  }

  explicit BlockedConv(const Conv8& conv)
      : conv_(conv), g_(conv.geometry), layout_(conv.geometry, Isa::kGroup), packed_(layout_, conv.packed) {}

  // Writes channel n into the weights of its block; the sum of its magnitudes.
  static int64_t pack_channel(const Conv8& conv, const BlockLayout& layout, int32_t n, int8_t* block) {
    const ChannelTaps at = channel_taps<int8_t>(conv.geometry, conv.layout, n);
    const int8_t* weight = conv.weights + at.offset;
    int8_t* group = block + n % kBlock * Isa::kGroup;
    int64_t magnitude = 0;
    for (int32_t run = 0; run < layout.runs; ++run) {
      for (int32_t left = layout.run_elements; left > 0; left -= Isa::kGroup, group += kBlock * Isa::kGroup) {
        for (int32_t i = 0; i < (left < Isa::kGroup ? left : Isa::kGroup); ++i, weight += at.stride) {
          group[i] = *weight;
          magnitude += *weight < 0 ? -*weight : *weight;
        }
      }
    }
    return magnitude;
  }

  // `pixels` neighbouring output pixels from `output` (channel 0) on.
  void run_span(int32_t block, const Element* const* runs, int32_t pixels, int8_t* output) const {
    const int32_t first = block * kBlock;
    ConvTile<Element> tile;
    tile.runs = runs;
    tile.run_count = layout_.runs;
    tile.run_elements = layout_.run_elements;
    tile.groups = layout_.groups;
    tile.pixel_stride = static_cast<size_t>(g_.stride_w) * static_cast<size_t>(g_.in_c);
    tile.weights = packed_.weights + static_cast<size_t>(block) * layout_.block_bytes;
    tile.bias = packed_.bias + first;
    tile.shift = packed_.shift + first;
    tile.addend = packed_.addend + first;
    tile.odd = packed_.odd + first;
    tile.floor = conv_.relu ? 0 : -128;
    tile.output_stride = static_cast<size_t>(g_.out_c);
    tile.first = first;
    tile.channels = g_.out_c - first < kBlock ? g_.out_c - first : kBlock;
    tile.one_by_one = packed_.one_by_one[block] != 0 ? &conv_ : nullptr;
    // Tiles of nearly equal size waste less than full tiles and a small last one.
    const int32_t tiles = (pixels + Isa::kPixels - 1) / Isa::kPixels;
    for (int32_t i = 0, done = 0; i < tiles; ++i) {
      const int32_t count = (pixels - done) / (tiles - i);
      tile.offset = static_cast<size_t>(done) * tile.pixel_stride;
      tile.output = output + static_cast<size_t>(done) * tile.output_stride + first;
      run_tile<Isa::kPixels>(tile, count);
      done += count;
    }
  }

  void run_pointwise(const int8_t* input, int8_t* output, int32_t row_begin, int32_t row_end,
                     void* scratch) const {
    const size_t in_c = static_cast<size_t>(g_.in_c), out_c = static_cast<size_t>(g_.out_c);
    const size_t strip = strip_of(g_), width = static_cast<size_t>(g_.out_w);
    const size_t end = static_cast<size_t>(row_end) * width;
    Element* converted = align_line<Element>(scratch);
    const Element* runs[1] = {converted};
    for (size_t pixel = static_cast<size_t>(row_begin) * width; pixel < end; pixel += strip) {
      const size_t count = end - pixel < strip ? end - pixel : strip;
      Isa::convert(input + pixel * in_c, converted, count * in_c);
      memset(converted + count * in_c, 0, kSlack * sizeof(Element));
      for (int32_t block = 0; block < layout_.blocks; ++block)
        run_span(block, runs, static_cast<int32_t>(count), output + pixel * out_c);
    }
  }

  void run_rows(const int8_t* input, int8_t* output, int32_t row_begin, int32_t row_end,
                void* scratch) const {
    const int32_t strip = static_cast<int32_t>(strip_of(g_));
    const RingSize size(g_, strip, kSlack, sizeof(Element));
    Element* memory = align_line<Element>(scratch);
    RowRing<Isa> ring(g_, size, input, memory);
    const Element** runs = reinterpret_cast<const Element**>(memory + size.elements());
    const size_t row_bytes = static_cast<size_t>(g_.out_w) * static_cast<size_t>(g_.out_c);
    const auto runs_before = [this](int32_t row) {
      return static_cast<size_t>(row) * static_cast<size_t>(layout_.runs);
    };
    for (int32_t row = row_begin; row < row_end; row += strip) {
      const int32_t rows = row_end - row < strip ? row_end - row : strip;
      const int64_t top = static_cast<int64_t>(row) * g_.stride_h - g_.pad_top;
      ring.advance(top, top + static_cast<int64_t>(rows - 1) * g_.stride_h +
                            static_cast<int64_t>(g_.kernel_h - 1) * g_.dilation_h);
      for (int32_t y = 0; y < rows; ++y)
        ring.find_runs(top + static_cast<int64_t>(y) * g_.stride_h, layout_.runs, runs + runs_before(y));
      for (int32_t block = 0; block < layout_.blocks; ++block) {
        for (int32_t y = 0; y < rows; ++y)
          run_span(block, runs + runs_before(y), g_.out_w, output + static_cast<size_t>(row + y) * row_bytes);
      }
    }
  }

  const Conv8& conv_;
  const ConvGeometry& g_;
  const BlockLayout layout_;
  const PackedBlocks packed_;
};

}  // namespace
}  // namespace shrike
