// Class S3 of spec/numerics.md: vector unit "PIE v1", round half up, 20-bit lanes at 8 bit.
#include "chips/chip.h"

namespace shrike {
namespace {

constexpr const char* kAliases[] = {nullptr};

// 240 MHz; 64 KB of cache, half of which the fit leaves to the weights; no second level: all activations
// cross the octal PSRAM (spec/runtime-and-vision.md section 15 and above Table 3).
constexpr Prices kPrices = {0.542, 30.3, 2.51, 9.36, 0.0, 35.9e3, 32768};

}  // namespace

extern constexpr Chip kChipEsp32s3 = {
    .target = Target::kEsp32s3,
    .name = "esp32s3",
    .aliases = kAliases,
    .rounding = Rounding::kHalfUp,
    .arithmetic_8 = {Lane::kSaturating20, Lane::kExact, 20, 20, 20, 32},
    .arithmetic_16 = {Lane::kSaturating40, Lane::kExact, 40, 40, 40, 40},
    .vector_unit = true,
    .blocked_filters = true,
    .per_channel_exponents = false,
    .left_shifts = false,
    .resize_wraps = false,
    .largest_whole_shift = 32,  // the kernels shift by one less first
    .family = "ESPDL_S3_INT",
    .prices = &kPrices,
    .counted_megahertz = 0,
};

}  // namespace shrike
