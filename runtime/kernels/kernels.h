// Inner loops that have instruction-set versions. One table per instruction set; the portable table is
// complete, is always built and is the oracle. Every table is complete, so operators call through it without
// checks. Results are equal bit for bit across tables.
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "shrike/model.h"
#include "shrike/tensor.h"

namespace shrike {

// Geometry of a convolution, depthwise convolution, Gemm or constant MatMul (as 1x1 over rows). NHWC.
struct ConvGeometry {
  int32_t in_h, in_w, in_c;
  int32_t out_h, out_w, out_c;
  int32_t kernel_h, kernel_w;
  int32_t stride_h, stride_w;
  int32_t dilation_h, dilation_w;
  int32_t pad_top, pad_left;  // taps outside the input contribute 0
  bool depthwise;             // one filter per channel, in_c == out_c
};

// How often accumulators saturated: sums that met a limit (were cut, or ended at it), and multiply-adds that
// were cut.
struct SaturationCount {
  uint64_t sums = 0, multiply_adds = 0;
  void add(const SaturationCount& other) {
    sums += other.sums;
    multiply_adds += other.multiply_adds;
  }
};

enum class WeightLayout : uint8_t { kBlocked, kPlain };  // spec/espdl-format.md 6.2 / 6.3

// One 8-bit convolution, everything but the data. Filled in by the operator's prepare().
struct Conv8 {
  ConvGeometry geometry;
  WeightLayout layout;
  const int8_t* weights;  // as stored in the file
  const int32_t* bias;    // [out_c] or null
  const int8_t* shifts;   // [out_c], each in [0, 31]; per-tensor: out_c equal values
  Rounding rounding;
  bool relu;
  void* packed;  // kernel's own copy of the weights, or null
};

// x86 and other kernels with their own weight order: `packed_bytes` says how much memory `pack` needs (0:
// this kernel does not take the geometry, use portable). `run` computes output rows [row_begin, row_end) of
// one image; scratch is per call, `scratch_bytes` each.
struct Conv8Kernel {
  const char* name;  // says type, tile and instruction set, e.g. "conv_s8_4x16_avx2"
  size_t (*packed_bytes)(const Conv8& conv);
  void (*pack)(const Conv8& conv, void* packed);
  size_t (*scratch_bytes)(const Conv8& conv);
  void (*run)(const Conv8& conv, const int8_t* input, int8_t* output, int32_t row_begin, int32_t row_end,
              void* scratch);
};

// One 16-bit convolution, group 1 or depthwise. Sums have 64 bits; channels marked in `saturating` (null:
// none) saturate at 40 bits after every multiply-add (spec/numerics.md 3.4).
struct Conv16 {
  ConvGeometry geometry;
  WeightLayout layout;
  const int16_t* weights;
  const int64_t* bias;    // [out_c] or null, each within +-2^61
  const int16_t* shifts;  // [out_c]; negative shifts left
  Rounding rounding;
  bool relu;
  const uint8_t* saturating;
  void* packed;  // as in Conv8
};

// As Conv8Kernel. Only the portable one takes saturating channels.
struct Conv16Kernel {
  const char* name;
  size_t (*packed_bytes)(const Conv16& conv);
  void (*pack)(const Conv16& conv, void* packed);
  size_t (*scratch_bytes)(const Conv16& conv);
  SaturationCount (*run)(const Conv16& conv, const int16_t* input, int16_t* output, int32_t row_begin,
                         int32_t row_end, void* scratch);
};

constexpr int32_t kLowest20 = -(1 << 19), kHighest20 = (1 << 19) - 1;

struct KernelSet {
  const char* isa;         // its name, e.g. "portable", "avx2", "avx512vnni"
  Conv8Kernel conv8;       // group 1
  Conv8Kernel depthwise8;  // depthwise
  Conv16Kernel conv16;     // both
  void (*lookup8)(const int8_t* input, int8_t* output, size_t count,
                  const int8_t* table);                                          // table index q + 128
  void (*add8)(const int8_t* a, const int8_t* b, int8_t* output, size_t count);  // saturating
  // sat(RS(a*b, shift)), shift in [0, 30]
  void (*mul8)(const int8_t* a, const int8_t* b, int8_t* output, size_t count, int32_t shift,
               Rounding rounding);
  // sat(RS(q, shift)), shift in [-30, 30]; negative shifts left
  void (*requantize8)(const int8_t* input, int8_t* output, size_t count, int32_t shift, Rounding rounding);
  // quantize_float(input * scale) of ops/numeric.h. The output may begin where the input does.
  void (*quantize8)(const float* input, int8_t* output, size_t count, float scale, Rounding rounding);
  void (*maximum8)(const int8_t* a, const int8_t* b, int8_t* output,
                   size_t count);  // element-wise, for MaxPool rows
  // Sixteen 20-bit lanes of esp32s3 over `count` inputs: sums[i] = clamp(sums[i] + x[c] * weights[16 c + i])
  // for one c after the other, between kLowest20 and kHighest20; cut[i] grows by the number of sums that were
  // clamped.
  void (*lanes20)(const int8_t* x, const int8_t* weights, size_t count, int32_t* sums, int32_t* cut);
  const KernelSet* fallback;  // convolves what the others refuse; null: they take every geometry
};

// Tables by name, null when not built or not supported by this machine.
const KernelSet* kernels_by_name(const char* isa);
// The best table this machine supports.
const KernelSet* best_kernels();
// i-th table that this machine supports, null past the end; 0 is portable.
const KernelSet* available_kernels(int index);
// i-th table of this build, whether this machine supports it or not, null past the end. Better ones come
// later.
const KernelSet* built_kernels(int index);

}  // namespace shrike
