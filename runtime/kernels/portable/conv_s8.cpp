// 8-bit convolution of group 1. A tile is a few output channels by a few neighbouring output pixels whose
// sums stay in registers; each weight is used for every pixel of the tile and each input for every channel. A
// 4 x 4 tile costs 16 multiplications, 16 additions and 8 loads for 16 products on a core without vectors.
#include "kernels/portable/portable.h"
#include "kernels/portable/window.h"
#include "kernels/weight_layout.h"

namespace shrike {
namespace {

constexpr int32_t kBlock = kBlockChannels<int8_t>;

// Storage of the channels of one tile. kBlocked: weight of channel i, tap t is at weights[t * 16 + i];
// kPlain: at weights[i * channel_stride + t].
struct TileWeights {
  const int8_t* weights;
  size_t channel_stride;
  int32_t first_channel;
};

// Walks over the weights of one tile: one pointer for blocked storage, one per channel for plain storage.
template <WeightLayout layout, int kChannels>
struct WeightCursor;

template <int kChannels>
struct WeightCursor<WeightLayout::kBlocked, kChannels> {
  const int8_t* at;
  WeightCursor(const TileWeights& tile, size_t tap) : at(tile.weights + tap * kBlock) {}
  int32_t weight(int channel) const { return at[channel]; }
  void advance() { at += kBlock; }
};

template <int kChannels>
struct WeightCursor<WeightLayout::kPlain, kChannels> {
  const int8_t* at[kChannels];
  WeightCursor(const TileWeights& tile, size_t tap) {
#pragma GCC unroll 4
    for (int i = 0; i < kChannels; ++i)
      at[i] = tile.weights + static_cast<size_t>(i) * tile.channel_stride + tap;
  }
  int32_t weight(int channel) const {
    return *at[channel];
  }
  void advance() {
#pragma GCC unroll 4
    for (int i = 0; i < kChannels; ++i) ++at[i];
  }
};

template <int kChannels, int kPixels, typename Cursor>
inline void multiply_tap(int32_t (&sums)[kPixels][kChannels], const int8_t* const (&x)[kPixels],
                         const Cursor& w) {
  int32_t weight[kChannels];
#pragma GCC unroll 4
  for (int i = 0; i < kChannels; ++i) weight[i] = w.weight(i);
#pragma GCC unroll 4
  for (int p = 0; p < kPixels; ++p) {
    const int32_t value = *x[p];
#pragma GCC unroll 4
    for (int i = 0; i < kChannels; ++i) sums[p][i] += value * weight[i];
  }
}

// Adds a run of taps that is contiguous in the input of every pixel. A function of its own, so that the sums
// have the registers to themselves: compilers spill them when this is inlined into the loops around it.
template <int kChannels, int kPixels, typename Cursor>
__attribute__((noinline)) void multiply_run(int32_t (&stored)[kPixels][kChannels], const int8_t* input,
                                            size_t pixel_stride, Cursor w, int32_t taps) {
  const int8_t* x[kPixels];
  int32_t sums[kPixels][kChannels];
#pragma GCC unroll 4
  for (int p = 0; p < kPixels; ++p) {
    x[p] = input + static_cast<size_t>(p) * pixel_stride;
#pragma GCC unroll 4
    for (int i = 0; i < kChannels; ++i) sums[p][i] = stored[p][i];
  }
  for (; taps > 0; --taps) {
    multiply_tap(sums, x, w);
#pragma GCC unroll 4
    for (int p = 0; p < kPixels; ++p) ++x[p];
    w.advance();
  }
#pragma GCC unroll 4
  for (int p = 0; p < kPixels; ++p) {
#pragma GCC unroll 4
    for (int i = 0; i < kChannels; ++i) stored[p][i] = sums[p][i];
  }
}

// Erases the tile's size, so that only the inner loop exists once per size. Sums are [pixels][channels].
struct TileShape {
  int32_t pixels, channels;
  void (*multiply)(int32_t* sums, const int8_t* input, size_t pixel_stride, const TileWeights& tile,
                   size_t tap, int32_t taps);
};

template <WeightLayout layout, int kChannels, int kPixels>
void multiply(int32_t* sums, const int8_t* input, size_t pixel_stride, const TileWeights& tile, size_t tap,
              int32_t taps) {
  multiply_run(*reinterpret_cast<int32_t(*)[kPixels][kChannels]>(sums), input, pixel_stride,
               WeightCursor<layout, kChannels>(tile, tap), taps);
}

constexpr int32_t kTile = 4;

template <WeightLayout layout, int kChannels, int kPixels>
constexpr TileShape kShape = {kPixels, kChannels, multiply<layout, kChannels, kPixels>};

// One row of the window after the other; `rows` and `columns` are the taps inside the input, the same for all
// pixels.
void compute_tile(const Conv8& conv, const TileShape& shape, const TileWeights& tile, const int8_t* input,
                  int8_t* output, int32_t out_y, int32_t out_x, Range rows, Range columns) {
  const ConvGeometry& g = conv.geometry;
  const int32_t channels = g.in_c;
  int32_t sums[kTile * kTile];
  for (int32_t i = 0; i < shape.pixels * shape.channels; ++i) {
    sums[i] = conv.bias == nullptr ? 0 : conv.bias[tile.first_channel + i % shape.channels];
  }
  // With dilation the taps of a row are apart: one run a tap.
  const bool dense = g.dilation_w == 1;
  const int32_t run_taps = dense ? (columns.end - columns.begin) * channels : channels;
  const size_t pixel_stride = static_cast<size_t>(g.stride_w) * static_cast<size_t>(channels);
  const int32_t left = out_x * g.stride_w - g.pad_left;
  for (int32_t ky = rows.begin; ky < rows.end; ++ky) {
    const int32_t y = out_y * g.stride_h - g.pad_top + ky * g.dilation_h;
    const int8_t* row =
        input + static_cast<size_t>(y) * static_cast<size_t>(g.in_w) * static_cast<size_t>(channels);
    for (int32_t kx = columns.begin; kx < columns.end; kx = dense ? columns.end : kx + 1) {
      const size_t tap = static_cast<size_t>(ky * g.kernel_w + kx) * static_cast<size_t>(channels);
      const size_t column = static_cast<size_t>(left + kx * g.dilation_w);
      shape.multiply(sums, row + column * static_cast<size_t>(channels), pixel_stride, tile, tap, run_taps);
    }
  }
  int8_t* target =
      output + (static_cast<size_t>(out_y) * static_cast<size_t>(g.out_w) + static_cast<size_t>(out_x)) *
                   static_cast<size_t>(g.out_c);
  const int32_t* sum = sums;
  for (int32_t p = 0; p < shape.pixels; ++p, target += g.out_c) {
    for (int32_t i = 0; i < shape.channels; ++i) {
      const int32_t channel = tile.first_channel + i;
      target[channel] = finish_s8(conv, *sum++, channel);
    }
  }
}

// All pixels of one output row for the channels of one tile: `large` inside, `small` at the borders.
void compute_row(const Conv8& conv, const TileShape& large, const TileShape& small, const TileWeights& tile,
                 const int8_t* input, int8_t* output, int32_t out_y, Range rows, Range interior) {
  const ConvGeometry& g = conv.geometry;
  int32_t x = 0;
  while (x < g.out_w) {
    if (x >= interior.begin && x + kTile <= interior.end) {
      compute_tile(conv, large, tile, input, output, out_y, x, rows, {0, g.kernel_w});
      x += kTile;
    } else {
      const Range columns = valid_taps(x * g.stride_w - g.pad_left, g.kernel_w, g.dilation_w, g.in_w);
      compute_tile(conv, small, tile, input, output, out_y, x, rows, columns);
      ++x;
    }
  }
}

}  // namespace

void conv_s8_rows(const Conv8& conv, const int8_t* input, int8_t* output, int32_t row_begin,
                  int32_t row_end) {
  const ConvGeometry& g = conv.geometry;
  const size_t taps = taps_per_channel(g);
  const int32_t blocked = blocked_channels<int8_t>(g, conv.layout);
  const Range interior = interior_columns(g);
  for (int32_t y = row_begin; y < row_end; ++y) {
    const Range rows = valid_taps(y * g.stride_h - g.pad_top, g.kernel_h, g.dilation_h, g.in_h);
    for (int32_t channel = 0; channel < g.out_c;) {
      const ChannelTaps at = channel_taps<int8_t>(g, conv.layout, channel);
      const TileWeights tile{conv.weights + at.offset, taps, channel};
      if (channel < blocked) {
        compute_row(conv, kShape<WeightLayout::kBlocked, kTile, kTile>,
                    kShape<WeightLayout::kBlocked, kTile, 1>, tile, input, output, y, rows, interior);
        channel += kTile;
      } else if (channel + kTile <= g.out_c) {
        compute_row(conv, kShape<WeightLayout::kPlain, kTile, kTile>, kShape<WeightLayout::kPlain, kTile, 1>,
                    tile, input, output, y, rows, interior);
        channel += kTile;
      } else {
        compute_row(conv, kShape<WeightLayout::kPlain, 1, kTile>, kShape<WeightLayout::kPlain, 1, 1>, tile,
                    input, output, y, rows, interior);
        ++channel;
      }
    }
  }
}

}  // namespace shrike
