// Requantisation between 8 and 16 bits against the one-value rule, for every value and shift.
#include "ops/format_change.h"

#include <gtest/gtest.h>

#include <vector>

#include "ops/numeric.h"

namespace shrike {
namespace {

template <typename From, typename To>
void check_every_value() {
  std::vector<From> values;
  for (int value = Limits<From>::lowest; value <= Limits<From>::highest; ++value)
    values.push_back(static_cast<From>(value));
  for (const Rounding rounding : {Rounding::kHalfEven, Rounding::kHalfUp}) {
    for (int shift = -40; shift <= 40; ++shift) {
      std::vector<To> output(values.size());
      change_format(values.data(), output.data(), static_cast<int64_t>(values.size()), shift, rounding);
      for (size_t i = 0; i < values.size(); ++i) {
        ASSERT_EQ(output[i], saturate<To>(rounding_shift_any(values[i], shift, rounding)))
            << "value " << values[i] << ", shift " << shift;
      }
    }
  }
}

TEST(FormatChange, EveryValueAndShiftFollowsTheRule) {
  check_every_value<int8_t, int16_t>();
  check_every_value<int16_t, int8_t>();
  check_every_value<int16_t, int16_t>();
}

TEST(FormatChange, NarrowsInPlace) {
  std::vector<int16_t> memory(1000);
  for (size_t i = 0; i < memory.size(); ++i) memory[i] = static_cast<int16_t>(i * 131);
  const std::vector<int16_t> before = memory;
  int8_t* narrow = reinterpret_cast<int8_t*>(memory.data());
  change_format(memory.data(), narrow, 1000, 6, Rounding::kHalfUp);
  for (size_t i = 0; i < before.size(); ++i) {
    ASSERT_EQ(narrow[i], saturate<int8_t>(rounding_shift_any(before[i], 6, Rounding::kHalfUp))) << i;
  }
}

}  // namespace
}  // namespace shrike
