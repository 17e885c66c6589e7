// Convolution of group 1 with at most sixteen output channels, for vpdpbusd. With channels in the lanes, as
// blocked_conv.h has them, such a convolution needs a broadcast of inputs for every multiply-add, and with
// eight channels half of the lanes are idle. Here the lanes are sixteen neighbouring output pixels: a vector
// of inputs meets eight channels, a broadcast weight up to three vectors.
//
// The four bytes of a lane are a group of four input channels of one pixel. Input rows are taken apart into
// planes for that: plane `phase * J + j` holds group j (of J) of input pixels phase, phase + stride_w, ...,
// so that a tap finds the inputs of neighbouring output pixels side by side. Inputs are stored plus 128, as
// packed_conv.h explains.
#pragma once
#include <immintrin.h>
#include <string.h>

#include "kernels/requantize_lanes.h"
#include "kernels/row_ring.h"
#include "kernels/weight_layout.h"
#include "kernels/x86/packed_conv.h"
#include "kernels/x86/repeat.h"
#include "kernels/x86_avx512vnni/vectors512.h"

namespace shrike {
namespace {

constexpr int32_t kLanePixels = 16;
constexpr int32_t kPassChannels = 8;  // output channels that are summed side by side
constexpr int32_t kMostThin = 2 * kPassChannels;

// Numbers that follow from the geometry.
struct ThinLayout {
  int32_t pixel_groups, planes, passes;
  int32_t row_taps, taps;  // groups of one kernel row, of the kernel
  size_t plane_length;     // pixels
  size_t capacity;         // input rows in the ring

  explicit ThinLayout(const ConvGeometry& g) {
    pixel_groups = (g.in_c + kGroup - 1) / kGroup;
    planes = g.stride_w * pixel_groups;
    passes = (g.out_c + kPassChannels - 1) / kPassChannels;
    row_taps = g.kernel_w * pixel_groups;
    taps = g.kernel_h * row_taps;
    const size_t reach = static_cast<size_t>(g.kernel_w - 1) * static_cast<size_t>(g.dilation_w) /
                         static_cast<size_t>(g.stride_w);
    plane_length = round_up(round_up(static_cast<size_t>(g.out_w), kLanePixels) + reach, kLanePixels);
    capacity = RingSize(g, 1, 0, 1).capacity;
  }
  size_t row_bytes() const { return static_cast<size_t>(planes) * plane_length * kGroup; }
  size_t channels() const { return static_cast<size_t>(passes * kPassChannels); }
  size_t weight_bytes() const { return static_cast<size_t>(taps) * channels() * kGroup; }
  size_t packed_bytes() const {
    return kCacheLine + round_up((3 * channels() + 1) * sizeof(int32_t), kCacheLine) + weight_bytes();
  }
};

struct PackedThin {
  int32_t *bias, *shift, *low;  // [channels]
  int32_t* one_by_one;          // as in PackedConv
  int8_t* weights;              // [passes][taps][kPassChannels][kGroup]

  PackedThin(const ThinLayout& layout, void* memory) {
    bias = align_line<int32_t>(memory);
    shift = bias + layout.channels();
    low = shift + layout.channels();
    one_by_one = low + layout.channels();
    weights = align_line<int8_t>(one_by_one + 1);
  }
};

// One input row as planes.
class ThinRow {
 public:
  ThinRow(const ConvGeometry& g, const ThinLayout& layout) : g_(g), layout_(layout) {}

  // `flat`: scratch of a row's size. Both have a cache line of slack.
  void convert(const int8_t* input, uint8_t* flat, uint8_t* planes) const {
    uint8_t* pixels = layout_.planes == 1 ? planes : flat;
    gather_pixels(input, pixels);
    if (layout_.planes == 1) return;
    if (layout_.planes == 2) {
      split_in_two(pixels, planes);
    } else if (layout_.planes % 4 == 0) {
      split_in_fours(pixels, planes);
    } else {
      split_one_by_one(pixels, planes);
    }
  }

 private:
  // The padded row, groups of a pixel side by side.
  void gather_pixels(const int8_t* input, uint8_t* pixels) const {
    const size_t step = static_cast<size_t>(layout_.pixel_groups * kGroup);
    const size_t all = layout_.plane_length * static_cast<size_t>(g_.stride_w);
    const size_t pad = static_cast<size_t>(g_.pad_left), in_w = static_cast<size_t>(g_.in_w);
    const size_t left = pad < all ? pad : all;
    const size_t inside = all - left < in_w ? all - left : in_w;
    memset(pixels, kInputOffset, left * step);
    uint8_t* next = pixels + left * step;
    const size_t channels = static_cast<size_t>(g_.in_c);
    if (channels == step) {
      flip_signs_512(input, next, inside * step);
    } else {
      spread(input, next, inside);
    }
    memset(next + inside * step, kInputOffset, (all - left - inside) * step);
  }

  // Three channels a pixel become four; what the fourth holds meets weights of 0.
  static void spread(const int8_t* input, uint8_t* output, size_t pixels) {
    const __m512i quarters = _mm512_setr_epi32(0, 1, 2, 2, 3, 4, 5, 5, 6, 7, 8, 8, 9, 10, 11, 11);
    const __m512i bytes = _mm512_maskz_broadcast_i32x4(
        kAll, _mm_setr_epi8(0, 1, 2, -1, 3, 4, 5, -1, 6, 7, 8, -1, 9, 10, 11, -1));
    for (size_t i = 0; i < pixels; i += kLanePixels) {
      const size_t count = pixels - i < kLanePixels ? pixels - i : kLanePixels;
      const __m512i row = Bytes64::load_part(input + 3 * i, 3 * count);
      const __m512i apart = _mm512_shuffle_epi8(_mm512_maskz_permutexvar_epi32(kAll, quarters, row), bytes);
      Bytes64::store(output + kGroup * i, Bytes64::flip(apart));
    }
  }

  size_t plane_bytes() const { return layout_.plane_length * kGroup; }

  void split_in_two(const uint8_t* pixels, uint8_t* planes) const {
    const __m512i even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    const __m512i odd = _mm512_add_epi32(even, _mm512_set1_epi32(1));
    for (size_t i = 0; i < plane_bytes(); i += 64) {
      const __m512i a = Bytes64::load(pixels + 2 * i), b = Bytes64::load(pixels + 2 * i + 64);
      Bytes64::store(planes + i, _mm512_permutex2var_epi32(a, even, b));
      Bytes64::store(planes + plane_bytes() + i, _mm512_permutex2var_epi32(a, odd, b));
    }
  }

  // Four planes of sixteen pixels at a time: quarter i of a vector holds one of pixels 4 i to 4 i + 3.
  void split_in_fours(const uint8_t* pixels, uint8_t* planes) const {
    const size_t step = static_cast<size_t>(layout_.planes * kGroup);
    for (size_t plane = 0; plane < static_cast<size_t>(layout_.planes); plane += 4) {
      const uint8_t* source = pixels + plane * kGroup;
      uint8_t* target = planes + plane * plane_bytes();
      for (size_t i = 0; i < plane_bytes(); i += 64, source += kLanePixels * step, target += 64) {
        __m512i pixel[4];
        repeat<4>([&](auto p) SHRIKE_INLINE { pixel[p] = quarters_of(source + p * step, 4 * step); });
        const __m512i low_01 = _mm512_maskz_unpacklo_epi32(kAll, pixel[0], pixel[1]);
        const __m512i low_23 = _mm512_maskz_unpacklo_epi32(kAll, pixel[2], pixel[3]);
        const __m512i high_01 = _mm512_maskz_unpackhi_epi32(kAll, pixel[0], pixel[1]);
        const __m512i high_23 = _mm512_maskz_unpackhi_epi32(kAll, pixel[2], pixel[3]);
        Bytes64::store(target, _mm512_maskz_unpacklo_epi64(kAll8, low_01, low_23));
        Bytes64::store(target + plane_bytes(), _mm512_maskz_unpackhi_epi64(kAll8, low_01, low_23));
        Bytes64::store(target + 2 * plane_bytes(), _mm512_maskz_unpacklo_epi64(kAll8, high_01, high_23));
        Bytes64::store(target + 3 * plane_bytes(), _mm512_maskz_unpackhi_epi64(kAll8, high_01, high_23));
      }
    }
  }

  static __m512i quarters_of(const uint8_t* source, size_t step) {
    const auto quarter = [&](size_t i) {
      return _mm_loadu_si128(reinterpret_cast<const __m128i*>(source + i * step));
    };
    const __m512i first = _mm512_maskz_inserti32x4(kAll, _mm512_setzero_si512(), quarter(0), 0);
    const __m512i second = _mm512_maskz_inserti32x4(kAll, first, quarter(1), 1);
    const __m512i third = _mm512_maskz_inserti32x4(kAll, second, quarter(2), 2);
    return _mm512_maskz_inserti32x4(kAll, third, quarter(3), 3);
  }

  void split_one_by_one(const uint8_t* pixels, uint8_t* planes) const {
    for (size_t i = 0; i < plane_bytes(); i += kGroup) {
      for (size_t plane = 0; plane < static_cast<size_t>(layout_.planes); ++plane, pixels += kGroup) {
        memcpy(planes + plane * plane_bytes() + i, pixels, kGroup);
      }
    }
  }

  const ConvGeometry& g_;
  const ThinLayout& layout_;
};

// One output row.
struct ThinTask {
  const uint8_t* const* rows;  // [kernel_h], planes of the input rows
  const int32_t* offsets;      // [row_taps], bytes from a row's planes to the tap's first input
  int8_t* output;              // its first pixel
};

template <int kPasses>
class ThinTiles {
  // The results of sixteen pixels and one pass; quarter i of the first vector holds pixels 4 i and 4 i + 1,
  // of the second 4 i + 2 and 4 i + 3.
  struct Results {
    __m512i first, second;
  };

 public:
  ThinTiles(const Conv8& conv, const ThinLayout& layout, const PackedThin& packed)
      : conv_(conv), layout_(layout), packed_(packed) {}

  void run(const ThinTask& task) const {
    constexpr int32_t kMostVectors = 3;
    const int32_t vectors = (conv_.geometry.out_w + kLanePixels - 1) / kLanePixels;
    const int32_t tiles = (vectors + kMostVectors - 1) / kMostVectors;
    for (int32_t i = 0, done = 0; i < tiles; ++i) {
      const int32_t count = (vectors - done) / (tiles - i);
      if (count == 3) {
        run_tile<3>(task, done * kLanePixels);
      } else if (count == 2) {
        run_tile<2>(task, done * kLanePixels);
      } else {
        run_tile<1>(task, done * kLanePixels);
      }
      done += count;
    }
  }

 private:
  template <int kVectors>
  void run_tile(const ThinTask& task, int32_t pixel) const {
    Results results[kPasses][kVectors];
    for (int32_t pass = 0; pass < kPasses; ++pass) run_pass<kVectors>(task, pixel, pass, results[pass]);
    if (*packed_.one_by_one != 0) return;
    repeat<kVectors>([&](auto v) SHRIKE_INLINE {
      Results of_passes[kPasses];
      repeat<kPasses>([&](auto pass) SHRIKE_INLINE { of_passes[pass] = results[pass][v]; });
      store(task, pixel + v * kLanePixels, of_passes);
    });
  }

  template <int kVectors>
  [[gnu::noinline]] void run_pass(const ThinTask& task, int32_t pixel, int32_t pass, Results* results) const {
    const int32_t first = pass * kPassChannels;
    __m512i sums[kPassChannels][kVectors];
    repeat<kPassChannels>([&](auto c) SHRIKE_INLINE {
      const __m512i bias = _mm512_set1_epi32(packed_.bias[first + c]);
      repeat<kVectors>([&](auto v) SHRIKE_INLINE { sums[c][v] = bias; });
    });
    const int8_t* weights =
        packed_.weights + static_cast<size_t>(pass) * static_cast<size_t>(layout_.taps) * kTapBytes;
    for (int32_t ky = 0; ky < conv_.geometry.kernel_h; ++ky) {
      const uint8_t* row = task.rows[ky] + static_cast<size_t>(pixel) * kGroup;
      for (int32_t tap = 0; tap < layout_.row_taps; ++tap, weights += kTapBytes) {
        const uint8_t* inputs = row + task.offsets[tap];
        __m512i x[kVectors];
        repeat<kVectors>([&](auto v) SHRIKE_INLINE { x[v] = Bytes64::load(inputs + v * 64); });
        repeat<kPassChannels>([&](auto c) SHRIKE_INLINE {
          int32_t group;
          memcpy(&group, weights + c * kGroup, sizeof group);
          const __m512i weight = _mm512_set1_epi32(group);
          repeat<kVectors>([&](auto v)
                               SHRIKE_INLINE { sums[c][v] = _mm512_dpbusd_epi32(sums[c][v], x[v], weight); });
        });
      }
    }
    if (*packed_.one_by_one != 0) {
      int32_t values[kPassChannels][kVectors * kLanePixels];
      repeat<kPassChannels>([&](auto c) SHRIKE_INLINE {
        repeat<kVectors>([&](auto v)
                             SHRIKE_INLINE { Bytes64::store(&values[c][v * kLanePixels], sums[c][v]); });
      });
      return store_one_by_one(task, pixel, first, &values[0][0], kVectors * kLanePixels);
    }
    // Bytes of four pixels of one channel each, to bytes of four channels of one pixel each.
    const __m512i order = _mm512_maskz_broadcast_i32x4(
        kAll, _mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15));
    const __m512i floor = _mm512_set1_epi8(conv_.relu ? 0 : -128);
    repeat<kVectors>([&](auto v) SHRIKE_INLINE {
      const auto units = [&](auto c) SHRIKE_INLINE {
        return requantize_lanes(sums[c][v], _mm512_set1_epi32(packed_.shift[first + c]),
                                _mm512_set1_epi32(packed_.low[first + c]));
      };
      const auto four_channels = [&](auto c) SHRIKE_INLINE {
        constexpr int kFirst = c;
        const __m512i front = _mm512_packs_epi32(units(Number<kFirst>()), units(Number<kFirst + 1>()));
        const __m512i back = _mm512_packs_epi32(units(Number<kFirst + 2>()), units(Number<kFirst + 3>()));
        return _mm512_shuffle_epi8(_mm512_max_epi8(_mm512_packs_epi16(front, back), floor), order);
      };
      const __m512i a = four_channels(Number<0>()), b = four_channels(Number<4>());
      results[v] = {_mm512_maskz_unpacklo_epi32(kAll, a, b), _mm512_maskz_unpackhi_epi32(kAll, a, b)};
    });
  }

  [[gnu::always_inline]] void store(const ThinTask& task, int32_t pixel,
                                    const Results (&results)[kPasses]) const {
    constexpr int32_t kStored = kPasses * kPassChannels;
    const ConvGeometry& g = conv_.geometry;
    int8_t* output = task.output + static_cast<size_t>(pixel) * static_cast<size_t>(g.out_c);
    const int32_t left = g.out_w - pixel;
    if (left >= kLanePixels && g.out_c == kStored) return put_in_order(results, output);
    int8_t all[kLanePixels * kStored + 16];
    put_in_order(results, all);
    const int32_t count = left < kLanePixels ? left : kLanePixels;
    const __mmask16 channels = static_cast<__mmask16>((uint32_t{1} << g.out_c) - 1);
    for (int32_t p = 0; p < count; ++p) {
      const __m128i values = _mm_loadu_si128(reinterpret_cast<const __m128i*>(all + p * kStored));
      _mm_mask_storeu_epi8(output + p * g.out_c, channels, values);
    }
  }

  // Two quarters of `a`, then the same of `b`.
  template <int kOne, int kOther>
  [[gnu::always_inline]] static __m512i quarters(__m512i a, __m512i b) {
    const __m512i order = _mm512_setr_epi64(2 * kOne, 2 * kOne + 1, 2 * kOther, 2 * kOther + 1, 2 * kOne + 8,
                                            2 * kOne + 9, 2 * kOther + 8, 2 * kOther + 9);
    return _mm512_permutex2var_epi64(a, order, b);
  }

  // Sixteen pixels of kPasses * kPassChannels bytes each.
  [[gnu::always_inline]] static void put_in_order(const Results (&results)[kPasses], int8_t* output) {
    if constexpr (kPasses == 1) {
      const __m512i front = _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11);
      const __m512i back = _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15);
      Bytes64::store(output, _mm512_permutex2var_epi64(results[0].first, front, results[0].second));
      Bytes64::store(output + 64, _mm512_permutex2var_epi64(results[0].first, back, results[0].second));
    } else {
      // Quarter i of pixel[p] is pixel 4 i + p.
      const __m512i pixel[4] = {_mm512_maskz_unpacklo_epi64(kAll8, results[0].first, results[1].first),
                                _mm512_maskz_unpackhi_epi64(kAll8, results[0].first, results[1].first),
                                _mm512_maskz_unpacklo_epi64(kAll8, results[0].second, results[1].second),
                                _mm512_maskz_unpackhi_epi64(kAll8, results[0].second, results[1].second)};
      const __m512i front_01 = quarters<0, 1>(pixel[0], pixel[1]);
      const __m512i front_23 = quarters<0, 1>(pixel[2], pixel[3]);
      const __m512i back_01 = quarters<2, 3>(pixel[0], pixel[1]);
      const __m512i back_23 = quarters<2, 3>(pixel[2], pixel[3]);
      Bytes64::store(output, quarters<0, 2>(front_01, front_23));
      Bytes64::store(output + 64, quarters<1, 3>(front_01, front_23));
      Bytes64::store(output + 128, quarters<0, 2>(back_01, back_23));
      Bytes64::store(output + 192, quarters<1, 3>(back_01, back_23));
    }
  }

  // `sums`: [kPassChannels][stride], the packed bias already added.
  void store_one_by_one(const ThinTask& task, int32_t pixel, int32_t first, const int32_t* sums,
                        int32_t stride) const {
    const ConvGeometry& g = conv_.geometry;
    for (int32_t c = 0; c < kPassChannels && first + c < g.out_c; ++c) {
      for (int32_t p = 0; p < stride && pixel + p < g.out_w; ++p) {
        task.output[(pixel + p) * g.out_c + first + c] =
            requantize_one(conv_, first + c, sums[c * stride + p]);
      }
    }
  }

  static constexpr size_t kTapBytes = kPassChannels * kGroup;

  const Conv8& conv_;
  const ThinLayout& layout_;
  const PackedThin& packed_;
};

class ThinConv {
 public:
  // Whether these kernels take the geometry. Pixels of a pointwise convolution come as one row of any length,
  // and are left to the blocked kernels, as short rows are.
  static bool takes(const ConvGeometry& g) {
    constexpr size_t kMostRingBytes = 256 << 10;  // second-level cache
    if (g.depthwise || g.out_c > kMostThin || g.pad_top < 0 || g.pad_left < 0 || is_pointwise(g))
      return false;
    if (g.out_w < kLanePixels || (g.in_c % kGroup != 0 && g.in_c != 3)) return false;
    if (static_cast<int64_t>(g.kernel_h) * g.kernel_w * g.in_c >= 1 << 17) return false;
    const ThinLayout layout(g);
    return layout.capacity * layout.row_bytes() <= kMostRingBytes;
  }

  static size_t packed_bytes(const Conv8& conv) { return ThinLayout(conv.geometry).packed_bytes(); }

  static void pack(const Conv8& conv, void* memory) {
    const ThinLayout layout(conv.geometry);
    const PackedThin packed(layout, memory);
    memset(packed.bias, 0, (3 * layout.channels() + 1) * sizeof(int32_t));
    memset(packed.weights, 0, layout.weight_bytes());
    int32_t halves[kMostThin] = {};
    for (int32_t n = 0; n < conv.geometry.out_c; ++n) {
      if (!pack_channel(conv, layout, packed, n, &halves[n])) *packed.one_by_one = 1;
    }
    for (int32_t n = 0; n < conv.geometry.out_c && *packed.one_by_one == 0; ++n)
      add_bias(conv, n, halves[n], &packed.bias[n]);
  }

  static size_t scratch_bytes(const Conv8& conv) {
    const ThinLayout layout(conv.geometry);
    const size_t rows = layout.capacity + 2;  // one of padding, one on its way to planes
    return 2 * kCacheLine + rows * (layout.row_bytes() + kCacheLine) +
           static_cast<size_t>(conv.geometry.kernel_h) * sizeof(uint8_t*) +
           static_cast<size_t>(layout.row_taps) * sizeof(int32_t);
  }

  static void run(const Conv8& conv, const int8_t* input, int8_t* output, int32_t row_begin, int32_t row_end,
                  void* scratch) {
    const ThinLayout layout(conv.geometry);
    const PackedThin packed(layout, conv.packed);
    if (layout.passes == 1) {
      run_rows(conv, layout, ThinTiles<1>(conv, layout, packed), input, output, row_begin, row_end, scratch);
    } else {
      run_rows(conv, layout, ThinTiles<2>(conv, layout, packed), input, output, row_begin, row_end, scratch);
    }
  }

 private:
  // False when the channel does not fit the lanes.
  static bool pack_channel(const Conv8& conv, const ThinLayout& layout, const PackedThin& packed, int32_t n,
                           int32_t* half) {
    const ConvGeometry& g = conv.geometry;
    const ChannelTaps at = channel_taps<int8_t>(g, conv.layout, n);
    const int8_t* weight = conv.weights + at.offset;
    int8_t* lane =
        packed.weights + (n / kPassChannels * layout.taps * kPassChannels + n % kPassChannels) * kGroup;
    WeightSums sums{0, 0};
    for (int32_t tap = 0; tap < g.kernel_h * g.kernel_w; ++tap) {
      for (int32_t c = 0; c < g.in_c; ++c, weight += at.stride) {
        const int32_t group = tap * layout.pixel_groups + c / kGroup;
        lane[group * kPassChannels * kGroup + c % kGroup] = *weight;
        sums.add(*weight);
      }
    }
    return pack_lane(conv, n, sums, packed, static_cast<size_t>(n), half);
  }

  template <class Tiles>
  static void run_rows(const Conv8& conv, const ThinLayout& layout, const Tiles& tiles, const int8_t* input,
                       int8_t* output, int32_t row_begin, int32_t row_end, void* scratch) {
    const ConvGeometry& g = conv.geometry;
    const ThinRow converter(g, layout);
    const size_t row_bytes = layout.row_bytes() + kCacheLine;
    uint8_t* memory = align_line<uint8_t>(scratch);
    InputRing<uint8_t> ring(g.in_h, layout.capacity, row_bytes, memory);
    uint8_t* flat = memory + ring.elements();
    const uint8_t** rows = reinterpret_cast<const uint8_t**>(flat + row_bytes);
    int32_t* offsets = reinterpret_cast<int32_t*>(rows + g.kernel_h);
    memset(ring.padding(), kInputOffset, row_bytes);
    for (int32_t tap = 0; tap < layout.row_taps; ++tap) {
      const int32_t x = tap / layout.pixel_groups * g.dilation_w;
      const int32_t plane = x % g.stride_w * layout.pixel_groups + tap % layout.pixel_groups;
      offsets[tap] = (plane * static_cast<int32_t>(layout.plane_length) + x / g.stride_w) * kGroup;
    }
    const size_t in_row = static_cast<size_t>(g.in_w) * static_cast<size_t>(g.in_c);
    const size_t out_row = static_cast<size_t>(g.out_w) * static_cast<size_t>(g.out_c);
    for (int32_t y = row_begin; y < row_end; ++y) {
      const int64_t top = static_cast<int64_t>(y) * g.stride_h - g.pad_top;
      ring.advance(top, top + static_cast<int64_t>(g.kernel_h - 1) * g.dilation_h,
                   [&](int64_t row, uint8_t* planes) {
                     converter.convert(input + static_cast<size_t>(row) * in_row, flat, planes);
                   });
      for (int32_t ky = 0; ky < g.kernel_h; ++ky)
        rows[ky] = ring.row(top + static_cast<int64_t>(ky) * g.dilation_h);
      tiles.run({rows, offsets, output + static_cast<size_t>(y) * out_row});
    }
  }
};

}  // namespace
}  // namespace shrike
