// 8-bit depthwise convolution for a core without vectors. A tile is four neighbouring output pixels of four
// channels, which lie side by side in the input and in the filter alike: 16 sums in registers, each weight
// loaded once for four pixels. Where a tap reads and which weight it meets is written down once for all
// channels, so borders and dilation cost the inner loop nothing.
#include "kernels/pairs/finish.h"
#include "kernels/pairs/pairs.h"
#include "kernels/portable/window.h"
#include "kernels/weight_layout.h"

namespace shrike::pairs {
namespace {

constexpr int kTileChannels = 4;
constexpr int kTilePixels = 4;

struct Tap {
  ptrdiff_t input;  // bytes from the window's first tap
  size_t index;     // ky * KW + kx
};

// The taps inside the input. Returns their end.
const Tap* list_taps(const ConvGeometry& g, Range rows, Range columns, Tap* tap) {
  for (int32_t ky = rows.begin; ky < rows.end; ++ky) {
    for (int32_t kx = columns.begin; kx < columns.end; ++kx, ++tap) {
      tap->input = (static_cast<ptrdiff_t>(ky) * g.dilation_h * g.in_w + kx * g.dilation_w) * g.in_c;
      tap->index = static_cast<size_t>(ky * g.kernel_w + kx);
    }
  }
  return tap;
}

// What the tiles of some neighbouring pixels share.
struct Span {
  const Conv8& conv;
  const Tap *begin, *end;
};

// Sums [pixels][channels] of a tile. `input`: the first pixel's first tap, whose address may lie outside the
// tensor (hence a number) as long as no tap of the span does.
using Multiply = void (*)(const Span& span, uintptr_t input, size_t pixel_stride, const int8_t* weights,
                          size_t tap_stride, int32_t* sums);

template <int kPixels, int kChannels>
void multiply(const Span& span, uintptr_t input, size_t pixel_stride, const int8_t* weights,
              size_t tap_stride, int32_t* stored) {
  int32_t sums[kPixels][kChannels] = {};
  const Tap* const end = span.end;
  for (const Tap* tap = span.begin; tap != end; ++tap) {
    const int8_t* const weight = weights + tap->index * tap_stride;
    const int8_t* x = reinterpret_cast<const int8_t*>(input + static_cast<uintptr_t>(tap->input));
    int32_t w[kChannels];
#pragma GCC unroll 4
    for (int i = 0; i < kChannels; ++i) w[i] = weight[i];
#pragma GCC unroll 4
    for (int p = 0; p < kPixels; ++p) {
#pragma GCC unroll 4
      for (int i = 0; i < kChannels; ++i) sums[p][i] += x[i] * w[i];
      if (p + 1 < kPixels) x += pixel_stride;
    }
  }
#pragma GCC unroll 4
  for (int p = 0; p < kPixels; ++p) {
#pragma GCC unroll 4
    for (int i = 0; i < kChannels; ++i) *stored++ = sums[p][i];
  }
}

// Erases the size of a tile, so that only the inner loop exists once per size.
struct Width {
  int32_t pixels;
  Multiply four, single;  // channels
};
constexpr Width kWidths[] = {
    {kTilePixels, multiply<kTilePixels, kTileChannels>, multiply<kTilePixels, 1>},
    {1, multiply<1, kTileChannels>, multiply<1, 1>},
};

// Every channel of `width.pixels` neighbouring pixels.
void compute_pixels(const Span& span, const Width& width, uintptr_t input, int8_t* output) {
  const Conv8& conv = span.conv;
  const ConvGeometry& g = conv.geometry;
  const size_t out_c = static_cast<size_t>(g.out_c);
  const int32_t blocked = blocked_channels<int8_t>(g, conv.layout);
  for (int32_t channel = 0; channel < g.out_c;) {
    const ChannelTaps at = channel_taps<int8_t>(g, conv.layout, channel);
    const bool four = channel < blocked || channel + kTileChannels <= g.out_c;
    const int32_t count = four ? kTileChannels : 1;
    int32_t sums[kTilePixels * kTileChannels];
    (four ? width.four : width.single)(span, input + static_cast<uintptr_t>(channel),
                                       static_cast<size_t>(g.stride_w) * out_c, conv.weights + at.offset,
                                       at.stride, sums);
    for (int32_t i = 0; i < count; ++i, ++channel) {
      const Finish finish(conv, channel);
      const int32_t start = start_of(conv, finish, channel);
      const int32_t* sum = sums + i;
      int8_t* target = output + channel;
      for (int32_t p = 0; p < width.pixels; ++p, sum += count, target += out_c)
        *target = finish(start + *sum);
    }
  }
}

void compute_row(const Conv8& conv, const int8_t* input, int8_t* output, int32_t out_y, Range interior,
                 Tap* taps) {
  const ConvGeometry& g = conv.geometry;
  const int32_t top = out_y * g.stride_h - g.pad_top;
  const Range rows = valid_taps(top, g.kernel_h, g.dilation_h, g.in_h);
  Span span{conv, taps, taps};
  bool inside = false;  // the taps are those of an interior pixel
  for (int32_t x = 0; x < g.out_w;) {
    const bool interior_pixel = x >= interior.begin && x < interior.end;
    const int32_t left = x * g.stride_w - g.pad_left;
    if (!interior_pixel || !inside)
      span.end = list_taps(g, rows, valid_taps(left, g.kernel_w, g.dilation_w, g.in_w), taps);
    inside = interior_pixel;
    const ptrdiff_t position = (static_cast<ptrdiff_t>(top) * g.in_w + left) * g.in_c;
    const bool wide = interior_pixel && x + kTilePixels <= interior.end;
    const Width& width = kWidths[wide ? 0 : 1];
    int8_t* const target =
        output + (static_cast<size_t>(out_y) * static_cast<size_t>(g.out_w) + static_cast<size_t>(x)) *
                     static_cast<size_t>(g.out_c);
    compute_pixels(span, width, reinterpret_cast<uintptr_t>(input) + static_cast<uintptr_t>(position),
                   target);
    x += width.pixels;
  }
}

}  // namespace

size_t depthwise8_scratch_bytes(const Conv8& conv) {
  return taps_per_channel(conv.geometry) * sizeof(Tap);
}

void depthwise8_run(const Conv8& conv, const int8_t* input, int8_t* output, int32_t row_begin,
                    int32_t row_end, void* scratch) {
  const Range interior = interior_columns(conv.geometry);
  for (int32_t y = row_begin; y < row_end; ++y)
    compute_row(conv, input, output, y, interior, static_cast<Tap*>(scratch));
}

}  // namespace shrike::pairs
