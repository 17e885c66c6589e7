// 16-bit convolution, group 1 and depthwise. A product takes 31 bits, so sums have 64; inner loops do
// with 32 where no lane saturates.
#include "kernels/portable/portable.h"
#include "kernels/portable/window.h"
#include "kernels/weight_layout.h"

namespace shrike {
namespace {

constexpr int64_t kLaneHighest = (int64_t{1} << 39) - 1;
constexpr int64_t kLaneLowest = -(int64_t{1} << 39);

struct Sum {
  int64_t value;
  uint64_t cut;  // multiply-adds
};

// Exact sum of up to 2^16 products with 32-bit arithmetic only. Products p have at most 31 bits. `low` is the
// sum modulo 2^32. `high` adds up floor(p / 2^16), so the true sum lies in [high * 2^16, high * 2^16 + 2^32):
// the remainders that were dropped are less than 2^16 each. Exactly one number there has the residue `low`.
constexpr int32_t kMostTaps = 1 << 16;

int64_t sum_products(const int16_t* x, const int16_t* w, size_t tap_stride, int32_t taps) {
  uint32_t low = 0;
  int32_t high = 0;
  for (int32_t tap = 0; tap < taps; ++tap) {
    const int32_t product = x[tap] * *w;
    low += static_cast<uint32_t>(product);
    high += product >> 16;
    w += tap_stride;
  }
  const uint32_t above = low - (static_cast<uint32_t>(high) << 16);
  return static_cast<int64_t>(high) * 65536 + above;
}

// `kLane`: saturate at 40 bits after every multiply-add.
template <bool kLane>
void multiply_run(Sum& sum, const int16_t* x, const int16_t* w, size_t tap_stride, int32_t taps) {
  if constexpr (kLane) {
    int64_t value = sum.value;
    for (int32_t tap = 0; tap < taps; ++tap) {
      value += static_cast<int64_t>(x[tap]) * w[static_cast<size_t>(tap) * tap_stride];
      if (value > kLaneHighest || value < kLaneLowest) {
        value = value < 0 ? kLaneLowest : kLaneHighest;
        ++sum.cut;
      }
    }
    sum.value = value;
  } else {
    for (int32_t tap = 0; tap < taps; tap += kMostTaps) {
      const int32_t count = taps - tap < kMostTaps ? taps - tap : kMostTaps;
      sum.value += sum_products(x + tap, w + static_cast<size_t>(tap) * tap_stride, tap_stride, count);
    }
  }
}

struct Pixel {
  const int16_t* input;
  int32_t top, left;
  Range rows, columns;
};

template <bool kLane>
Sum window_sum(const Conv16& conv, const Pixel& pixel, int32_t channel) {
  const ConvGeometry& g = conv.geometry;
  const ChannelTaps taps = channel_taps<int16_t>(g, conv.layout, channel);
  const int16_t* weights = conv.weights + taps.offset;
  const size_t channels = static_cast<size_t>(g.in_c);
  const int32_t run = g.depthwise ? 1 : g.in_c;
  Sum sum{conv.bias == nullptr ? 0 : conv.bias[channel], 0};
  for (int32_t ky = pixel.rows.begin; ky < pixel.rows.end; ++ky) {
    const size_t y = static_cast<size_t>(pixel.top + ky * g.dilation_h);
    for (int32_t kx = pixel.columns.begin; kx < pixel.columns.end; ++kx) {
      const size_t x = static_cast<size_t>(pixel.left + kx * g.dilation_w);
      const int16_t* values = pixel.input + (y * static_cast<size_t>(g.in_w) + x) * channels;
      if (g.depthwise) values += channel;
      const size_t tap = static_cast<size_t>(ky * g.kernel_w + kx) * static_cast<size_t>(run);
      multiply_run<kLane>(sum, values, weights + tap * taps.stride, taps.stride, run);
    }
  }
  return sum;
}

}  // namespace

SaturationCount conv_s16_rows(const Conv16& conv, const int16_t* input, int16_t* output, int32_t row_begin,
                              int32_t row_end) {
  const ConvGeometry& g = conv.geometry;
  SaturationCount saturated;
  for (int32_t y = row_begin; y < row_end; ++y) {
    for (int32_t x = 0; x < g.out_w; ++x) {
      Pixel pixel{input, y * g.stride_h - g.pad_top, x * g.stride_w - g.pad_left, {}, {}};
      pixel.rows = valid_taps(pixel.top, g.kernel_h, g.dilation_h, g.in_h);
      pixel.columns = valid_taps(pixel.left, g.kernel_w, g.dilation_w, g.in_w);
      int16_t* target =
          output + (static_cast<size_t>(y) * static_cast<size_t>(g.out_w) + static_cast<size_t>(x)) *
                       static_cast<size_t>(g.out_c);
      for (int32_t channel = 0; channel < g.out_c; ++channel) {
        const bool lane = conv.saturating != nullptr && conv.saturating[channel] != 0;
        const Sum sum =
            lane ? window_sum<true>(conv, pixel, channel) : window_sum<false>(conv, pixel, channel);
        if (sum.cut > 0) saturated.add({1, sum.cut});
        const int16_t value =
            saturate<int16_t>(rounding_shift_any(sum.value, conv.shifts[channel], conv.rounding));
        target[channel] = conv.relu && value < 0 ? int16_t{0} : value;
      }
    }
  }
  return saturated;
}

}  // namespace shrike
