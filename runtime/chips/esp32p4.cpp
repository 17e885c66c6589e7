// Class P4 of spec/numerics.md: vector unit "PIE v2", round half to even. esp32s31 has the same arithmetic
// and takes the same files; the prices are esp32p4's.
#include "chips/chip.h"

namespace shrike {
namespace {

constexpr const char* kAliases[] = {"esp32s31", nullptr};

// 360 MHz, 64 KB first-level cache, 256 KB second (spec/runtime-and-vision.md section 15 and above Table 3).
// The fit gave the moved byte no price; 0.5 ns, the 16 bytes of a vector in three cycles, is set by hand, so
// that nodes without arithmetic are not free, and costs the fit half a per cent.
constexpr Prices kPrices = {0.222, 2.66, 1.0, 0.5, 9.07, 160e3, 65536};

}  // namespace

extern constexpr Chip kChipEsp32p4 = {
    .target = Target::kEsp32p4,
    .name = "esp32p4",
    .aliases = kAliases,
    .rounding = Rounding::kHalfEven,
    .arithmetic_8 = {Lane::kSaturating32, Lane::kExact, 32, 32, 32, 32},
    .arithmetic_16 = {Lane::kExact, Lane::kExact, 40, 40, 64, 40},
    .vector_unit = true,
    .blocked_filters = true,
    .per_channel_exponents = true,
    .left_shifts = false,
    .resize_wraps = false,
    .largest_whole_shift = 31,
    .family = "ESPDL_INT",
    .prices = &kPrices,
    .counted_megahertz = 360,
};

}  // namespace shrike
