// 8-bit convolution, tiles of up to 6 pixels x 16 channels: 12 accumulators, 2 weight vectors and 1 broadcast
// pair of inputs fill the 16 registers.
#include "kernels/x86/blocked_conv.h"
#include "kernels/x86_avx2/avx2.h"
#include "kernels/x86_avx2/widen.h"

namespace shrike {
namespace {

struct Avx2 : WidenedRow {
  using Weight = int16_t;
  static constexpr int32_t kGroup = 2, kLanes = 8, kPixels = 6, kInputOffset = 0;

  static void tile(const ConvTile<Avx2>& tile, int32_t pixels, int32_t vectors);
  static void lookup(const int8_t* input, int8_t* output, size_t count, const int8_t* table) {
    avx2::lookup8(input, output, count, table);
  }
};

template <int kPixels, int kVectors>
void store_tile(const ConvTile<Avx2>& tile, __m256i (&sums)[kPixels][kVectors]) {
  if (tile.wide != nullptr) {
    int32_t wide[kPixels][kVectors * 8];
    for (int p = 0; p < kPixels; ++p) {
      for (int v = 0; v < kVectors; ++v) {
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(&wide[p][v * 8]), sums[p][v]);
      }
    }
    tile.store_wide(&wide[0][0], kPixels, kVectors * 8);
    return;
  }
  const __m128i floor = _mm_set1_epi8(tile.floor);
  for (int p = 0; p < kPixels; ++p) {
    __m256i values[2];
    for (int v = 0; v < kVectors; ++v) {
      values[v] = requantize_lanes(_mm256_add_epi32(sums[p][v], load256(tile.bias + v * 8)),
                                   load256(tile.shift + v * 8), load256(tile.addend + v * 8),
                                   load256(tile.odd + v * 8));
    }
    // Packing works within 128-bit halves; the permutation puts the channels back in order.
    const __m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32(values[0], values[kVectors - 1]),
                                                   _MM_SHUFFLE(3, 1, 2, 0));
    const __m128i bytes = _mm_max_epi8(
        _mm_packs_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1)), floor);
    int8_t* output = tile.output + static_cast<size_t>(p) * tile.output_stride;
    if (tile.channels == 16) {
      _mm_storeu_si128(reinterpret_cast<__m128i*>(output), bytes);
    } else if (tile.channels == 8) {
      _mm_storel_epi64(reinterpret_cast<__m128i*>(output), bytes);
    } else {
      int8_t all[16];
      _mm_storeu_si128(reinterpret_cast<__m128i*>(all), bytes);
      memcpy(output, all, static_cast<size_t>(tile.channels));
    }
  }
}

template <int kPixels, int kVectors>
void run_tile(const ConvTile<Avx2>& tile) {
  __m256i sums[kPixels][kVectors];
  for (int p = 0; p < kPixels; ++p) {
    for (int v = 0; v < kVectors; ++v) sums[p][v] = _mm256_setzero_si256();
  }
  const int16_t* weights = tile.weights;
  for (int32_t run = 0; run < tile.run_count; ++run) {
    const int16_t* inputs[kPixels];
    for (int p = 0; p < kPixels; ++p) {
      inputs[p] = tile.runs[run] + tile.offset + static_cast<size_t>(p) * tile.pixel_stride;
    }
    for (size_t i = 0; i < static_cast<size_t>(tile.groups); ++i) {
      __m256i w[kVectors];
      for (int v = 0; v < kVectors; ++v) w[v] = load256(weights + v * 16);
      weights += kVectors * 16;
      for (int p = 0; p < kPixels; ++p) {
        int32_t pair;
        memcpy(&pair, inputs[p] + 2 * i, sizeof pair);
        const __m256i input = _mm256_set1_epi32(pair);
        for (int v = 0; v < kVectors; ++v) {
          sums[p][v] = _mm256_add_epi32(sums[p][v], _mm256_madd_epi16(input, w[v]));
        }
      }
    }
  }
  store_tile(tile, sums);
}

template <int kVectors>
void choose_tile(const ConvTile<Avx2>& tile, int32_t pixels) {
  switch (pixels) {
    case 1:
      return run_tile<1, kVectors>(tile);
    case 2:
      return run_tile<2, kVectors>(tile);
    case 3:
      return run_tile<3, kVectors>(tile);
    case 4:
      return run_tile<4, kVectors>(tile);
    case 5:
      return run_tile<5, kVectors>(tile);
    default:
      return run_tile<6, kVectors>(tile);
  }
}

void Avx2::tile(const ConvTile<Avx2>& tile, int32_t pixels, int32_t vectors) {
  if (vectors == 1) {
    choose_tile<1>(tile, pixels);
  } else {
    choose_tile<2>(tile, pixels);
  }
}

}  // namespace

namespace avx2 {

size_t conv8_packed_bytes(const Conv8& conv) {
  return BlockedConv<Avx2>::packed_bytes(conv);
}
void conv8_pack(const Conv8& conv, void* packed) {
  BlockedConv<Avx2>::pack(conv, packed);
}
size_t conv8_scratch_bytes(const Conv8& conv) {
  return BlockedConv<Avx2>::scratch_bytes(conv);
}
void conv8_run(const Conv8& conv, const int8_t* input, int8_t* output, int32_t row_begin, int32_t row_end,
               void* scratch) {
  BlockedConv<Avx2>::run(conv, input, output, row_begin, row_end, scratch);
}

}  // namespace avx2
}  // namespace shrike
