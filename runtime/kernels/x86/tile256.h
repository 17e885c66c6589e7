// Tiles of a convolution with 8 lanes a vector (blocked_conv.h), for instruction sets with AVX2. `Isa`
// provides
//   pixels(vectors)                           of the largest tile
//   multiply_add(sums, inputs, weights)       4 unsigned inputs by 4 signed weights a lane
#pragma once
#include "kernels/x86/blocked_conv.h"
#include "kernels/x86/vectors256.h"

namespace shrike {
namespace {

inline void flip_signs_256(const int8_t* input, uint8_t* output, size_t count) {
  size_t i = 0;
  for (; i + 32 <= count; i += 32) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(output + i),
                        _mm256_xor_si256(load256(input + i), _mm256_set1_epi8(-128)));
  }
  for (; i < count; ++i) output[i] = static_cast<uint8_t>(input[i] + kInputOffset);
}

template <class Isa, int kPixels, int kVectors>
class Tile256 {
 public:
  static void run(const ConvTile& tile) {
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
    store(tile, sums);
  }

 private:
  // One group of 4 inputs of every pixel.
  static void multiply_group(const uint8_t* const (&inputs)[kPixels], size_t element, const int8_t* weights,
                             __m256i (&sums)[kPixels][kVectors]) {
    __m256i w[kVectors];
    for (int v = 0; v < kVectors; ++v) w[v] = load256(weights + v * 32);
    for (int p = 0; p < kPixels; ++p) {
      int32_t group;
      memcpy(&group, inputs[p] + element, sizeof group);
      const __m256i input = _mm256_set1_epi32(group);
      for (int v = 0; v < kVectors; ++v) sums[p][v] = Isa::multiply_add(sums[p][v], input, w[v]);
    }
  }

  static void store(const ConvTile& tile, const __m256i (&sums)[kPixels][kVectors]) {
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
        values[v] = requantize_lanes(sums[p][v], load256(tile.shift + v * 8), load256(tile.low + v * 8));
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
};

template <class Isa, int kVectors, int kPixels = Isa::pixels(kVectors)>
void choose_tile_256(const ConvTile& tile, int32_t pixels) {
  if constexpr (kPixels > 1) {
    if (pixels < kPixels) return choose_tile_256<Isa, kVectors, kPixels - 1>(tile, pixels);
  }
  Tile256<Isa, kPixels, kVectors>::run(tile);
}

template <class Isa>
void run_tile_256(const ConvTile& tile, int32_t pixels, int32_t vectors) {
  vectors == 1 ? choose_tile_256<Isa, 1>(tile, pixels) : choose_tile_256<Isa, 2>(tile, pixels);
}

}  // namespace
}  // namespace shrike
