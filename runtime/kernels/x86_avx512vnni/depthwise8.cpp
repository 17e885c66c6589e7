// 8-bit depthwise convolution with vpdpbusd, 64 channels of 3 pixels in two rows at a time: 24 accumulators.
// What is left of the channels is interleaved in shorter vectors.
#include "kernels/x86/depthwise.h"
#include "kernels/x86/vectors256.h"
#include "kernels/x86_avx512vnni/avx512vnni.h"
#include "kernels/x86_avx512vnni/vectors512.h"

namespace shrike {
namespace {

struct Channels64 : Bytes64 {
  static constexpr int kPixels = 4, kPairPixels = 3;
  static Type multiply_add(Type sums, Type inputs, Type weights) {
    return _mm512_dpbusd_epi32(sums, inputs, weights);
  }
};

// Fewer channels keep their sums in long vectors all the same: two, or one, in place of four short ones.
template <class Bytes>
struct ShortBlock : Bytes {
  using Type = typename Bytes::Type;
  using Sums = __m512i;
  static constexpr int kSums = static_cast<int>(Bytes::kBytes / 16);
  static constexpr int kPixels = 8, kPairPixels = 8 / kSums;
  static Sums load_sums(const void* memory) { return Bytes64::load(memory); }
  static void store_sums(void* memory, Sums value) { Bytes64::store(memory, value); }
  static Sums multiply_add(Sums sums, Sums inputs, Sums weights) {
    return _mm512_dpbusd_epi32(sums, inputs, weights);
  }
  static void keep(Sums& value) { keep_512(value); }
  static Sums requantize(Sums sums, Sums shift, Sums low) { return requantize_lanes(sums, shift, low); }
};

// Lanes: channels 0 to 3, 16 to 19, 4 to 7, 20 to 23, and so on.
struct Channels32 : ShortBlock<Bytes32> {
  static Type bytes_of(const Sums (&sums)[2], Type floor) {
    const Type lanes = _mm256_set_m128i(_mm512_maskz_cvtsepi32_epi8(kAll, sums[1]),
                                        _mm512_maskz_cvtsepi32_epi8(kAll, sums[0]));
    const Type order = _mm256_setr_epi32(0, 2, 4, 6, 1, 3, 5, 7);
    return _mm256_max_epi8(_mm256_permutevar8x32_epi32(lanes, order), floor);
  }
};

struct Channels16 : ShortBlock<Bytes16> {
  static Type bytes_of(const Sums (&sums)[1], Type floor) {
    return _mm_max_epi8(_mm512_maskz_cvtsepi32_epi8(kAll, sums[0]), floor);
  }
};

struct Avx512Vnni {
  using Wide = Channels64;
  static size_t last_width(size_t channels) { return channels > 32 ? 64 : channels > 16 ? 32 : 16; }
  static void run_last(size_t width, const Conv8& conv, const DepthwiseLayout& layout,
                       const PackedDepthwise& packed, size_t block, const DepthwiseRow& row) {
    const size_t first = block * Wide::kBytes;
    if (width == 64) {
      DepthwiseBlock<Channels64>(conv, layout, packed, block, first).run(row);
    } else if (width == 32) {
      DepthwiseBlock<Channels32>(conv, layout, packed, block, first).run(row);
    } else {
      DepthwiseBlock<Channels16>(conv, layout, packed, block, first).run(row);
    }
  }
};

}  // namespace

namespace avx512vnni {

size_t depthwise8_packed_bytes(const Conv8& conv) {
  return Depthwise<Avx512Vnni>::packed_bytes(conv);
}
void depthwise8_pack(const Conv8& conv, void* packed) {
  Depthwise<Avx512Vnni>::pack(conv, packed);
}
size_t depthwise8_scratch_bytes(const Conv8& conv) {
  return Depthwise<Avx512Vnni>::scratch_bytes(conv);
}
void depthwise8_run(const Conv8& conv, const int8_t* input, int8_t* output, int32_t row_begin,
                    int32_t row_end, void* scratch) {
  Depthwise<Avx512Vnni>::run(conv, input, output, row_begin, row_end, scratch);
}

}  // namespace avx512vnni
}  // namespace shrike
