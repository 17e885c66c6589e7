#include "kernels/portable/lanes_s8.h"

#include "kernels/portable/window.h"
#include "kernels/weight_layout.h"
#include "ops/numeric.h"

namespace shrike {
namespace {

constexpr int32_t kBlock = kBlockChannels<int8_t>;
// Fast kernels round 32-bit sums, which needs one bit of head room.
constexpr int64_t kFastLimit = (int64_t{1} << 30) - 1;
// Sums of squares of at most this many taps fit 32 bits.
constexpr size_t kMaxSquaredTaps = INT32_MAX / (128 * 128) - 1;

constexpr int64_t lane_limit(Lane lane) {
  return lane == Lane::kSaturating20 ? (1 << 19) - 1 : kFastLimit;
}

Lane lane_of(const Conv8& conv, const ExactSums& exact, int32_t channel) {
  const bool block =
      conv.geometry.depthwise || channel < blocked_channels<int8_t>(conv.geometry, conv.layout);
  return block ? exact.block : exact.remainder;
}

// A 20-bit lane starts from the low 20 bits of the bias.
int32_t initial_sum(Lane lane, const int32_t* bias, int32_t channel) {
  if (bias == nullptr) return 0;
  if (lane != Lane::kSaturating20) return bias[channel];
  return static_cast<int32_t>(static_cast<uint32_t>(bias[channel]) << 12) >> 12;
}

int32_t find_limit(const Conv8& conv, const ExactSums& exact, int32_t channel) {
  const Lane lane = lane_of(conv, exact, channel);
  const int64_t limit = lane_limit(lane);
  const size_t taps = taps_per_channel(conv.geometry);
  const ChannelTaps at = channel_taps<int8_t>(conv.geometry, conv.layout, channel);
  int64_t magnitude = 0, squares = 0;
  for (size_t tap = 0; tap < taps; ++tap) {
    const int32_t weight = conv.weights[at.offset + tap * at.stride];
    magnitude += weight < 0 ? -weight : weight;
    squares += weight * weight;
  }
  int64_t bias = initial_sum(lane, exact.bias, channel);
  if (bias < 0) bias = -bias;
  if (exact.shifts[channel] < 0 || bias > limit) return -1;
  if (bias + 128 * magnitude <= limit) return kNeverExact;
  if (conv.geometry.depthwise || taps > kMaxSquaredTaps) return -1;
  const int64_t bound = (limit - bias) * (limit - bias) / squares;
  return bound < kNeverExact ? static_cast<int32_t>(bound) : kNeverExact;
}

template <Lane lane>
struct Sum;

template <>
struct Sum<Lane::kSaturating20> {
  using Type = int32_t;
  static constexpr int32_t lowest = -(1 << 19), highest = (1 << 19) - 1;
};
template <>
struct Sum<Lane::kSaturating32> {
  using Type = int64_t;
  static constexpr int64_t lowest = INT32_MIN, highest = INT32_MAX;
};

struct Window {
  const int8_t* input;
  int32_t top, left;
  Range rows, columns;
};

// Sums of kChannels channels from `first` on, in the order ky, kx, c. `met` tells which lanes met a limit.
// Returns how many multiply-adds were cut.
template <Lane lane, int kChannels>
uint64_t window_sums(const Conv8& conv, const Window& window, int32_t first, int64_t (&sums)[kChannels],
                     bool (&met)[kChannels]) {
  constexpr bool kSaturating = lane == Lane::kSaturating20 || lane == Lane::kSaturating32;
  const ConvGeometry& g = conv.geometry;
  const ChannelTaps at = channel_taps<int8_t>(g, conv.layout, first);
  using Type = typename Sum<kSaturating ? lane : Lane::kSaturating32>::Type;
  Type values[kChannels];
  Type cut[kChannels] = {};
  for (int i = 0; i < kChannels; ++i) values[i] = static_cast<Type>(sums[i]);
  const int32_t run = g.depthwise ? 1 : g.in_c;
  for (int32_t ky = window.rows.begin; ky < window.rows.end; ++ky) {
    for (int32_t kx = window.columns.begin; kx < window.columns.end; ++kx) {
      const size_t y = static_cast<size_t>(window.top + ky * g.dilation_h);
      const size_t column = static_cast<size_t>(window.left + kx * g.dilation_w);
      const int8_t* x = window.input +
                        (y * static_cast<size_t>(g.in_w) + column) * static_cast<size_t>(g.in_c) +
                        (g.depthwise ? first : 0);
      const int8_t* w =
          conv.weights + at.offset + static_cast<size_t>((ky * g.kernel_w + kx) * run) * at.stride;
      for (int32_t c = 0; c < run; ++c, w += at.stride) {
        for (int i = 0; i < kChannels; ++i) {
          const Type value = values[i] + x[g.depthwise ? i : c] * w[i];
          if constexpr (kSaturating) {
            const Type low = value < Sum<lane>::lowest ? static_cast<Type>(Sum<lane>::lowest) : value;
            values[i] = low > Sum<lane>::highest ? static_cast<Type>(Sum<lane>::highest) : low;
            cut[i] += values[i] != value;
          } else {
            values[i] = value;
          }
        }
      }
    }
  }
  uint64_t all = 0;
  for (int i = 0; i < kChannels; ++i) {
    sums[i] = values[i];
    if constexpr (lane == Lane::kWrapping32) sums[i] = static_cast<int32_t>(static_cast<uint32_t>(values[i]));
    if constexpr (kSaturating) {
      met[i] = cut[i] != 0 || values[i] == Sum<lane>::lowest || values[i] == Sum<lane>::highest;
      all += static_cast<uint64_t>(cut[i]);
    }
  }
  return all;
}

// Computes and stores kChannels outputs of one pixel.
template <int kChannels>
SaturationCount correct_pixel(const Conv8& conv, const ExactSums& exact, const Window& window, int32_t first,
                              int8_t* pixel) {
  const Lane lane = lane_of(conv, exact, first);
  int64_t sums[kChannels];
  bool met[kChannels] = {};
  SaturationCount count;
  for (int i = 0; i < kChannels; ++i) sums[i] = initial_sum(lane, exact.bias, first + i);
  switch (lane) {
    case Lane::kSaturating20:
      count.multiply_adds = window_sums<Lane::kSaturating20>(conv, window, first, sums, met);
      break;
    case Lane::kSaturating32:
      count.multiply_adds = window_sums<Lane::kSaturating32>(conv, window, first, sums, met);
      break;
    case Lane::kWrapping32:
      count.multiply_adds = window_sums<Lane::kWrapping32>(conv, window, first, sums, met);
      break;
    case Lane::kExact:
      count.multiply_adds = window_sums<Lane::kExact>(conv, window, first, sums, met);
      break;
  }
  for (int i = 0; i < kChannels; ++i) {
    const int64_t rounded = rounding_shift_any(sums[i], exact.shifts[first + i], conv.rounding);
    int8_t value = saturate<int8_t>(rounded);
    if (conv.relu && value < 0) value = 0;
    pixel[first + i] = conv.table == nullptr ? value : conv.table[value + 128];
    if (met[i]) ++count.sums;
  }
  return count;
}

// Sum of squares over the window's rows, for each input column.
void sum_columns(const ConvGeometry& g, const int8_t* input, int32_t top, Range rows,
                 int32_t* column_squares) {
  for (int32_t x = 0; x < g.in_w; ++x) column_squares[x] = 0;
  for (int32_t ky = rows.begin; ky < rows.end; ++ky) {
    const size_t y = static_cast<size_t>(top + ky * g.dilation_h);
    const int8_t* value = input + y * static_cast<size_t>(g.in_w) * static_cast<size_t>(g.in_c);
    for (int32_t x = 0; x < g.in_w; ++x) {
      int32_t sum = 0;
      for (int32_t c = 0; c < g.in_c; ++c) sum += value[c] * value[c];
      value += g.in_c;
      column_squares[x] += sum;
    }
  }
}

}  // namespace

bool find_limits(const Conv8& conv, const ExactSums& exact, int32_t* limits) {
  const int32_t channels = conv.geometry.out_c;
  const int32_t blocked = blocked_channels<int8_t>(conv.geometry, conv.layout);
  bool any = false;
  for (int32_t n = 0; n < channels; ++n) {
    limits[n] = find_limit(conv, exact, n);
    if (limits[n] != kNeverExact) any = true;
  }
  for (int32_t block = 0; block < blocked; block += kBlock) {
    int32_t lowest = kNeverExact;
    for (int32_t i = 0; i < kBlock; ++i) lowest = limits[block + i] < lowest ? limits[block + i] : lowest;
    for (int32_t i = 0; i < kBlock; ++i) limits[block + i] = lowest;
  }
  return any;
}

SaturationCount correct_rows(const Conv8& conv, const ExactSums& exact, const int8_t* input, int8_t* output,
                             int32_t row_begin, int32_t row_end, int32_t* column_squares) {
  const ConvGeometry& g = conv.geometry;
  const int32_t blocked = blocked_channels<int8_t>(g, conv.layout);
  const bool squares_fit = taps_per_channel(g) <= kMaxSquaredTaps;
  SaturationCount count;
  for (int32_t y = row_begin; y < row_end; ++y) {
    Window window{input, y * g.stride_h - g.pad_top, 0, {}, {}};
    window.rows = valid_taps(window.top, g.kernel_h, g.dilation_h, g.in_h);
    if (squares_fit && !g.depthwise) sum_columns(g, input, window.top, window.rows, column_squares);
    for (int32_t x = 0; x < g.out_w; ++x) {
      window.left = x * g.stride_w - g.pad_left;
      window.columns = valid_taps(window.left, g.kernel_w, g.dilation_w, g.in_w);
      int32_t squares = 0;  // only limits of -1 and kNeverExact exist when no squares were summed
      if (squares_fit && !g.depthwise) {
        for (int32_t kx = window.columns.begin; kx < window.columns.end; ++kx) {
          squares += column_squares[window.left + kx * g.dilation_w];
        }
      }
      int8_t* pixel =
          output + (static_cast<size_t>(y) * static_cast<size_t>(g.out_w) + static_cast<size_t>(x)) *
                       static_cast<size_t>(g.out_c);
      for (int32_t n = 0; n < blocked; n += kBlock) {
        if (squares > exact.limits[n]) count.add(correct_pixel<kBlock>(conv, exact, window, n, pixel));
      }
      for (int32_t n = blocked; n < g.out_c; ++n) {
        if (squares > exact.limits[n]) count.add(correct_pixel<1>(conv, exact, window, n, pixel));
      }
    }
  }
  return count;
}

}  // namespace shrike
