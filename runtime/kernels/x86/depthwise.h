// 8-bit depthwise convolution for vpdpbusd, whose lanes add four products of neighbouring bytes: up to four
// kernel rows are interleaved so that a lane's four bytes are the vertical taps of one channel.
//
// A block of W channels (W bytes: the length of a vector) is interleaved in four vectors. Unpacking works
// within 128-bit parts, so vector v holds channels 4 v to 4 v + 3 of every 16; packing the sums to bytes
// undoes exactly that. Parameters and weights lie in the order of the lanes. Inputs are stored plus 128, as
// packed_conv.h explains, and the packed bias takes that back.
//
// One strip of an output row and one block of channels at a time: the columns that its taps touch are
// interleaved into scratch, which the first-level cache holds, then every output pixel reads kernel_w of
// them. The four rows of a 3x3 kernel's columns hold the taps of the next output row too, one further down:
// output rows that fit share their columns, each with weights moved down in their groups.
//
// `Vector` provides
//   Type, kBytes                           a vector
//   load, store, load_part, store_part     whole vectors; `count` bytes of one, of which no more are touched
//   fill(byte), flip(v)                    all bytes equal; plus 128 on every byte
//   interleave(a, b, c, d, out[4])         four rows of bytes
//   Sums, kSums, load_sums, store_sums     vectors that hold the block's sums, and how many of them
//   kPixels, kPairPixels                   output pixels summed at a time in one row, in two (0: rows by one)
//   multiply_add(sums, inputs, weights)    vpdpbusd
//   keep(sums)                             a load that is used more than once is not to be repeated
//   requantize(sums, shift, low)           rule RS (requantize_lanes.h)
//   bytes_of(sums[kSums], floor)           packed
#pragma once
#include <string.h>

#include "kernels/weight_layout.h"
#include "kernels/x86/packed_conv.h"
#include "kernels/x86/repeat.h"

namespace shrike {
namespace {

constexpr size_t kParts = 4;  // vectors of an interleaved block

// Numbers that follow from the geometry. Blocks have `width` channels, the last one as few as suffice.
struct DepthwiseLayout {
  size_t groups, taps, blocks, channels, column_limit, strip;
  size_t rows;  // output rows that share columns

  DepthwiseLayout(const ConvGeometry& g, size_t width, size_t last_width) {
    constexpr size_t kColumnBytes = 24 << 10;
    groups = (static_cast<size_t>(g.kernel_h) + kGroup - 1) / kGroup;
    taps = groups * static_cast<size_t>(g.kernel_w);
    const size_t room = groups * kGroup - static_cast<size_t>(g.kernel_h);
    rows = g.dilation_h == 1 ? 1 + room / static_cast<size_t>(g.stride_h) : 1;
    blocks = (static_cast<size_t>(g.out_c) + width - 1) / width;
    channels = (blocks - 1) * width + last_width;
    const size_t column = groups * kParts * width, stride = static_cast<size_t>(g.stride_w);
    const size_t reach = static_cast<size_t>(g.kernel_w - 1) * static_cast<size_t>(g.dilation_w) + 1;
    strip = kColumnBytes / column > reach ? 1 + (kColumnBytes / column - reach) / stride : 1;
    if (strip < 4) strip = 4;
    if (strip > static_cast<size_t>(g.out_w)) strip = static_cast<size_t>(g.out_w);
    column_limit = (strip - 1) * stride + reach;
  }
  size_t packed_bytes() const {
    return kCacheLine + round_up((3 * channels + blocks) * sizeof(int32_t), kCacheLine) +
           rows * weight_bytes();
  }
  // Of one of the rows that share columns.
  size_t weight_bytes() const { return taps * channels * kGroup; }
};

// Channel parameters in the order of the lanes; weights [rows][blocks][taps][kParts][vector], taps
// [kx][groups].
struct PackedDepthwise {
  int32_t *bias, *shift, *low;  // [channels]
  int32_t* one_by_one;          // [blocks], as in PackedConv
  int8_t* weights;

  PackedDepthwise(const DepthwiseLayout& layout, void* memory) {
    bias = align_line<int32_t>(memory);
    shift = bias + layout.channels;
    low = shift + layout.channels;
    one_by_one = low + layout.channels;
    weights = align_line<int8_t>(one_by_one + layout.blocks);
  }
};

// The lane of a block's channel, counted through its four vectors.
constexpr size_t interleaved_lane(size_t channel, size_t width) {
  return channel % 16 / 4 * (width / 4) + channel / 16 * 4 + channel % 4;
}

// One strip of the rows that share columns.
struct DepthwiseRow {
  const int8_t* input;
  int8_t* output;     // the strip's first pixel in the first row
  int32_t rows;       // output rows
  int64_t top, left;  // input row and column of the first pixel's first tap
  int32_t count;      // output pixels
  uint8_t* columns;   // scratch
};

template <class Vector>
class DepthwiseBlock {
  using Type = typename Vector::Type;
  using Sums = typename Vector::Sums;
  static constexpr int kSums = Vector::kSums;
  static constexpr size_t kWidth = Vector::kBytes, kColumn = kParts * kWidth;

 public:
  DepthwiseBlock(const Conv8& conv, const DepthwiseLayout& layout, const PackedDepthwise& packed,
                 size_t block, size_t first)
      : conv_(conv),
        g_(conv.geometry),
        groups_(layout.groups),
        first_(first),
        count_(static_cast<size_t>(g_.out_c) - first < kWidth ? static_cast<size_t>(g_.out_c) - first
                                                              : kWidth),
        one_by_one_(packed.one_by_one[block] != 0),
        bias_(packed.bias + first),
        shift_(packed.shift + first),
        low_(packed.low + first),
        weights_(packed.weights + first * layout.taps * kGroup),
        weight_bytes_(layout.weight_bytes()) {}

  void run(const DepthwiseRow& row) const {
    const int32_t columns = (row.count - 1) * g_.stride_w + (g_.kernel_w - 1) * g_.dilation_w + 1;
    if (count_ == kWidth) {
      interleave<false>(row, columns);
    } else {
      interleave<true>(row, columns);
    }
    int32_t done = 0;
    if constexpr (Vector::kPairPixels > 0) {
      for (; done + 2 <= row.rows; done += 2) run_rows<2, Vector::kPairPixels>(row, done);
    }
    for (; done < row.rows; ++done) run_rows<1, Vector::kPixels>(row, done);
  }

 private:
  template <bool kPartial>
  void interleave(const DepthwiseRow& row, int32_t columns) const {
    const Type padding = Vector::fill(-128);
    const size_t in_c = static_cast<size_t>(g_.in_c), step = groups_ * kColumn;
    // Columns [begin, end) of the strip are inside the input.
    const int64_t begin = row.left >= 0 ? 0 : -row.left < columns ? -row.left : columns;
    const int64_t inside = g_.in_w - row.left;
    const int64_t end = inside >= columns ? columns : inside > begin ? inside : begin;
    for (int64_t column = 0; column < columns; ++column) {
      if (column == begin) column = end;
      if (column == columns) break;
      for (size_t i = 0; i < step; i += kWidth) {
        Vector::store(row.columns + static_cast<size_t>(column) * step + i, padding);
      }
    }
    if (begin == end) return;
    const int64_t rows_read = g_.kernel_h + static_cast<int64_t>(row.rows - 1) * g_.stride_h;
    for (size_t group = 0; group < groups_; ++group) {
      // A row outside is read from a line of zeros, always the same.
      alignas(64) static constexpr int8_t kZeros[64] = {};
      const int8_t* rows[kGroup];
      size_t steps[kGroup];
      for (int32_t i = 0; i < kGroup; ++i) {
        const int64_t tap = static_cast<int64_t>(group) * kGroup + i;
        const int64_t y = row.top + tap * g_.dilation_h;
        const bool present = tap < rows_read && y >= 0 && y < g_.in_h;
        steps[i] = present ? in_c : 0;
        rows[i] = !present ? kZeros
                           : row.input +
                                 (static_cast<size_t>(y) * static_cast<size_t>(g_.in_w) +
                                  static_cast<size_t>(row.left + begin)) *
                                     in_c +
                                 first_;
      }
      uint8_t* target = row.columns + static_cast<size_t>(begin) * step + group * kColumn;
      for (int64_t column = begin; column < end; ++column, target += step) {
        Type bytes[kGroup], parts[kParts];
        repeat<kGroup>([&](auto i) SHRIKE_INLINE {
          bytes[i] = Vector::flip(kPartial ? Vector::load_part(rows[i], count_) : Vector::load(rows[i]));
          rows[i] += steps[i];
        });
        Vector::interleave(bytes[0], bytes[1], bytes[2], bytes[3], parts);
        repeat<kParts>([&](auto i) SHRIKE_INLINE { Vector::store(target + i * kWidth, parts[i]); });
      }
    }
  }

  template <int kRows, int kPixels>
  void run_rows(const DepthwiseRow& row, int32_t first) const {
    int32_t done = 0;
    for (; done + kPixels <= row.count; done += kPixels) run_pixels<kRows, kPixels>(row, first, done);
    for (; done < row.count; ++done) run_pixels<kRows, 1>(row, first, done);
  }

  // Rows from `first` on, pixels from `pixel` on.
  template <int kRows, int kPixels>
  void run_pixels(const DepthwiseRow& row, int32_t first, int32_t pixel) const {
    const size_t step = groups_ * kColumn, pixel_step = static_cast<size_t>(g_.stride_w) * step;
    Sums sums[kRows][kPixels][kSums];
    repeat<kSums>([&](auto i) SHRIKE_INLINE {
      const Sums bias = Vector::load_sums(bias_ + i * kLanes);
      repeat<kRows>([&](auto r) SHRIKE_INLINE {
        repeat<kPixels>([&](auto p) SHRIKE_INLINE { sums[r][p][i] = bias; });
      });
    });
    const int8_t* weights = weights_ + static_cast<size_t>(first) * weight_bytes_;
    const uint8_t* column = row.columns + static_cast<size_t>(pixel) * pixel_step;
    for (int32_t kx = 0; kx < g_.kernel_w; ++kx, column += static_cast<size_t>(g_.dilation_w) * step) {
      const uint8_t* inputs = column;
      for (size_t group = 0; group < groups_; ++group, inputs += kColumn, weights += kColumn) {
        repeat<kSums>([&](auto i) SHRIKE_INLINE {
          Sums w[kRows];
          repeat<kRows>([&](auto r) SHRIKE_INLINE {
            w[r] = Vector::load_sums(weights + r * weight_bytes_ + i * sizeof(Sums));
            if (kPixels > 1) Vector::keep(w[r]);
          });
          repeat<kPixels>([&](auto p) SHRIKE_INLINE {
            Sums x = Vector::load_sums(inputs + static_cast<size_t>(p) * pixel_step + i * sizeof(Sums));
            if (kRows > 1) Vector::keep(x);
            repeat<kRows>(
                [&](auto r) SHRIKE_INLINE { sums[r][p][i] = Vector::multiply_add(sums[r][p][i], x, w[r]); });
          });
        });
      }
    }
    const size_t out_c = static_cast<size_t>(g_.out_c), row_bytes = static_cast<size_t>(g_.out_w) * out_c;
    int8_t* output =
        row.output + static_cast<size_t>(first) * row_bytes + static_cast<size_t>(pixel) * out_c + first_;
    const auto each = [&](const auto& body) SHRIKE_INLINE {
      repeat<kRows>([&](auto r)
                        SHRIKE_INLINE { repeat<kPixels>([&](auto p) SHRIKE_INLINE { body(r, p); }); });
    };
    if (one_by_one_) {
      int32_t lanes[kRows][kPixels][kWidth];
      each([&](auto r, auto p) SHRIKE_INLINE {
        repeat<kSums>([&](auto i)
                          SHRIKE_INLINE { Vector::store_sums(lanes[r][p] + i * kLanes, sums[r][p][i]); });
      });
      for (size_t r = 0; r < kRows; ++r) {
        for (size_t p = 0; p < kPixels; ++p)
          store_one_by_one(lanes[r][p], output + r * row_bytes + p * out_c);
      }
      return;
    }
    repeat<kSums>([&](auto i) SHRIKE_INLINE {
      Sums shift = Vector::load_sums(shift_ + i * kLanes), low = Vector::load_sums(low_ + i * kLanes);
      Vector::keep(shift);
      Vector::keep(low);
      each([&](auto r, auto p)
               SHRIKE_INLINE { sums[r][p][i] = Vector::requantize(sums[r][p][i], shift, low); });
    });
    const Type floor = Vector::fill(conv_.relu ? 0 : -128);
    const size_t count = count_;
    each([&](auto r, auto p) SHRIKE_INLINE {
      const Type bytes = Vector::bytes_of(sums[r][p], floor);
      int8_t* place = output + r * row_bytes + p * out_c;
      if (count == kWidth) {
        Vector::store(place, bytes);
      } else {
        Vector::store_part(place, bytes, count);
      }
    });
  }

  void store_one_by_one(const int32_t* lanes, int8_t* output) const {
    for (size_t c = 0; c < count_; ++c) {
      output[c] = requantize_one(conv_, static_cast<int32_t>(first_ + c), lanes[interleaved_lane(c, kWidth)]);
    }
  }

  static constexpr size_t kLanes = sizeof(Sums) / sizeof(int32_t);

  const Conv8& conv_;
  const ConvGeometry& g_;
  const size_t groups_, first_, count_;
  const bool one_by_one_;
  const int32_t *const bias_, *const shift_, *const low_;
  const int8_t* const weights_;
  const size_t weight_bytes_;
};

// Isa: Wide, the vector of all blocks but the last; last_width(channels), the bytes of the last one's;
// run_last(width, block arguments..., row), which runs it.
template <class Isa>
class Depthwise {
  static constexpr size_t kWidth = Isa::Wide::kBytes;
  static constexpr size_t kMaxScratch = size_t{64} << 20;

  static size_t last_width(const ConvGeometry& g) {
    return Isa::last_width(static_cast<size_t>(g.out_c - 1) % kWidth + 1);
  }
  static DepthwiseLayout layout_of(const ConvGeometry& g) {
    return DepthwiseLayout(g, kWidth, last_width(g));
  }

 public:
  static size_t packed_bytes(const Conv8& conv) {
    const ConvGeometry& g = conv.geometry;
    if (!g.depthwise || g.pad_top < 0 || g.pad_left < 0) return 0;
    // 32-bit sums, as in blocked_conv.h.
    if (static_cast<int64_t>(g.kernel_h) * g.kernel_w >= 1 << 17) return 0;
    return scratch_bytes(conv) > kMaxScratch ? 0 : layout_of(g).packed_bytes();
  }

  static size_t scratch_bytes(const Conv8& conv) {
    const DepthwiseLayout layout = layout_of(conv.geometry);
    return kCacheLine + layout.column_limit * layout.groups * kParts * kWidth;
  }

  static void pack(const Conv8& conv, void* memory) {
    const DepthwiseLayout layout = layout_of(conv.geometry);
    const PackedDepthwise packed(layout, memory);
    memset(packed.bias, 0, (3 * layout.channels + layout.blocks) * sizeof(int32_t));
    memset(packed.weights, 0, layout.rows * layout.weight_bytes());
    const size_t channels = static_cast<size_t>(conv.geometry.out_c);
    for (size_t block = 0; block < layout.blocks; ++block) {
      const size_t first = block * kWidth;
      const size_t width = block + 1 < layout.blocks ? kWidth : layout.channels - first;
      int32_t halves[kWidth] = {};
      for (size_t c = 0; c < width && first + c < channels; ++c) {
        if (!pack_channel(conv, layout, packed, first, width, c, &halves[interleaved_lane(c, width)])) {
          packed.one_by_one[block] = 1;
        }
      }
      for (size_t c = 0; c < width && first + c < channels && packed.one_by_one[block] == 0; ++c) {
        const size_t lane = interleaved_lane(c, width);
        add_bias(conv, static_cast<int32_t>(first + c), halves[lane], &packed.bias[first + lane]);
      }
    }
  }

  static void run(const Conv8& conv, const int8_t* input, int8_t* output, int32_t row_begin, int32_t row_end,
                  void* scratch) {
    const ConvGeometry& g = conv.geometry;
    const DepthwiseLayout layout = layout_of(g);
    const PackedDepthwise packed(layout, conv.packed);
    const int32_t strip = static_cast<int32_t>(layout.strip);
    const int32_t rows = static_cast<int32_t>(layout.rows);
    for (int32_t y = row_begin; y < row_end; y += rows) {
      for (int32_t x = 0; x < g.out_w; x += strip) {
        DepthwiseRow row;
        row.input = input;
        row.output =
            output + (static_cast<size_t>(y) * static_cast<size_t>(g.out_w) + static_cast<size_t>(x)) *
                         static_cast<size_t>(g.out_c);
        row.rows = row_end - y < rows ? row_end - y : rows;
        row.top = static_cast<int64_t>(y) * g.stride_h - g.pad_top;
        row.left = static_cast<int64_t>(x) * g.stride_w - g.pad_left;
        row.count = g.out_w - x < strip ? g.out_w - x : strip;
        row.columns = align_line<uint8_t>(scratch);
        for (size_t block = 0; block + 1 < layout.blocks; ++block) {
          DepthwiseBlock<typename Isa::Wide>(conv, layout, packed, block, block * kWidth).run(row);
        }
        Isa::run_last(last_width(g), conv, layout, packed, layout.blocks - 1, row);
      }
    }
  }

 private:
  // Channel `c` of the block that begins at `first`; false when it does not fit the lanes.
  static bool pack_channel(const Conv8& conv, const DepthwiseLayout& layout, const PackedDepthwise& packed,
                           size_t first, size_t width, size_t c, int32_t* half) {
    const ConvGeometry& g = conv.geometry;
    const int32_t channel = static_cast<int32_t>(first + c);
    const size_t lane = interleaved_lane(c, width);
    const ChannelTaps at = channel_taps<int8_t>(g, conv.layout, channel);
    int8_t* weights = packed.weights + first * layout.taps * kGroup + lane * kGroup;
    WeightSums sums{0, 0};
    for (size_t ky = 0; ky < static_cast<size_t>(g.kernel_h); ++ky) {
      for (size_t kx = 0; kx < static_cast<size_t>(g.kernel_w); ++kx) {
        const size_t tap = ky * static_cast<size_t>(g.kernel_w) + kx;
        const int8_t weight = conv.weights[at.offset + tap * at.stride];
        for (size_t row = 0; row < layout.rows; ++row) {
          const size_t y = ky + row * static_cast<size_t>(g.stride_h);
          const size_t place = (kx * layout.groups + y / kGroup) * kParts * width + y % kGroup;
          weights[row * layout.weight_bytes() + place] = weight;
        }
        sums.add(weight);
      }
    }
    return pack_lane(conv, channel, sums, packed, first + lane, half);
  }
};

}  // namespace
}  // namespace shrike
