// 8-bit convolution with vpdpbusd, tiles of up to 12 pixels x 32 channels: 24 accumulators, 2 weight vectors
// and 1 broadcast group of inputs.
#include <immintrin.h>

#include "kernels/x86/blocked_conv.h"
#include "kernels/x86_avx512vnni/avx512vnni.h"

namespace shrike {
namespace {

struct Avx512Vnni {
  using Element = uint8_t;
  static constexpr uint8_t kZero = kInputOffset;
  static constexpr int32_t kLanes = 16, kPixels = 12;
  static constexpr bool kSaturatingPairs = false;

  static void convert(const int8_t* input, uint8_t* output, size_t count) {
    size_t i = 0;
    for (; i + 64 <= count; i += 64) {
      _mm512_storeu_si512(output + i,
                          _mm512_xor_si512(_mm512_loadu_si512(input + i), _mm512_set1_epi8(-128)));
    }
    for (; i < count; ++i) output[i] = static_cast<uint8_t>(input[i] + kInputOffset);
  }

  static void tile(const ConvTile& tile, int32_t pixels, int32_t vectors);
};

// GCC 12 warns about uninitialised values inside the intrinsics that have no mask, so these get a full one.
constexpr __mmask16 kAll = 0xffff;

// Rule RS on 16 accumulators whose parameters lane_shift() accepted.
__m512i requantize_lanes(__m512i value, __m512i shift, __m512i addend, __m512i odd) {
  const __m512i parity = _mm512_and_si512(_mm512_maskz_srav_epi32(kAll, value, shift), odd);
  return _mm512_maskz_srav_epi32(kAll, _mm512_add_epi32(_mm512_add_epi32(value, addend), parity), shift);
}

template <int kPixels, int kVectors>
void store_tile(const ConvTile& tile, __m512i (&sums)[kPixels][kVectors]) {
  if (tile.one_by_one != nullptr) {
    int32_t values[kPixels][kVectors * 16];
    for (int p = 0; p < kPixels; ++p) {
      for (int v = 0; v < kVectors; ++v) {
        _mm512_storeu_si512(&values[p][v * 16], sums[p][v]);
      }
    }
    tile.store_one_by_one(&values[0][0], kPixels, kVectors * 16);
    return;
  }
  const __m128i floor = _mm_set1_epi8(tile.floor);
  for (int v = 0; v < kVectors; ++v) {
    const __m512i shift = _mm512_loadu_si512(tile.shift + v * 16);
    const __m512i addend = _mm512_loadu_si512(tile.addend + v * 16),
                  odd = _mm512_loadu_si512(tile.odd + v * 16);
    const int32_t left = tile.channels - v * 16;
    const __mmask16 mask = static_cast<__mmask16>(left >= 16 ? 0xffff : (1 << left) - 1);
    for (int p = 0; p < kPixels; ++p) {
      const __m512i values = requantize_lanes(sums[p][v], shift, addend, odd);
      const __m128i bytes = _mm_max_epi8(_mm512_maskz_cvtsepi32_epi8(kAll, values), floor);
      _mm_mask_storeu_epi8(tile.output + static_cast<size_t>(p) * tile.output_stride + v * 16, mask, bytes);
    }
  }
}

template <int kPixels, int kVectors>
void run_tile(const ConvTile& tile) {
  __m512i sums[kPixels][kVectors];
  for (int p = 0; p < kPixels; ++p) {
    for (int v = 0; v < kVectors; ++v) sums[p][v] = _mm512_loadu_si512(tile.bias + v * 16);
  }
  const int8_t* weights = tile.weights;
  for (int32_t run = 0; run < tile.run_count; ++run) {
    const uint8_t* inputs[kPixels];
    for (int p = 0; p < kPixels; ++p) {
      inputs[p] = tile.runs[run] + tile.offset + static_cast<size_t>(p) * tile.pixel_stride;
    }
    for (size_t i = 0; i < static_cast<size_t>(tile.groups); ++i) {
      __m512i w[kVectors];
      for (int v = 0; v < kVectors; ++v) w[v] = _mm512_loadu_si512(weights + v * 64);
      weights += kVectors * 64;
      for (int p = 0; p < kPixels; ++p) {
        int32_t group;
        memcpy(&group, inputs[p] + 4 * i, sizeof group);
        const __m512i input = _mm512_set1_epi32(group);
        for (int v = 0; v < kVectors; ++v) sums[p][v] = _mm512_dpbusd_epi32(sums[p][v], input, w[v]);
      }
    }
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
    case 5:
      return run_tile<5, kVectors>(tile);
    case 6:
      return run_tile<6, kVectors>(tile);
    case 7:
      return run_tile<7, kVectors>(tile);
    case 8:
      return run_tile<8, kVectors>(tile);
    case 9:
      return run_tile<9, kVectors>(tile);
    case 10:
      return run_tile<10, kVectors>(tile);
    case 11:
      return run_tile<11, kVectors>(tile);
    default:
      return run_tile<12, kVectors>(tile);
  }
}

void Avx512Vnni::tile(const ConvTile& tile, int32_t pixels, int32_t vectors) {
  if (vectors == 1) {
    choose_tile<1>(tile, pixels);
  } else {
    choose_tile<2>(tile, pixels);
  }
}

}  // namespace

namespace avx512vnni {

size_t conv8_packed_bytes(const Conv8& conv) {
  return BlockedConv<Avx512Vnni>::packed_bytes(conv);
}
void conv8_pack(const Conv8& conv, void* packed) {
  BlockedConv<Avx512Vnni>::pack(conv, packed);
}
size_t conv8_scratch_bytes(const Conv8& conv) {
  return BlockedConv<Avx512Vnni>::scratch_bytes(conv);
}
void conv8_run(const Conv8& conv, const int8_t* input, int8_t* output, int32_t row_begin, int32_t row_end,
               void* scratch) {
  BlockedConv<Avx512Vnni>::run(conv, input, output, row_begin, row_end, scratch);
}

}  // namespace avx512vnni
}  // namespace shrike
