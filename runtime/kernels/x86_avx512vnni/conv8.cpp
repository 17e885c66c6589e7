// 8-bit convolution with vpdpbusd, tiles of up to 6 pixels x 64 channels: 24 accumulators, 4 vectors of
// weights and 1 broadcast group of inputs. Some machines load one such vector a clock and multiply two: a
// tile of 6 x 4 vectors loads ten for 24 multiply-adds, one of 12 x 2 would load fourteen. thin_conv.h has
// the convolutions to few channels.
#include "kernels/x86/blocked_conv.h"
#include "kernels/x86/repeat.h"
#include "kernels/x86_avx512vnni/avx512vnni.h"
#include "kernels/x86_avx512vnni/thin_conv.h"
#include "kernels/x86_avx512vnni/vectors512.h"

namespace shrike {
namespace {

struct Avx512Vnni {
  using Element = uint8_t;
  static constexpr uint8_t kZero = kInputOffset;
  static constexpr int32_t kLanes = 16, kVectors = 4;
  static constexpr bool kSaturatingPairs = false;
  static constexpr int32_t pixels(int32_t vectors) { return vectors == 4 ? 6 : vectors == 3 ? 8 : 12; }

  static void convert(const int8_t* input, uint8_t* output, size_t count) {
    flip_signs_512(input, output, count);
  }

  static void tile(const ConvTile& tile, int32_t pixels, int32_t vectors);
};

// What the results of a block share. Packing works within 128-bit quarters; `order` brings the four vectors
// behind one another again.
template <int kVectors>
struct Tail {
  __m512i shift[kVectors], low[kVectors], order, floor;

  explicit Tail(const ConvTile& tile) {
    repeat<kVectors>([&](auto v) SHRIKE_INLINE {
      shift[v] = _mm512_loadu_si512(tile.shift + v * 16);
      low[v] = _mm512_loadu_si512(tile.low + v * 16);
    });
    order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    floor = _mm512_set1_epi8(tile.floor);
  }

  // The bytes of four vectors of sums, vector i in channels of tile vector i % kVectors.
  [[gnu::always_inline]] __m512i bytes_of(__m512i a, __m512i b, __m512i c, __m512i d) const {
    const __m512i first = _mm512_packs_epi32(lanes_of<0>(a), lanes_of<1>(b));
    const __m512i second = _mm512_packs_epi32(lanes_of<2>(c), lanes_of<3>(d));
    const __m512i bytes = _mm512_max_epi8(_mm512_packs_epi16(first, second), floor);
    return _mm512_maskz_permutexvar_epi32(kAll, order, bytes);
  }

 private:
  template <int kIndex>
  [[gnu::always_inline]] __m512i lanes_of(__m512i sums) const {
    return requantize_lanes(sums, shift[kIndex % kVectors], low[kIndex % kVectors]);
  }
};

// `bytes`: the results of kCount pixels, kVectors * 16 channels each, of which the tile has fewer when
// partial.
template <int kVectors, int kCount>
[[gnu::always_inline]] inline void store_bytes(const ConvTile& tile, int8_t* output, __m512i bytes) {
  constexpr int32_t kChannels = 16 * kVectors;
  const bool partial = tile.channels != kChannels;
  if (kCount * kVectors == 4 && !partial && tile.output_stride == kChannels) {
    _mm512_storeu_si512(output, bytes);
    return;
  }
  const uint64_t mask = partial ? (uint64_t{1} << tile.channels) - 1 : ~uint64_t{0};
  repeat<kCount>([&](auto p) SHRIKE_INLINE {
    constexpr int kPart = p;
    int8_t* pixel = output + static_cast<size_t>(kPart) * tile.output_stride;
    if constexpr (kVectors > 2) {
      if (partial) {
        _mm512_mask_storeu_epi8(pixel, mask, bytes);
      } else if constexpr (kVectors == 4) {
        _mm512_storeu_si512(pixel, bytes);
      } else {
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(pixel),
                            _mm512_maskz_extracti64x4_epi64(kAll8, bytes, 0));
        _mm_storeu_si128(reinterpret_cast<__m128i*>(pixel + 32),
                         _mm512_maskz_extracti32x4_epi32(kAll8, bytes, 2));
      }
    } else if constexpr (kVectors == 2) {
      const __m256i part = _mm512_maskz_extracti64x4_epi64(kAll8, bytes, kPart);
      if (partial) {
        _mm256_mask_storeu_epi8(pixel, static_cast<__mmask32>(mask), part);
      } else {
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(pixel), part);
      }
    } else {
      const __m128i part = _mm512_maskz_extracti32x4_epi32(kAll8, bytes, kPart);
      if (partial) {
        _mm_mask_storeu_epi8(pixel, static_cast<__mmask16>(mask), part);
      } else {
        _mm_storeu_si128(reinterpret_cast<__m128i*>(pixel), part);
      }
    }
  });
}

template <int kPixels, int kVectors>
class Tile {
 public:
  static void run(const ConvTile& tile) {
    __m512i sums[kPixels][kVectors];
    each([&](auto p, auto v) SHRIKE_INLINE { sums[p][v] = _mm512_loadu_si512(tile.bias + v * 16); });
    const int8_t* weights = tile.weights;
    const size_t stride = tile.pixel_stride;
    for (int32_t run = 0; run < tile.run_count; ++run) {
      const uint8_t* input = tile.runs[run] + tile.offset;
      for (int32_t i = 0; i < tile.groups; ++i, input += kGroup, weights += kVectors * 64) {
        __m512i w[kVectors];
        repeat<kVectors>([&](auto v) SHRIKE_INLINE { w[v] = _mm512_loadu_si512(weights + v * 64); });
        repeat<kPixels>([&](auto p) SHRIKE_INLINE {
          int32_t group;
          memcpy(&group, input + static_cast<size_t>(p) * stride, sizeof group);
          const __m512i inputs = _mm512_set1_epi32(group);
          repeat<kVectors>([&](auto v)
                               SHRIKE_INLINE { sums[p][v] = _mm512_dpbusd_epi32(sums[p][v], inputs, w[v]); });
        });
      }
    }
    if (tile.one_by_one != nullptr) {
      int32_t values[kPixels][kVectors * 16];
      each([&](auto p, auto v) SHRIKE_INLINE { _mm512_storeu_si512(&values[p][v * 16], sums[p][v]); });
      return tile.store_one_by_one(&values[0][0], kPixels, kVectors * 16);
    }
    const Tail<kVectors> tail(tile);
    constexpr int kTogether = kVectors < 3 ? 4 / kVectors : 1;
    repeat<(kPixels + kTogether - 1) / kTogether>([&](auto step) SHRIKE_INLINE {
      constexpr int kFirst = step * kTogether;
      constexpr int kCount = kPixels - kFirst < kTogether ? kPixels - kFirst : kTogether;
      // Vector i of the four; past the last pixel any of them, their results are not stored.
      const auto sum = [&](auto i) SHRIKE_INLINE {
        constexpr int kPixel = kFirst + i / kVectors < kPixels ? kFirst + i / kVectors : kFirst;
        return sums[kPixel][i % kVectors];
      };
      const __m512i bytes =
          tail.bytes_of(sum(Number<0>()), sum(Number<1>()), sum(Number<2>()), sum(Number<3>()));
      store_bytes<kVectors, kCount>(tile, tile.output + kFirst * tile.output_stride, bytes);
    });
  }

 private:
  template <class Body>
  [[gnu::always_inline]] static void each(const Body& body) {
    repeat<kPixels>([&](auto p)
                        SHRIKE_INLINE { repeat<kVectors>([&](auto v) SHRIKE_INLINE { body(p, v); }); });
  }
};

template <int kVectors, int kPixels = Avx512Vnni::pixels(kVectors)>
void choose_tile(const ConvTile& tile, int32_t pixels) {
  if constexpr (kPixels > 1) {
    if (pixels < kPixels) return choose_tile<kVectors, kPixels - 1>(tile, pixels);
  }
  Tile<kPixels, kVectors>::run(tile);
}

void Avx512Vnni::tile(const ConvTile& tile, int32_t pixels, int32_t vectors) {
  switch (vectors) {
    case 1:
      return choose_tile<1>(tile, pixels);
    case 2:
      return choose_tile<2>(tile, pixels);
    case 3:
      return choose_tile<3>(tile, pixels);
    default:
      return choose_tile<4>(tile, pixels);
  }
}

}  // namespace

namespace avx512vnni {

size_t conv8_packed_bytes(const Conv8& conv) {
  return ThinConv::takes(conv.geometry) ? ThinConv::packed_bytes(conv)
                                        : BlockedConv<Avx512Vnni>::packed_bytes(conv);
}
void conv8_pack(const Conv8& conv, void* packed) {
  ThinConv::takes(conv.geometry) ? ThinConv::pack(conv, packed) : BlockedConv<Avx512Vnni>::pack(conv, packed);
}
size_t conv8_scratch_bytes(const Conv8& conv) {
  return ThinConv::takes(conv.geometry) ? ThinConv::scratch_bytes(conv)
                                        : BlockedConv<Avx512Vnni>::scratch_bytes(conv);
}
void conv8_run(const Conv8& conv, const int8_t* input, int8_t* output, int32_t row_begin, int32_t row_end,
               void* scratch) {
  ThinConv::takes(conv.geometry)
      ? ThinConv::run(conv, input, output, row_begin, row_end, scratch)
      : BlockedConv<Avx512Vnni>::run(conv, input, output, row_begin, row_end, scratch);
}

}  // namespace avx512vnni
}  // namespace shrike
