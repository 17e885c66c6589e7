// 8-bit convolution, tiles of up to 5 pixels x 16 channels. vpmaddubsw, vpmaddwd and vpaddd take 4 inputs of
// 8 channels: 3 instructions where 16-bit operands need 4, and half the loads. packed_conv.h says why it is
// exact. 10 accumulators, 2 weight vectors, the ones and 2 temporaries leave a register free; the
// multiplications are the limit, not the tile.
#include "kernels/x86/blocked_conv.h"
#include "kernels/x86_avx2/avx2.h"
#include "kernels/x86_avx2/rows.h"

namespace shrike {
namespace {

struct Avx2 {
  using Element = uint8_t;
  static constexpr uint8_t kZero = kInputOffset;
  static constexpr int32_t kLanes = 8, kPixels = 5;
  static constexpr bool kSaturatingPairs = true;

  static void convert(const int8_t* input, uint8_t* output, size_t count) {
    size_t i = 0;
    for (; i + 32 <= count; i += 32) {
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(output + i),
                          _mm256_xor_si256(load256(input + i), _mm256_set1_epi8(-128)));
    }
    for (; i < count; ++i) output[i] = static_cast<uint8_t>(input[i] + kInputOffset);
  }

  static void tile(const ConvTile& tile, int32_t pixels, int32_t vectors);
};

template <int kPixels, int kVectors>
void store_tile(const ConvTile& tile, __m256i (&sums)[kPixels][kVectors]) {
  if (tile.one_by_one != nullptr) {
    int32_t values[kPixels][kVectors * 8];
    for (int p = 0; p < kPixels; ++p) {
      for (int v = 0; v < kVectors; ++v) {
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(&values[p][v * 8]), sums[p][v]);
      }
    }
    tile.store_one_by_one(&values[0][0], kPixels, kVectors * 8);
    return;
  }
  const __m128i floor = _mm_set1_epi8(tile.floor);
  for (int p = 0; p < kPixels; ++p) {
    __m256i values[2];
    for (int v = 0; v < kVectors; ++v) {
      values[v] = requantize_lanes(sums[p][v], load256(tile.shift + v * 8), load256(tile.addend + v * 8),
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

// One group of 4 inputs of every pixel.
template <int kPixels, int kVectors>
inline void multiply_group(const uint8_t* const (&inputs)[kPixels], size_t element, const int8_t* weights,
                           __m256i (&sums)[kPixels][kVectors]) {
  const __m256i ones = _mm256_set1_epi16(1);
  __m256i w[kVectors];
  for (int v = 0; v < kVectors; ++v) w[v] = load256(weights + v * 32);
  for (int p = 0; p < kPixels; ++p) {
    int32_t group;
    memcpy(&group, inputs[p] + element, sizeof group);
    const __m256i input = _mm256_set1_epi32(group);
    for (int v = 0; v < kVectors; ++v) {
      sums[p][v] = _mm256_add_epi32(sums[p][v], _mm256_madd_epi16(_mm256_maddubs_epi16(input, w[v]), ones));
    }
  }
}

template <int kPixels, int kVectors>
void run_tile(const ConvTile& tile) {
  __m256i sums[kPixels][kVectors];
  for (int p = 0; p < kPixels; ++p) {
    for (int v = 0; v < kVectors; ++v) sums[p][v] = load256(tile.bias + v * 8);
  }
  const uint8_t* inputs[kPixels];
  const auto find_inputs = [&tile, &inputs](int32_t run) {
    for (int p = 0; p < kPixels; ++p) {
      inputs[p] = tile.runs[run] + tile.offset + static_cast<size_t>(p) * tile.pixel_stride;
    }
  };
  const int8_t* weights = tile.weights;
  for (int32_t run = 0; run < tile.run_count; ++run) {
    find_inputs(run);
    for (size_t i = 0; i < static_cast<size_t>(tile.groups); ++i, weights += kVectors * 32) {
      multiply_group(inputs, kGroup * i, weights, sums);
    }
  }
  weights = tile.excess_weights;
  for (int32_t i = 0; i < tile.excess_count; ++i, weights += kVectors * 32) {
    find_inputs(tile.excess[i].run);
    multiply_group(inputs, static_cast<size_t>(tile.excess[i].element), weights, sums);
  }
  store_tile(tile, sums);
}

template <int kVectors>
void choose_tile(const ConvTile& tile, int32_t pixels) {
  switch (pixels) {
    case 1:
      return run_tile<1, kVectors>(tile);
    case 2:
      return run_tile<2, kVectors>(tile);
    case 3:
      return run_tile<3, kVectors>(tile);
    case 4:
      return run_tile<4, kVectors>(tile);
    default:
      return run_tile<5, kVectors>(tile);
  }
}

void Avx2::tile(const ConvTile& tile, int32_t pixels, int32_t vectors) {
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
