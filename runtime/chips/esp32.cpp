// Class C of spec/numerics.md: the chips without a vector unit, which run ESP-DL's portable code.
#include "chips/chip.h"

namespace shrike {
namespace {

constexpr const char* kAliases[] = {"esp32s2", "esp32c2", "esp32c3", "esp32c5", "esp32c6", "c", nullptr};

}  // namespace

extern constexpr Chip kChipEsp32 = {
    .target = Target::kEsp32,
    .name = "esp32",
    .aliases = kAliases,
    .rounding = Rounding::kHalfUp,
    .arithmetic_8 = {Lane::kWrapping32, Lane::kWrapping32, 32, 32, 32, 32},
    .arithmetic_16 = {Lane::kExact, Lane::kExact, 64, 64, 64, 64},
    .vector_unit = false,
    .blocked_filters = false,
    .per_channel_exponents = false,
    .left_shifts = true,
    .resize_wraps = true,
    .largest_whole_shift = kNeverWraps,
    .family = "ESPDL_C_INT",
    .prices = nullptr,
    .counted_megahertz = 0,
};

}  // namespace shrike
