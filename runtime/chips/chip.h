// What a chip is: one row for each arithmetic class of spec/numerics.md section 1.1, each in a file of its
// own, all of them in the table of chips.cpp. Both floors ask the row; nothing else tells chips apart.
//
// To add a chip: a value of Target (shrike/tensor.h), a file with its row, and the row in the table.
#pragma once
#include <stdint.h>

#include "shrike/tensor.h"

namespace shrike {

// How the sum of one output element behaves while products are added to it (spec/numerics.md 3.2 to 3.5).
enum class Lane : uint8_t {
  kSaturating20,  // cut to 20 bits after every multiply-add
  kSaturating32,
  kSaturating40,
  kWrapping32,  // plain C code: overflow wraps
  kExact,       // wide enough for every sum that the quantiser lets through (40 or 64 bits)
};

// The weighted operators (Conv, Gemm, MatMul) at one width of their operands. "Block channels" are the output
// channels stored in full blocks, and all of a depthwise convolution; the others are the remainder.
struct Arithmetic {
  Lane block, remainder;
  int32_t sum_bits;             // of the narrowest sum
  int32_t bias_bits;            // a bias fits this many (spec/numerics.md section 4)
  int32_t block_bias_bits;      // low bits of the stored bias that block channels read,
  int32_t remainder_bias_bits;  // and remainder channels
};

// Nanoseconds for one unit of each term of the cost model (toolchain/cost/cost_model.h), and a node's fixed
// price.
struct Prices {
  double mac, streamed_mac, depthwise_mac, moved_byte, spilled_byte, call;
  double
      weight_cache_bytes;  // weights up to this size stay in the data cache from one output pixel to the next
};

constexpr int32_t kNeverWraps = INT32_MAX;
// A 64-bit sum that starts from so many bits has room for the products and for rounding.
constexpr int32_t kMostBiasBits = 62;

struct Chip {
  Target target;
  const char* name;            // in files, options and reports
  const char* const* aliases;  // other names of the same arithmetic, ended by null
  Rounding rounding;
  Arithmetic arithmetic_8, arithmetic_16;
  bool vector_unit;  // false: plain code, of which products of 16-bit integers go through floats (rule MU-F)
  bool blocked_filters;  // filters in blocks of output channels (spec/espdl-format.md 6.2), else plain (6.3)
  bool per_channel_exponents;   // filters may have an exponent for each output channel
  bool left_shifts;             // an output's grid may be finer than its sum's (spec/numerics.md 3.6)
  bool resize_wraps;            // nearest Resize with a left shift wraps instead of saturating (12)
  int32_t largest_whole_shift;  // shift counts above are taken modulo 32; kNeverWraps: none is
  const char* family;           // platform of the quantiser's companion .json, in front of the bits
  const Prices* prices;         // null: no timings are published
  // Clock of the core on which instructions of Shrike's kernels for boards were counted (bench/firmware.md),
  // an RV32 core; 0: on this chip's core nobody did.
  int32_t counted_megahertz;

  const Arithmetic& arithmetic(int32_t bits) const { return bits == 16 ? arithmetic_16 : arithmetic_8; }
  // Bits that a bias may fill, the same for the quantiser, the writer and the runtime.
  int32_t usable_bias_bits(int32_t bits) const {
    const int32_t wanted = arithmetic(bits).bias_bits;
    return wanted < kMostBiasBits ? wanted : kMostBiasBits;
  }
};

const Chip& chip_of(Target target);  // `target` is one of the table's
// By name or alias; null when no chip is called so.
const Chip* find_chip(const char* name);
const Chip* find_chip(Text name);
// i-th row, null past the end.
const Chip* chip_at(int32_t index);

// The rows themselves are named only by the table.

}  // namespace shrike
