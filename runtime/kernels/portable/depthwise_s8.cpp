// 8-bit depthwise convolution: four neighbouring pixels of one channel at a time share each weight.
#include "kernels/portable/portable.h"
#include "kernels/portable/window.h"
#include "kernels/weight_layout.h"

namespace shrike {
namespace {

// kWidth: kernel width when known at compile time, else 0.
template <int kPixels, int kWidth>
void compute_pixels(const Conv8& conv, ChannelTaps taps, const int8_t* input, int8_t* output, int32_t channel,
                    int32_t out_y, int32_t out_x, Range rows, Range columns) {
  const ConvGeometry& g = conv.geometry;
  const size_t channels = static_cast<size_t>(g.in_c);
  const size_t pixel_stride = static_cast<size_t>(g.stride_w) * channels;
  const size_t column_stride = static_cast<size_t>(g.dilation_w) * channels;
  int32_t sums[kPixels];
#pragma GCC unroll 4
  for (int p = 0; p < kPixels; ++p) sums[p] = conv.bias == nullptr ? 0 : conv.bias[channel];
  const int32_t left = out_x * g.stride_w - g.pad_left + columns.begin * g.dilation_w;
  const int32_t width = kWidth > 0 ? kWidth : columns.end - columns.begin;
  if (width == 0) rows.end = rows.begin;  // no column inside the input: `left` points nowhere
  for (int32_t ky = rows.begin; ky < rows.end; ++ky) {
    const int32_t y = out_y * g.stride_h - g.pad_top + ky * g.dilation_h;
    const int8_t* x =
        input +
        (static_cast<size_t>(y) * static_cast<size_t>(g.in_w) + static_cast<size_t>(left)) * channels +
        static_cast<size_t>(channel);
    const int8_t* w =
        conv.weights + taps.offset + static_cast<size_t>(ky * g.kernel_w + columns.begin) * taps.stride;
#pragma GCC unroll 3
    for (int32_t kx = 0; kx < width; ++kx) {
      const int32_t weight = *w;
#pragma GCC unroll 4
      for (int p = 0; p < kPixels; ++p) sums[p] += weight * x[static_cast<size_t>(p) * pixel_stride];
      x += column_stride;
      w += taps.stride;
    }
  }
  int8_t* target =
      output +
      (static_cast<size_t>(out_y) * static_cast<size_t>(g.out_w) + static_cast<size_t>(out_x)) * channels +
      static_cast<size_t>(channel);
#pragma GCC unroll 4
  for (int p = 0; p < kPixels; ++p)
    target[static_cast<size_t>(p) * channels] = finish_s8(conv, sums[p], channel);
}

template <int kWidth>
void compute_channel(const Conv8& conv, const int8_t* input, int8_t* output, int32_t channel, int32_t out_y,
                     Range rows, Range interior) {
  const ConvGeometry& g = conv.geometry;
  const ChannelTaps taps = channel_taps<int8_t>(g, conv.layout, channel);
  constexpr int kPixels = 4;
  int32_t x = 0;
  while (x < g.out_w) {
    if (x >= interior.begin && x + kPixels <= interior.end) {
      compute_pixels<kPixels, kWidth>(conv, taps, input, output, channel, out_y, x, rows, {0, g.kernel_w});
      x += kPixels;
    } else {
      const Range columns = valid_taps(x * g.stride_w - g.pad_left, g.kernel_w, g.dilation_w, g.in_w);
      compute_pixels<1, 0>(conv, taps, input, output, channel, out_y, x, rows, columns);
      ++x;
    }
  }
}

}  // namespace

void depthwise_s8_rows(const Conv8& conv, const int8_t* input, int8_t* output, int32_t row_begin,
                       int32_t row_end) {
  const ConvGeometry& g = conv.geometry;
  const Range interior = interior_columns(g);
  for (int32_t y = row_begin; y < row_end; ++y) {
    const Range rows = valid_taps(y * g.stride_h - g.pad_top, g.kernel_h, g.dilation_h, g.in_h);
    for (int32_t channel = 0; channel < g.out_c; ++channel) {
      if (g.kernel_w == 3) {
        compute_channel<3>(conv, input, output, channel, y, rows, interior);
      } else {
        compute_channel<0>(conv, input, output, channel, y, rows, interior);
      }
    }
  }
}

}  // namespace shrike
