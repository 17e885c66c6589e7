// 16-bit convolution, group 1 and depthwise, tiles of up to 3 pixels x 16 channels.
//
// vpmaddwd adds two products in 32 bits; the sum of a filter needs more. As in the portable kernel two 32-bit
// sums hold it: `low` is the sum modulo 2^32, `high` adds up floor(d / 2^16) of every pair d. The remainders
// dropped from `high` are less than 2^16 each, so with fewer than 2^16 pairs exactly one number in
// [high * 2^16, high * 2^16 + 2^32) has the residue `low`.
//
// A pair leaves 32 bits in one case: all four factors are -32768. Blocks with two such weights in a pair
// ("careful") subtract 1 from every pair, which brings 2^31 back into range, and have the number of pairs in
// their bias.
#include "kernels/row_ring.h"
#include "kernels/weight_layout.h"
#include "kernels/x86_avx2/avx2.h"
#include "kernels/x86_avx2/rows.h"
#include "ops/numeric.h"

namespace shrike {
namespace {

constexpr int32_t kBlock = 16, kLanes = 8, kPixels = 3;
constexpr size_t kSlack = 16;  // the last pair, and the last channels of a depthwise block
constexpr size_t kStripBytes = size_t{192} << 10;
constexpr size_t kMaxScratch = size_t{64} << 20;
constexpr int64_t kMostPairs = (1 << 16) - 1;
// Sums below it can be rounded in unsigned 64-bit lanes, which have the only 64-bit shift of AVX2.
constexpr int64_t kLaneBound = int64_t{1} << 58;
constexpr int64_t kLaneOffset = int64_t{1} << 62;

// A run is a stretch of input elements that meets a contiguous stretch of weights (x86/packed_conv.h);
// depthwise: one tap, whose weight has a zero beside it.
struct Layout {
  int32_t runs, run_elements, pairs, blocks;
  size_t block_elements;  // weights of one block: [runs][pairs][vectors][lanes][2]

  explicit Layout(const ConvGeometry& g) {
    const bool contiguous = !g.depthwise && (g.dilation_w == 1 || g.kernel_w == 1);
    runs = contiguous ? g.kernel_h : g.kernel_h * g.kernel_w;
    run_elements = g.depthwise ? 1 : contiguous ? g.kernel_w * g.in_c : g.in_c;
    pairs = (run_elements + 1) / 2;
    blocks = (g.out_c + kBlock - 1) / kBlock;
    block_elements = static_cast<size_t>(runs) * static_cast<size_t>(pairs) * kBlock * 2;
  }
  size_t channels() const { return static_cast<size_t>(blocks) * kBlock; }
  size_t head_bytes() const { return (4 * channels() + 2 * static_cast<size_t>(blocks)) * sizeof(int64_t); }
  size_t bytes() const {
    return kCacheLine + round_up(head_bytes(), kCacheLine) +
           static_cast<size_t>(blocks) * block_elements * sizeof(int16_t);
  }
};

struct Packed {
  int64_t *bias, *shift, *addend, *odd;  // [channels]; rule RS as in x86/requantize_lanes.h
  int64_t* one_by_one;                   // [blocks], not 0: rounded one by one
  int64_t* careful;                      // [blocks]
  int16_t* weights;

  Packed(const Layout& layout, void* memory) {
    bias = align_line<int64_t>(memory);
    shift = bias + layout.channels();
    addend = shift + layout.channels();
    odd = addend + layout.channels();
    one_by_one = odd + layout.channels();
    careful = one_by_one + layout.blocks;
    weights = align_line<int16_t>(careful + layout.blocks);
  }
};

struct Tile {
  const int16_t* const* runs;  // at output pixel 0
  const int16_t* weights;
  const int64_t *bias, *shift, *addend, *odd;
  int32_t run_count, pairs;
  size_t offset, pixel_stride;  // elements
  int16_t* output;
  size_t output_stride;
  int32_t first, channels;   // channels of the block that exist
  int16_t floor;             // 0 with ReLU
  const Conv16* one_by_one;  // not null: round one by one
};

struct Sums {
  __m256i low, high;
};

template <bool kCareful>
inline void add_pairs(Sums& sums, __m256i input, __m256i weights) {
  __m256i pairs = _mm256_madd_epi16(input, weights);
  if constexpr (kCareful) pairs = _mm256_add_epi32(pairs, _mm256_set1_epi32(-1));
  sums.low = _mm256_add_epi32(sums.low, pairs);
  sums.high = _mm256_add_epi32(sums.high, _mm256_srai_epi32(pairs, 16));
}

// Channels `half` * 4 and the three after it, in 64 bits.
inline __m256i widen(const Sums& sums, int half) {
  const __m256i above = _mm256_sub_epi32(sums.low, _mm256_slli_epi32(sums.high, 16));
  const __m128i high = half == 0 ? _mm256_castsi256_si128(sums.high) : _mm256_extracti128_si256(sums.high, 1);
  const __m128i rest = half == 0 ? _mm256_castsi256_si128(above) : _mm256_extracti128_si256(above, 1);
  return _mm256_add_epi64(_mm256_slli_epi64(_mm256_cvtepi32_epi64(high), 16), _mm256_cvtepu32_epi64(rest));
}

// Rule RS, then limits of 16 bits: 4 channels from `channel` on.
inline __m256i requantize(const Tile& tile, __m256i sum, size_t channel) {
  const __m256i shift = load256(tile.shift + channel);
  const __m256i offset = _mm256_set1_epi64x(kLaneOffset);
  const __m256i value = _mm256_add_epi64(_mm256_add_epi64(sum, load256(tile.bias + channel)), offset);
  const __m256i parity = _mm256_and_si256(_mm256_srlv_epi64(value, shift), load256(tile.odd + channel));
  const __m256i moved = _mm256_srlv_epi64(
      _mm256_add_epi64(_mm256_add_epi64(value, load256(tile.addend + channel)), parity), shift);
  const __m256i result = _mm256_sub_epi64(moved, _mm256_srlv_epi64(offset, shift));
  const __m256i lowest = _mm256_set1_epi64x(-32768), highest = _mm256_set1_epi64x(32767);
  const __m256i raised = _mm256_blendv_epi8(result, lowest, _mm256_cmpgt_epi64(lowest, result));
  return _mm256_blendv_epi8(raised, highest, _mm256_cmpgt_epi64(raised, highest));
}

void store_one_by_one(const Tile& tile, const Sums& sums, size_t vector, int16_t* output, int32_t count) {
  int64_t values[kLanes];
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(values), widen(sums, 0));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(values + 4), widen(sums, 1));
  for (int32_t c = 0; c < count; ++c) {
    const size_t lane = vector * kLanes + static_cast<size_t>(c);
    const int32_t shift = tile.one_by_one->shifts[static_cast<size_t>(tile.first) + lane];
    const int16_t value =
        saturate<int16_t>(rounding_shift_any(values[c] + tile.bias[lane], shift, tile.one_by_one->rounding));
    output[c] = value < tile.floor ? tile.floor : value;
  }
}

void store(const Tile& tile, const Sums& sums, size_t vector, int16_t* output) {
  const int32_t left = tile.channels - static_cast<int32_t>(vector) * kLanes;
  const int32_t count = left < kLanes ? left : kLanes;
  if (tile.one_by_one != nullptr) return store_one_by_one(tile, sums, vector, output, count);
  const __m256i front = requantize(tile, widen(sums, 0), vector * kLanes);
  const __m256i back = requantize(tile, widen(sums, 1), vector * kLanes + 4);
  const __m256i words = _mm256_permute4x64_epi64(
      _mm256_castps_si256(
          _mm256_shuffle_ps(_mm256_castsi256_ps(front), _mm256_castsi256_ps(back), _MM_SHUFFLE(2, 0, 2, 0))),
      _MM_SHUFFLE(3, 1, 2, 0));
  const __m128i values =
      _mm_max_epi16(_mm_packs_epi32(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1)),
                    _mm_set1_epi16(tile.floor));
  if (count == kLanes) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(output), values);
  } else {
    int16_t all[kLanes];
    _mm_storeu_si128(reinterpret_cast<__m128i*>(all), values);
    memcpy(output, all, static_cast<size_t>(count) * sizeof(int16_t));
  }
}

template <int kCount, int kVectors>
void store_tile(const Tile& tile, const Sums (&sums)[kCount][kVectors]) {
  for (size_t p = 0; p < kCount; ++p) {
    for (size_t v = 0; v < kVectors; ++v) {
      store(tile, sums[p][v], v, tile.output + p * tile.output_stride + v * kLanes);
    }
  }
}

template <int kCount, int kVectors, bool kCareful>
void run_tile(const Tile& tile) {
  Sums sums[kCount][kVectors] = {};
  const int16_t* weights = tile.weights;
  for (int32_t run = 0; run < tile.run_count; ++run) {
    const int16_t* input = tile.runs[run] + tile.offset;
    for (int32_t i = 0; i < tile.pairs; ++i, input += 2, weights += kBlock * 2) {
      for (size_t p = 0; p < kCount; ++p) {
        int32_t pair;
        memcpy(&pair, input + p * tile.pixel_stride, sizeof pair);
        const __m256i values = _mm256_set1_epi32(pair);
        for (size_t v = 0; v < kVectors; ++v)
          add_pairs<kCareful>(sums[p][v], values, load256(weights + v * kBlock));
      }
    }
  }
  store_tile(tile, sums);
}

template <int kCount, int kVectors>
void run_depthwise_tile(const Tile& tile) {
  Sums sums[kCount][kVectors] = {};
  const int16_t* weights = tile.weights;
  for (int32_t run = 0; run < tile.run_count; ++run, weights += kBlock * 2) {
    const int16_t* input = tile.runs[run] + tile.offset + tile.first;
    for (size_t p = 0; p < kCount; ++p, input += tile.pixel_stride) {
      for (size_t v = 0; v < kVectors; ++v) {
        const __m128i values = _mm_loadu_si128(reinterpret_cast<const __m128i*>(input + v * kLanes));
        add_pairs<false>(sums[p][v], _mm256_cvtepi16_epi32(values), load256(weights + v * kBlock));
      }
    }
  }
  store_tile(tile, sums);
}

using TileFunction = void (*)(const Tile&);

template <int kCount, int kVectors>
TileFunction choose(bool depthwise, bool careful) {
  if (depthwise) return run_depthwise_tile<kCount, kVectors>;
  return careful ? run_tile<kCount, kVectors, true> : run_tile<kCount, kVectors, false>;
}

// Tiles of 1 to kPixels pixels for one block.
struct TileFunctions {
  TileFunction of[kPixels];

  TileFunctions(bool depthwise, bool careful, int32_t channels) {
    const bool one = channels <= kLanes;
    of[0] = one ? choose<1, 1>(depthwise, careful) : choose<1, 2>(depthwise, careful);
    of[1] = one ? choose<2, 1>(depthwise, careful) : choose<2, 2>(depthwise, careful);
    of[2] = one ? choose<3, 1>(depthwise, careful) : choose<3, 2>(depthwise, careful);
  }
};

struct CopiedRow {
  using Element = int16_t;
  static constexpr int16_t kZero = 0;
  static void convert(const int16_t* input, int16_t* output, size_t count) {
    memcpy(output, input, count * sizeof(int16_t));
  }
};

size_t strip_of(const ConvGeometry& g) {
  return strip_length(g, kPixels, kSlack, sizeof(int16_t), kStripBytes);
}

class Runner {
 public:
  explicit Runner(const Conv16& conv)
      : conv_(conv), g_(conv.geometry), layout_(conv.geometry), packed_(layout_, conv.packed) {}

  void pointwise(const int16_t* input, int16_t* output, int32_t row_begin, int32_t row_end,
                 void* scratch) const {
    const size_t in_c = static_cast<size_t>(g_.in_c), out_c = static_cast<size_t>(g_.out_c);
    const size_t strip = strip_of(g_), width = static_cast<size_t>(g_.out_w);
    const size_t end = static_cast<size_t>(row_end) * width;
    int16_t* copy = align_line<int16_t>(scratch);
    const int16_t* runs[1] = {copy};
    for (size_t pixel = static_cast<size_t>(row_begin) * width; pixel < end; pixel += strip) {
      const size_t count = end - pixel < strip ? end - pixel : strip;
      memcpy(copy, input + pixel * in_c, count * in_c * sizeof(int16_t));
      memset(copy + count * in_c, 0, kSlack * sizeof(int16_t));
      for (int32_t block = 0; block < layout_.blocks; ++block) {
        span(block, runs, static_cast<int32_t>(count), output + pixel * out_c);
      }
    }
  }

  void rows(const int16_t* input, int16_t* output, int32_t row_begin, int32_t row_end, void* scratch) const {
    const int32_t strip = static_cast<int32_t>(strip_of(g_));
    const RingSize size(g_, strip, kSlack, sizeof(int16_t));
    int16_t* memory = align_line<int16_t>(scratch);
    RowRing<CopiedRow, int16_t> ring(g_, size, input, memory);
    const int16_t** runs = reinterpret_cast<const int16_t**>(memory + size.elements());
    const size_t row_elements = static_cast<size_t>(g_.out_w) * static_cast<size_t>(g_.out_c);
    for (int32_t row = row_begin; row < row_end; row += strip) {
      const int32_t count = row_end - row < strip ? row_end - row : strip;
      const int64_t top = static_cast<int64_t>(row) * g_.stride_h - g_.pad_top;
      ring.advance(top, top + static_cast<int64_t>(count - 1) * g_.stride_h +
                            static_cast<int64_t>(g_.kernel_h - 1) * g_.dilation_h);
      for (int32_t y = 0; y < count; ++y)
        ring.find_runs(top + static_cast<int64_t>(y) * g_.stride_h, layout_.runs, runs + runs_before(y));
      for (int32_t block = 0; block < layout_.blocks; ++block) {
        for (int32_t y = 0; y < count; ++y)
          span(block, runs + runs_before(y), g_.out_w, output + static_cast<size_t>(row + y) * row_elements);
      }
    }
  }

 private:
  size_t runs_before(int32_t row) const {
    return static_cast<size_t>(row) * static_cast<size_t>(layout_.runs);
  }

  // `pixels` neighbouring output pixels from `output` (channel 0) on.
  void span(int32_t block, const int16_t* const* runs, int32_t pixels, int16_t* output) const {
    const int32_t first = block * kBlock;
    Tile tile;
    tile.runs = runs;
    tile.weights = packed_.weights + static_cast<size_t>(block) * layout_.block_elements;
    tile.bias = packed_.bias + first;
    tile.shift = packed_.shift + first;
    tile.addend = packed_.addend + first;
    tile.odd = packed_.odd + first;
    tile.run_count = layout_.runs;
    tile.pairs = layout_.pairs;
    tile.pixel_stride = static_cast<size_t>(g_.stride_w) * static_cast<size_t>(g_.in_c);
    tile.output_stride = static_cast<size_t>(g_.out_c);
    tile.first = first;
    tile.channels = g_.out_c - first < kBlock ? g_.out_c - first : kBlock;
    tile.floor = conv_.relu ? int16_t{0} : int16_t{-32768};
    tile.one_by_one = packed_.one_by_one[block] != 0 ? &conv_ : nullptr;
    const TileFunctions functions(g_.depthwise, packed_.careful[block] != 0, tile.channels);
    for (int32_t done = 0; done < pixels;) {
      const int32_t count = pixels - done < kPixels ? pixels - done : kPixels;
      tile.offset = static_cast<size_t>(done) * tile.pixel_stride;
      tile.output = output + static_cast<size_t>(done) * tile.output_stride + first;
      functions.of[count - 1](tile);
      done += count;
    }
  }

  const Conv16& conv_;
  const ConvGeometry& g_;
  const Layout layout_;
  const Packed packed_;
};

// Channel n, whose place in the first pair of its block is `lane`. Returns the sum of magnitudes.
int64_t pack_channel(const Conv16& conv, const Layout& layout, int32_t n, int16_t* lane, int64_t* careful) {
  const ChannelTaps at = channel_taps<int16_t>(conv.geometry, conv.layout, n);
  const int16_t* weight = conv.weights + at.offset;
  int64_t magnitude = 0;
  for (int32_t run = 0; run < layout.runs; ++run) {
    for (int32_t left = layout.run_elements; left > 0; left -= 2, lane += kBlock * 2) {
      for (int32_t i = 0; i < (left < 2 ? left : 2); ++i, weight += at.stride) {
        lane[i] = *weight;
        magnitude += *weight < 0 ? -*weight : *weight;
      }
      if (lane[0] == -32768 && lane[1] == -32768) *careful = 1;
    }
  }
  return magnitude;
}

// False when channel n must be rounded one by one.
bool pack_rounding(const Conv16& conv, const Packed& packed, int32_t n, int64_t bound) {
  int32_t shift = conv.shifts[n];
  if (shift < 0 || bound >= kLaneBound) return false;
  // Values below half a unit round to 0, also with the smallest shift of which that is true.
  while (shift > 1 && (shift > 60 || bound < int64_t{1} << (shift - 2))) --shift;
  const bool even = conv.rounding == Rounding::kHalfEven && shift > 0;
  packed.shift[n] = shift;
  packed.addend[n] = (shift > 0 ? int64_t{1} << (shift - 1) : 0) - (even ? 1 : 0);
  packed.odd[n] = even ? 1 : 0;
  return true;
}

}  // namespace

namespace avx2 {

size_t conv16_packed_bytes(const Conv16& conv) {
  const ConvGeometry& g = conv.geometry;
  const Layout layout(g);
  if (g.pad_top < 0 || g.pad_left < 0 || int64_t{layout.runs} * layout.pairs > kMostPairs) return 0;
  return conv16_scratch_bytes(conv) > kMaxScratch ? 0 : layout.bytes();
}

void conv16_pack(const Conv16& conv, void* memory) {
  const Layout layout(conv.geometry);
  const Packed packed(layout, memory);
  memset(packed.bias, 0, layout.head_bytes());
  memset(packed.weights, 0, static_cast<size_t>(layout.blocks) * layout.block_elements * sizeof(int16_t));
  for (int32_t n = 0; n < conv.geometry.out_c; ++n) {
    const int32_t block = n / kBlock;
    int16_t* lane = packed.weights + static_cast<size_t>(block) * layout.block_elements + n % kBlock * 2;
    const int64_t magnitude = pack_channel(conv, layout, n, lane, packed.careful + block);
    packed.bias[n] = conv.bias != nullptr ? conv.bias[n] : 0;
    const int64_t bias = packed.bias[n] < 0 ? -packed.bias[n] : packed.bias[n];
    if (!pack_rounding(conv, packed, n, magnitude * 32768 + bias)) packed.one_by_one[block] = 1;
  }
  for (int32_t n = 0; n < conv.geometry.out_c; ++n) {
    if (packed.careful[n / kBlock] != 0) packed.bias[n] += int64_t{layout.runs} * layout.pairs;
  }
}

size_t conv16_scratch_bytes(const Conv16& conv) {
  const ConvGeometry& g = conv.geometry;
  const size_t strip = strip_of(g);
  if (is_pointwise(g)) return kCacheLine + (strip * static_cast<size_t>(g.in_c) + kSlack) * sizeof(int16_t);
  const RingSize ring(g, static_cast<int32_t>(strip), kSlack, sizeof(int16_t));
  return kCacheLine + ring.elements() * sizeof(int16_t) +
         strip * static_cast<size_t>(Layout(g).runs) * sizeof(int16_t*);
}

SaturationCount conv16_run(const Conv16& conv, const int16_t* input, int16_t* output, int32_t row_begin,
                           int32_t row_end, void* scratch) {
  const Runner runner(conv);
  if (is_pointwise(conv.geometry)) {
    runner.pointwise(input, output, row_begin, row_end, scratch);
  } else {
    runner.rows(input, output, row_begin, row_end, scratch);
  }
  return {};
}

}  // namespace avx2
}  // namespace shrike
