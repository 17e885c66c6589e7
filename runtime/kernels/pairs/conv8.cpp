// 8-bit convolution of group 1 with two products in one 32-bit multiplication.
//
// A word holds two pixels of one input channel, P = x1 * 2^16 + x0, so P * w = (x1 * w) * 2^16 + x0 * w. Over
// a group of taps the words' products add up to A = S1 * 2^16 + S0 with S0 = sum x0 * w and S1 = sum x1 * w.
// Groups are cut, once at load, so that the weights of every channel of a tile satisfy sum |w| <= 255. Inputs
// lie in [-128, 127], hence |S0| and |S1| are at most 128 * 255 = 32640 < 2^15, no partial sum leaves 32
// bits, and both come back without error: S0 is A's low half as a signed 16-bit number, S1 = (A + 2^15) >>
// 16, because 0 <= S0 + 2^15 < 2^16. Trained filters give groups of ten to twenty taps.
//
// The pixels of a tile are gathered into words first (zeros where the window leaves the input), so that the
// inner loop is the same for every geometry and its loads serve all output channels.
#include "kernels/pairs/pairs.h"
#include "kernels/portable/window.h"
#include "kernels/weight_layout.h"

namespace shrike::pairs {
namespace {

constexpr int32_t kBlock = kBlockChannels<int8_t>;
constexpr int kTileChannels = 4;
constexpr int kMostPairs = 4;
constexpr int32_t kMostWeight = 255;  // sum of magnitudes in a group
constexpr int32_t kMostTaps = 255;    // a length takes a byte

// Weight of channel i, tap t at weights[i * channel_stride + t * tap_stride].
struct Tile {
  const int8_t* weights;
  size_t channel_stride, tap_stride;
  int32_t first, channels;
};

// Channels by fours, but the remainder behind full blocks, and what is left of plain storage, one by one.
int32_t tile_channels(const Conv8& conv, int32_t channel) {
  const ConvGeometry& g = conv.geometry;
  const int32_t blocked = blocked_channels<int8_t>(g, conv.layout);
  const bool four = channel < blocked || (blocked == 0 && g.out_c - channel >= kTileChannels);
  return four ? kTileChannels : 1;
}

Tile tile_at(const Conv8& conv, int32_t channel) {
  const ConvGeometry& g = conv.geometry;
  const ChannelTaps at = channel_taps<int8_t>(g, conv.layout, channel);
  const bool blocked = channel < blocked_channels<int8_t>(g, conv.layout);
  return {conv.weights + at.offset, blocked ? size_t{1} : taps_per_channel(g), at.stride, channel,
          tile_channels(conv, channel)};
}

// Length of the group that starts at `tap`.
int32_t group_taps(const Tile& tile, int32_t tap, int32_t taps) {
  int32_t sums[kTileChannels] = {};
  int32_t length = 0;
  for (; length < kMostTaps && tap + length < taps; ++length) {
    const int8_t* w = tile.weights + static_cast<size_t>(tap + length) * tile.tap_stride;
    for (int32_t i = 0; i < tile.channels; ++i) {
      const int32_t weight = w[static_cast<size_t>(i) * tile.channel_stride];
      sums[i] += weight < 0 ? -weight : weight;
      if (sums[i] > kMostWeight) return length;
    }
  }
  return length;
}

int32_t tap_count(const Conv8& conv) {
  return static_cast<int32_t>(taps_per_channel(conv.geometry));
}

// Writes the lengths of all groups, tile by tile, unless `lengths` is null; returns how many there are.
size_t cut_groups(const Conv8& conv, uint8_t* lengths) {
  const int32_t taps = tap_count(conv);
  size_t count = 0;
  for (int32_t channel = 0; channel < conv.geometry.out_c;) {
    const Tile tile = tile_at(conv, channel);
    for (int32_t tap = 0; tap < taps; ++count) {
      const int32_t length = group_taps(tile, tap, taps);
      if (lengths != nullptr) lengths[count] = static_cast<uint8_t>(length);
      tap += length;
    }
    channel += tile.channels;
  }
  return count;
}

// One (pixels apart) or two inputs of step 0 stand for taps outside the input.
struct Source {
  const int8_t* at;
  size_t step;
};

void gather_pair(int32_t* words, size_t stride, Source low, Source high, int32_t channels) {
  const int8_t* x0 = low.at;
  const int8_t* x1 = high.at;
  for (int32_t c = 0; c < channels; ++c) {
    *words = *x1 * 65536 + *x0;
    x0 += low.step;
    x1 += high.step;
    words += stride;
  }
}

// Words of 2 * kPairs neighbouring output pixels, [taps][pairs]; pixels from `count` on are zeros.
void gather(const Conv8& conv, const int8_t* input, int32_t out_y, int32_t out_x, int32_t count,
            int32_t pairs, int32_t* words) {
  static constexpr int8_t kZero = 0;
  const ConvGeometry& g = conv.geometry;
  const size_t channels = static_cast<size_t>(g.in_c);
  const size_t tap_words = channels * static_cast<size_t>(pairs);
  for (int32_t ky = 0; ky < g.kernel_h; ++ky) {
    const int32_t y = out_y * g.stride_h - g.pad_top + ky * g.dilation_h;
    const bool row_inside = y >= 0 && y < g.in_h;
    const int8_t* row =
        input + (row_inside ? static_cast<size_t>(y) : 0) * static_cast<size_t>(g.in_w) * channels;
    for (int32_t kx = 0; kx < g.kernel_w; ++kx, words += tap_words) {
      Source sources[2 * kMostPairs];
      for (int32_t p = 0; p < 2 * pairs; ++p) {
        const int32_t x = (out_x + p) * g.stride_w - g.pad_left + kx * g.dilation_w;
        const bool inside = row_inside && p < count && x >= 0 && x < g.in_w;
        sources[p] = inside ? Source{row + static_cast<size_t>(x) * channels, 1} : Source{&kZero, 0};
      }
      for (int32_t p = 0; p < pairs; ++p) {
        gather_pair(words + p, static_cast<size_t>(pairs), sources[2 * p], sources[2 * p + 1], g.in_c);
      }
    }
  }
}

// Weights of one tap: neighbours in a block, else strides apart.
template <bool kBlocked>
struct Cursor {
  const int8_t* at;
  size_t channel_stride, tap_stride;
  int32_t weight(int tap, int channel) const {
    if constexpr (kBlocked) return at[tap * kBlock + channel];
    return at[static_cast<size_t>(channel) * channel_stride + static_cast<size_t>(tap) * tap_stride];
  }
  void advance(int taps) { at += static_cast<size_t>(taps) * (kBlocked ? kBlock : tap_stride); }
};

template <int kPairs, int kChannels, bool kFirst, typename Weights>
inline void multiply_tap(int32_t (&products)[kPairs][kChannels], const int32_t* words, const Weights& weights,
                         int tap) {
  int32_t w[kChannels];
#pragma GCC unroll 4
  for (int i = 0; i < kChannels; ++i) w[i] = weights.weight(tap, i);
#pragma GCC unroll 4
  for (int p = 0; p < kPairs; ++p) {
    const int32_t word = words[tap * kPairs + p];
#pragma GCC unroll 4
    for (int i = 0; i < kChannels; ++i) {
      if constexpr (kFirst) {
        products[p][i] = word * w[i];
      } else {
        products[p][i] += word * w[i];
      }
      // Finished here and now: left to itself the compiler interleaves taps and runs out of registers.
      __asm__("" : "+r"(products[p][i]));
    }
  }
}

// Adds all groups of a tile to its sums. A function of its own, so that the products have the registers to
// themselves. Returns where the lengths of the next tile are.
template <int kPairs, int kChannels, typename Weights>
__attribute__((noinline)) const uint8_t* multiply_groups(int32_t (&sums)[kChannels][2 * kPairs],
                                                         const int32_t* words, const int32_t* end,
                                                         Weights weights, const uint8_t* lengths) {
  int32_t products[kPairs][kChannels];
  do {
    multiply_tap<kPairs, kChannels, true>(products, words, weights, 0);
    weights.advance(1);
    words += kPairs;
    int32_t taps = *lengths++ - 1;
    for (; taps >= 2; taps -= 2) {
      multiply_tap<kPairs, kChannels, false>(products, words, weights, 0);
      multiply_tap<kPairs, kChannels, false>(products, words, weights, 1);
      weights.advance(2);
      words += 2 * kPairs;
    }
    if (taps > 0) {
      multiply_tap<kPairs, kChannels, false>(products, words, weights, 0);
      weights.advance(1);
      words += kPairs;
    }
#pragma GCC unroll 4
    for (int p = 0; p < kPairs; ++p) {
#pragma GCC unroll 4
      for (int i = 0; i < kChannels; ++i) {
        sums[i][2 * p] += static_cast<int16_t>(products[p][i]);
        sums[i][2 * p + 1] += (products[p][i] + 0x8000) >> 16;
      }
    }
  } while (words < end);
  return lengths;
}

// Rounding as in ops/numeric.h with the choices made outside the loop over pixels; sums stay below 2^30.
void finish(const Conv8& conv, const int32_t* sums, int32_t count, int32_t channel, int8_t* output) {
  const int32_t shift = conv.shifts[channel];
  const int32_t half = shift == 0 ? 0 : int32_t{1} << (shift - 1);
  const bool even = conv.rounding == Rounding::kHalfEven && shift > 0;
  const int32_t offset = even ? half - 1 : half;
  const int32_t parity = even ? 1 : 0;
  const int32_t lowest = conv.relu ? 0 : -128;
  const size_t stride = static_cast<size_t>(conv.geometry.out_c);
  output += channel;
  for (int32_t p = 0; p < count; ++p, output += stride) {
    const int32_t sum = sums[p];
    int32_t value = (sum + offset + ((sum >> shift) & parity)) >> shift;
    if (value < lowest) value = lowest;
    if (value > 127) value = 127;
    *output = static_cast<int8_t>(value);
  }
}

// Erases the size of a tile, so that only the inner loop exists once per size.
using Multiply = const uint8_t* (*)(int32_t* sums, const int32_t* words, const int32_t* end, const Tile& tile,
                                    const uint8_t* lengths);

template <int kPairs, int kChannels, bool kBlocked>
const uint8_t* multiply(int32_t* sums, const int32_t* words, const int32_t* end, const Tile& tile,
                        const uint8_t* lengths) {
  return multiply_groups<kPairs, kChannels>(
      *reinterpret_cast<int32_t(*)[kChannels][2 * kPairs]>(sums), words, end,
      Cursor<kBlocked>{tile.weights, tile.channel_stride, tile.tap_stride}, lengths);
}

// Blocked storage has a loop of its own where most of the work is; plain storage needs more registers for its
// addresses and takes no tile of four channels by four pairs.
struct Width {
  int32_t pairs;
  Multiply blocked, plain, single;
};
constexpr Width kWidths[] = {
    {4, multiply<4, 4, true>, nullptr, multiply<4, 1, false>},
    {1, multiply<1, 4, false>, multiply<1, 4, false>, multiply<1, 1, false>},
};

// Every channel of up to 2 * width.pairs neighbouring pixels.
void compute_pixels(const Conv8& conv, const Width& width, const int8_t* input, int8_t* output, int32_t y,
                    int32_t x, int32_t count, int32_t* words) {
  const ConvGeometry& g = conv.geometry;
  gather(conv, input, y, x, count, width.pairs, words);
  const int32_t* end = words + tap_count(conv) * width.pairs;
  const int32_t pixels = 2 * width.pairs;
  int8_t* pixel = output + (static_cast<size_t>(y) * static_cast<size_t>(g.out_w) + static_cast<size_t>(x)) *
                               static_cast<size_t>(g.out_c);
  const uint8_t* lengths = static_cast<const uint8_t*>(conv.packed);
  const int32_t blocked = blocked_channels<int8_t>(g, conv.layout);
  for (int32_t channel = 0; channel < g.out_c;) {
    const Tile tile = tile_at(conv, channel);
    int32_t sums[kTileChannels * 2 * kMostPairs];
    for (int32_t i = 0; i < tile.channels; ++i) {
      const int32_t bias = conv.bias == nullptr ? 0 : conv.bias[channel + i];
      for (int32_t p = 0; p < pixels; ++p) sums[i * pixels + p] = bias;
    }
    const Multiply multiply = tile.channels == 1  ? width.single
                              : channel < blocked ? width.blocked
                                                  : width.plain;
    lengths = multiply(sums, words, end, tile, lengths);
    for (int32_t i = 0; i < tile.channels; ++i) finish(conv, sums + i * pixels, count, channel + i, pixel);
    channel += tile.channels;
  }
}

}  // namespace

size_t conv8_packed_bytes(const Conv8& conv) {
  if (conv.weights != nullptr) return cut_groups(conv, nullptr);
  // Weights that come later: the worst they can be is one tap a group.
  size_t tiles = 0;
  for (int32_t channel = 0; channel < conv.geometry.out_c; ++tiles) channel += tile_channels(conv, channel);
  return tiles * taps_per_channel(conv.geometry);
}

void conv8_pack(const Conv8& conv, void* packed) {
  cut_groups(conv, static_cast<uint8_t*>(packed));
}

size_t conv8_scratch_bytes(const Conv8& conv) {
  return taps_per_channel(conv.geometry) * kMostPairs * sizeof(int32_t);
}

void conv8_run(const Conv8& conv, const int8_t* input, int8_t* output, int32_t row_begin, int32_t row_end,
               void* scratch) {
  int32_t* words = static_cast<int32_t*>(scratch);
  const ConvGeometry& g = conv.geometry;
  const bool large_tiles = blocked_channels<int8_t>(g, conv.layout) > 0;
  for (int32_t y = row_begin; y < row_end; ++y) {
    for (int32_t x = 0; x < g.out_w;) {
      const int32_t left = g.out_w - x;
      // A large tile may run past the row's end by two pixels: cheaper than three narrow ones.
      const Width& width = kWidths[left >= 6 && large_tiles ? 0 : 1];
      const int32_t count = left < 2 * width.pairs ? left : 2 * width.pairs;
      compute_pixels(conv, width, input, output, y, x, count, words);
      x += count;
    }
  }
}

}  // namespace shrike::pairs
