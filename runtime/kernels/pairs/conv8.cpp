// 8-bit convolution of group 1 with two products in one 32-bit multiplication.
//
// A word holds two pixels of one input channel, P = x1 * 2^16 + x0, so P * w = (x1 * w) * 2^16 + x0 * w. Over
// a group of taps the words' products add up to A = S1 * 2^16 + S0 with S0 = sum x0 * w and S1 = sum x1 * w.
// Groups are cut, once at load, so that the weights of every channel of a tile satisfy sum |w| <= 255. Inputs
// lie in [-128, 127], hence |S0| and |S1| are at most 128 * 255 = 32640 < 2^15, no partial sum leaves 32
// bits, and S1 comes back without error: it is (A + 2^15) >> 16, because 0 <= S0 + 2^15 < 2^16. Trained
// filters give groups of ten to twenty taps.
//
// Of every group only S1 is worked out. `high` adds up the S1, `total` the A modulo 2^32, and in the end the
// sum of the S0 is total - high * 2^16, since it fits 32 bits.
//
// The pixels of a tile, neighbours in the order in which the output is stored, are gathered into words first
// (zeros where the window leaves the input), so that the inner loop is the same for every geometry and its
// loads serve all output channels.
#include <string.h>

#include "kernels/pairs/finish.h"
#include "kernels/pairs/pairs.h"
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

// Up to eight output pixels: where their windows begin in the input.
struct Pixels {
  int32_t count;
  int32_t top[2 * kMostPairs], left[2 * kMostPairs];
};

// The output pixel in row y, column x and the `count` - 1 after it; moves y and x behind them.
Pixels pixels_from(const ConvGeometry& g, int32_t& y, int32_t& x, int32_t count) {
  Pixels pixels;
  pixels.count = count;
  for (int32_t p = 0; p < count; ++p) {
    pixels.top[p] = y * g.stride_h - g.pad_top;
    pixels.left[p] = x * g.stride_w - g.pad_left;
    if (++x == g.out_w) {
      x = 0;
      ++y;
    }
  }
  return pixels;
}

// Words of two pixels, `kPairs` apart.
template <int kPairs>
void gather_pair(int32_t* words, const int8_t* low, const int8_t* high, int32_t channels) {
  for (; channels >= 4; channels -= 4) {
#pragma GCC unroll 4
    for (int c = 0; c < 4; ++c) words[c * kPairs] = high[c] * 65536 + low[c];
    words += 4 * kPairs;
    low += 4;
    high += 4;
  }
  for (; channels > 0; --channels) {
    *words = *high++ * 65536 + *low++;
    words += kPairs;
  }
}

// Words of 2 * kPairs pixels, [taps][pairs]; `zeros`, in_c of them, stand for pixels that are not there.
template <int kPairs>
void gather(const ConvGeometry& g, const int8_t* input, const Pixels& pixels, const int8_t* zeros,
            int32_t* words) {
  const size_t channels = static_cast<size_t>(g.in_c);
  for (int32_t ky = 0; ky < g.kernel_h; ++ky) {
    for (int32_t kx = 0; kx < g.kernel_w; ++kx, words += channels * kPairs) {
      const int8_t* sources[2 * kPairs];
      for (int32_t p = 0; p < 2 * kPairs; ++p) {
        sources[p] = zeros;
        if (p >= pixels.count) continue;
        const int32_t y = pixels.top[p] + ky * g.dilation_h, x = pixels.left[p] + kx * g.dilation_w;
        if (y < 0 || y >= g.in_h || x < 0 || x >= g.in_w) continue;
        sources[p] = input + (static_cast<size_t>(y) * static_cast<size_t>(g.in_w) + static_cast<size_t>(x)) *
                                 channels;
      }
      for (int32_t p = 0; p < kPairs; ++p)
        gather_pair<kPairs>(words + p, sources[2 * p], sources[2 * p + 1], g.in_c);
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

// Of one channel and two pixels.
struct PairSum {
  uint32_t total;
  int32_t high;
};

// Adds all groups of a tile to its sums, [channels][pairs]. A function of its own, so that the products have
// the registers to themselves. Returns where the lengths of the next tile are.
template <int kPairs, int kChannels, bool kBlocked>
__attribute__((noinline)) const uint8_t* multiply(PairSum* sums, const int32_t* words, const int32_t* end,
                                                  const Tile& tile, const uint8_t* lengths) {
  Cursor<kBlocked> weights{tile.weights, tile.channel_stride, tile.tap_stride};
  int32_t products[kPairs][kChannels];
  do {
    const int32_t taps = *lengths++;
    const int32_t* const group_end = words + taps * kPairs;
    multiply_tap<kPairs, kChannels, true>(products, words, weights, 0);
    weights.advance(1);
    words += kPairs;
    if (taps % 2 == 0) {
      multiply_tap<kPairs, kChannels, false>(products, words, weights, 0);
      weights.advance(1);
      words += kPairs;
    }
    while (words != group_end) {
      multiply_tap<kPairs, kChannels, false>(products, words, weights, 0);
      multiply_tap<kPairs, kChannels, false>(products, words, weights, 1);
      weights.advance(2);
      words += 2 * kPairs;
    }
#pragma GCC unroll 4
    for (int p = 0; p < kPairs; ++p) {
#pragma GCC unroll 4
      for (int i = 0; i < kChannels; ++i) {
        PairSum& sum = sums[i * kPairs + p];
        sum.total += static_cast<uint32_t>(products[p][i]);
        sum.high += (products[p][i] + 0x8000) >> 16;
      }
    }
    // The sums stay where they are: the compiler would keep copies of them on the stack.
    __asm__("" : : : "memory");
  } while (words < end);
  return lengths;
}

// A tile's pixels, and its inner loops: blocked storage has one of its own where most of the work is; plain
// storage needs more registers for its addresses and takes no tile of four channels by four pairs.
struct Width {
  int32_t pairs;
  void (*gather)(const ConvGeometry& g, const int8_t* input, const Pixels& pixels, const int8_t* zeros,
                 int32_t* words);
  const uint8_t* (*blocked)(PairSum* sums, const int32_t* words, const int32_t* end, const Tile& tile,
                            const uint8_t* lengths);
  decltype(blocked) plain, single;
};
constexpr Width kWidths[] = {
    {4, gather<4>, multiply<4, 4, true>, nullptr, multiply<4, 1, false>},
    {1, gather<1>, multiply<1, 4, false>, multiply<1, 4, false>, multiply<1, 1, false>},
};

void store(const Finish& finish, const PairSum* sums, int32_t count, size_t stride, int8_t* output) {
  for (; count > 0; count -= 2, ++sums) {
    const uint32_t high = static_cast<uint32_t>(sums->high);
    *output = finish(static_cast<int32_t>(sums->total - (high << 16)));
    if (count == 1) return;
    output[stride] = finish(sums->high);
    output += 2 * stride;
  }
}

// Every channel of `count` neighbouring pixels.
void compute_pixels(const Conv8& conv, const Width& width, const int32_t* words, int32_t count,
                    int8_t* output) {
  const ConvGeometry& g = conv.geometry;
  const int32_t* end = words + tap_count(conv) * width.pairs;
  const uint8_t* lengths = static_cast<const uint8_t*>(conv.packed);
  const int32_t blocked = blocked_channels<int8_t>(g, conv.layout);
  for (int32_t channel = 0; channel < g.out_c;) {
    const Tile tile = tile_at(conv, channel);
    PairSum sums[kTileChannels * kMostPairs];
    PairSum* sum = sums;
    for (int32_t i = 0; i < tile.channels; ++i) {
      const int32_t start = start_of(conv, Finish(conv, channel + i), channel + i);
      for (int32_t p = 0; p < width.pairs; ++p) *sum++ = {static_cast<uint32_t>(start) * 65537, start};
    }
    const auto multiply = tile.channels == 1 ? width.single : channel < blocked ? width.blocked : width.plain;
    lengths = multiply(sums, words, end, tile, lengths);
    for (int32_t i = 0; i < tile.channels; ++i, ++channel) {
      store(Finish(conv, channel), sums + i * width.pairs, count, static_cast<size_t>(g.out_c),
            output + channel);
    }
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

// The gathered words, and zeros.
size_t conv8_scratch_bytes(const Conv8& conv) {
  return taps_per_channel(conv.geometry) * kMostPairs * sizeof(int32_t) +
         static_cast<size_t>(conv.geometry.in_c);
}

void conv8_run(const Conv8& conv, const int8_t* input, int8_t* output, int32_t row_begin, int32_t row_end,
               void* scratch) {
  const ConvGeometry& g = conv.geometry;
  int32_t* words = static_cast<int32_t*>(scratch);
  int8_t* zeros = reinterpret_cast<int8_t*>(words + taps_per_channel(g) * kMostPairs);
  memset(zeros, 0, static_cast<size_t>(g.in_c));
  const bool large_tiles = blocked_channels<int8_t>(g, conv.layout) > 0;
  int32_t y = row_begin, x = 0;
  output += static_cast<size_t>(row_begin) * static_cast<size_t>(g.out_w) * static_cast<size_t>(g.out_c);
  for (int32_t left = (row_end - row_begin) * g.out_w; left > 0;) {
    // A large tile may run past the end by two pixels: cheaper than three narrow ones.
    const Width& width = kWidths[left >= 6 && large_tiles ? 0 : 1];
    const int32_t count = left < 2 * width.pairs ? left : 2 * width.pairs;
    width.gather(g, input, pixels_from(g, y, x, count), zeros, words);
    compute_pixels(conv, width, words, count, output);
    output += static_cast<size_t>(count) * static_cast<size_t>(g.out_c);
    left -= count;
  }
}

}  // namespace shrike::pairs
