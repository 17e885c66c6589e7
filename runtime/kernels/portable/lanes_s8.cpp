#include "kernels/portable/lanes_s8.h"

#include "kernels/portable/window.h"
#include "kernels/weight_layout.h"
#include "ops/numeric.h"

namespace shrike {
namespace {

constexpr int32_t kBlock = kBlockChannels<int8_t>;
// Fast kernels round 32-bit sums, which needs one bit of head room.
constexpr int64_t kFastLimit = (int64_t{1} << 30) - 1;
// Sums of squared distances (at most 255) of at most this many taps fit 32 bits.
constexpr size_t kMaxSquaredTaps = INT32_MAX / (256 * 256) - 1;

// A sum that ends at its lane's limit counts as one that met it.
constexpr int64_t lane_limit(Lane lane) {
  return lane == Lane::kSaturating20 ? kHighest20 - 1 : kFastLimit;
}

// Depthwise lanes read a channel each; sums over all channels would say nothing about one.
bool squares_fit(const ConvGeometry& g) {
  return !g.depthwise && taps_per_channel(g) <= kMaxSquaredTaps;
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

// What bounds the partial sums of one channel.
struct Filter {
  int64_t magnitude = 0, squares = 0;             // sum of |w|, of w^2
  int64_t lowest_prefix = 0, highest_prefix = 0;  // of the sums of the first 0, 1, ... weights
};

Filter filter_of(const Conv8& conv, int32_t channel) {
  const size_t taps = taps_per_channel(conv.geometry);
  const ChannelTaps at = channel_taps<int8_t>(conv.geometry, conv.layout, channel);
  Filter filter;
  int64_t prefix = 0;
  for (size_t tap = 0; tap < taps; ++tap) {
    const int32_t weight = conv.weights[at.offset + tap * at.stride];
    filter.magnitude += weight < 0 ? -weight : weight;
    filter.squares += weight * weight;
    prefix += weight;
    if (prefix < filter.lowest_prefix) filter.lowest_prefix = prefix;
    if (prefix > filter.highest_prefix) filter.highest_prefix = prefix;
  }
  return filter;
}

int64_t magnitude(int64_t value) {
  return value < 0 ? -value : value;
}

bool never_differs(const Conv8& conv, const ExactSums& exact, int32_t channel, int64_t filter_magnitude) {
  const Lane lane = lane_of(conv, exact, channel);
  return exact.shifts[channel] >= 0 &&
         magnitude(initial_sum(lane, exact.bias, channel)) + 128 * filter_magnitude <= lane_limit(lane);
}

int32_t limit_at(const Conv8& conv, const ExactSums& exact, int32_t channel, const Filter& filter,
                 int32_t centre) {
  const Lane lane = lane_of(conv, exact, channel);
  const int64_t bias = initial_sum(lane, exact.bias, channel);
  const int64_t low = magnitude(bias + centre * filter.lowest_prefix);
  const int64_t high = magnitude(bias + centre * filter.highest_prefix);
  const int64_t room = lane_limit(lane) - (low > high ? low : high);
  if (exact.shifts[channel] < 0 || room < 0 || !squares_fit(conv.geometry)) return -1;
  if (filter.squares == 0) return kNeverExact;
  const int64_t bound = room * room / filter.squares;
  return bound < kNeverExact ? static_cast<int32_t>(bound) : kNeverExact;
}

struct PixelWindow {
  const int8_t* input;
  int32_t top, left;
  Range rows, columns;
};

// What a sum is cut to after every multiply-add.
struct LaneRange {
  int64_t lowest, highest;
};

LaneRange range_of(Lane lane) {
  if (lane == Lane::kSaturating20) return {kLowest20, kHighest20};
  if (lane == Lane::kSaturating32) return {INT32_MIN, INT32_MAX};
  return {INT64_MIN, INT64_MAX};
}

// Calls visit(x, w) for every pixel under the window, in the order ky, kx: its channels and the weights of
// `first` for them.
template <class Visit>
void for_each_pixel(const Conv8& conv, const PixelWindow& window, int32_t first, Visit visit) {
  const ConvGeometry& g = conv.geometry;
  const ChannelTaps at = channel_taps<int8_t>(g, conv.layout, first);
  const int32_t run = g.depthwise ? 1 : g.in_c;
  for (int32_t ky = window.rows.begin; ky < window.rows.end; ++ky) {
    for (int32_t kx = window.columns.begin; kx < window.columns.end; ++kx) {
      const size_t y = static_cast<size_t>(window.top + ky * g.dilation_h);
      const size_t column = static_cast<size_t>(window.left + kx * g.dilation_w);
      visit(window.input + (y * static_cast<size_t>(g.in_w) + column) * static_cast<size_t>(g.in_c) +
                (g.depthwise ? first : 0),
            conv.weights + at.offset + static_cast<size_t>((ky * g.kernel_w + kx) * run) * at.stride);
    }
  }
}

// Sums of kChannels channels from `first` on, in the order ky, kx, c; `cut` counts the multiply-adds that
// were cut.
template <int kChannels>
void window_sums(const Conv8& conv, const PixelWindow& window, int32_t first, LaneRange limits,
                 int64_t (&sums)[kChannels], int32_t (&cut)[kChannels]) {
  const bool depthwise = conv.geometry.depthwise;
  const int32_t run = depthwise ? 1 : conv.geometry.in_c;
  const size_t stride = channel_taps<int8_t>(conv.geometry, conv.layout, first).stride;
  for_each_pixel(conv, window, first, [&](const int8_t* x, const int8_t* w) {
    for (int32_t c = 0; c < run; ++c, w += stride) {
      for (int i = 0; i < kChannels; ++i) {
        const int64_t value = sums[i] + x[depthwise ? i : c] * w[i];
        const int64_t low = value < limits.lowest ? limits.lowest : value;
        sums[i] = low > limits.highest ? limits.highest : low;
        cut[i] += sums[i] != value;
      }
    }
  });
}

// The same of a block of 20-bit lanes that read all channels: the case that occurs often.
void block_sums(const Conv8& conv, const ExactSums& exact, const PixelWindow& window, int32_t first,
                int64_t (&sums)[kBlock], int32_t (&cut)[kBlock]) {
  int32_t lanes[kBlock];
  for (int i = 0; i < kBlock; ++i) lanes[i] = static_cast<int32_t>(sums[i]);
  for_each_pixel(conv, window, first, [&](const int8_t* x, const int8_t* w) {
    exact.lanes20(x, w, static_cast<size_t>(conv.geometry.in_c), lanes, cut);
  });
  for (int i = 0; i < kBlock; ++i) sums[i] = lanes[i];
}

template <int kChannels>
void lane_sums(const Conv8& conv, const ExactSums& exact, const PixelWindow& window, int32_t first, Lane lane,
               int64_t (&sums)[kChannels], int32_t (&cut)[kChannels]) {
  if constexpr (kChannels == kBlock) {
    if (lane == Lane::kSaturating20 && !conv.geometry.depthwise)
      return block_sums(conv, exact, window, first, sums, cut);
  }
  window_sums(conv, window, first, range_of(lane), sums, cut);
}

// Computes and stores kChannels outputs of one pixel.
template <int kChannels>
SaturationCount correct_pixel(const Conv8& conv, const ExactSums& exact, const PixelWindow& window,
                              int32_t first, int8_t* pixel) {
  const Lane lane = lane_of(conv, exact, first);
  int64_t sums[kChannels];
  int32_t cut[kChannels] = {};
  for (int i = 0; i < kChannels; ++i) sums[i] = initial_sum(lane, exact.bias, first + i);
  lane_sums(conv, exact, window, first, lane, sums, cut);
  const LaneRange limits = range_of(lane);
  SaturationCount count;
  for (int i = 0; i < kChannels; ++i) {
    count.multiply_adds += static_cast<uint64_t>(cut[i]);
    if (cut[i] != 0 || sums[i] == limits.lowest || sums[i] == limits.highest) ++count.sums;
    if (lane == Lane::kWrapping32) sums[i] = static_cast<int32_t>(static_cast<uint32_t>(sums[i]));
    const int64_t rounded = rounding_shift_any(sums[i], exact.shifts[first + i], conv.rounding);
    int8_t value = saturate<int8_t>(rounded);
    if (conv.relu && value < 0) value = 0;
    pixel[first + i] = value;
  }
  return count;
}

// Sums over the window's rows, for each input column.
void sum_columns(const ConvGeometry& g, const int8_t* input, int32_t top, Range rows, ColumnSums* columns) {
  for (int32_t x = 0; x < g.in_w; ++x) columns[x] = {};
  for (int32_t ky = rows.begin; ky < rows.end; ++ky) {
    const size_t y = static_cast<size_t>(top + ky * g.dilation_h);
    const int8_t* value = input + y * static_cast<size_t>(g.in_w) * static_cast<size_t>(g.in_c);
    for (int32_t x = 0; x < g.in_w; ++x) {
      int32_t sum = 0, squares = 0;
      for (int32_t c = 0; c < g.in_c; ++c) {
        sum += value[c];
        squares += value[c] * value[c];
      }
      value += g.in_c;
      columns[x].values += sum;
      columns[x].squares += squares;
    }
  }
}

// Sums of squared distances from the centres, of the inputs under one window.
struct Distances {
  int32_t count;  // leading centres that count
  int32_t squares[kCentres];
};

Distances distances(const ConvGeometry& g, const PixelWindow& window, const ColumnSums* columns) {
  int64_t values = 0, squares = 0;
  for (int32_t kx = window.columns.begin; kx < window.columns.end; ++kx) {
    const ColumnSums& column = columns[window.left + kx * g.dilation_w];
    values += column.values;
    squares += column.squares;
  }
  const bool whole = window.rows.end - window.rows.begin == g.kernel_h &&
                     window.columns.end - window.columns.begin == g.kernel_w;
  const int64_t taps = static_cast<int64_t>(taps_per_channel(g));
  Distances result{whole ? kCentres : 1, {}};
  for (int32_t i = 0; i < result.count; ++i) {
    const int64_t centre = i * kCentreStep;
    result.squares[i] = static_cast<int32_t>(squares - 2 * centre * values + taps * centre * centre);
  }
  return result;
}

bool may_differ(const ExactSums& exact, int32_t channels, int32_t channel, const Distances& distances) {
  for (int32_t i = 0; i < distances.count; ++i) {
    if (distances.squares[i] <= exact.limits[i * channels + channel]) return false;
  }
  return true;
}

}  // namespace

void lanes20_s8(const int8_t* x, const int8_t* weights, size_t count, int32_t* sums, int32_t* cut) {
  for (size_t c = 0; c < count; ++c, weights += kBlock) {
    for (int i = 0; i < kBlock; ++i) {
      const int32_t value = sums[i] + x[c] * weights[i];
      const int32_t low = value < kLowest20 ? kLowest20 : value;
      sums[i] = low > kHighest20 ? kHighest20 : low;
      cut[i] += sums[i] != value;
    }
  }
}

bool needs_correction(const Conv8& conv, const ExactSums& exact) {
  const int64_t largest = 128 * static_cast<int64_t>(taps_per_channel(conv.geometry));
  for (int32_t n = 0; n < conv.geometry.out_c; ++n) {
    if (never_differs(conv, exact, n, largest)) continue;  // often, and weights need not be read
    if (!never_differs(conv, exact, n, filter_of(conv, n).magnitude)) return true;
  }
  return false;
}

void find_limits(const Conv8& conv, const ExactSums& exact, int32_t* limits) {
  const int32_t channels = conv.geometry.out_c;
  const int32_t blocked = blocked_channels<int8_t>(conv.geometry, conv.layout);
  for (int32_t n = 0; n < channels; ++n) {
    const Filter filter = filter_of(conv, n);
    const bool never = never_differs(conv, exact, n, filter.magnitude);
    for (int32_t i = 0; i < kCentres; ++i) {
      const int32_t limit = never ? kNeverExact : limit_at(conv, exact, n, filter, i * kCentreStep);
      int32_t& shared = limits[i * channels + (n < blocked ? n / kBlock * kBlock : n)];
      if (n >= blocked || n % kBlock == 0 || limit < shared) shared = limit;
    }
  }
}

SaturationCount correct_rows(const Conv8& conv, const ExactSums& exact, const int8_t* input, int8_t* output,
                             int32_t row_begin, int32_t row_end, ColumnSums* columns) {
  const ConvGeometry& g = conv.geometry;
  const int32_t blocked = blocked_channels<int8_t>(g, conv.layout);
  const bool summed = squares_fit(g);
  SaturationCount count;
  for (int32_t y = row_begin; y < row_end; ++y) {
    PixelWindow window{input, y * g.stride_h - g.pad_top, 0, {}, {}};
    window.rows = valid_taps(window.top, g.kernel_h, g.dilation_h, g.in_h);
    if (summed) sum_columns(g, input, window.top, window.rows, columns);
    for (int32_t x = 0; x < g.out_w; ++x) {
      window.left = x * g.stride_w - g.pad_left;
      window.columns = valid_taps(window.left, g.kernel_w, g.dilation_w, g.in_w);
      // Where no squares were summed only limits of -1 and kNeverExact exist.
      const Distances from = summed ? distances(g, window, columns) : Distances{1, {}};
      int8_t* pixel =
          output + (static_cast<size_t>(y) * static_cast<size_t>(g.out_w) + static_cast<size_t>(x)) *
                       static_cast<size_t>(g.out_c);
      for (int32_t n = 0; n < blocked; n += kBlock) {
        if (may_differ(exact, g.out_c, n, from))
          count.add(correct_pixel<kBlock>(conv, exact, window, n, pixel));
      }
      for (int32_t n = blocked; n < g.out_c; ++n) {
        if (may_differ(exact, g.out_c, n, from)) count.add(correct_pixel<1>(conv, exact, window, n, pixel));
      }
    }
  }
  return count;
}

}  // namespace shrike
