// The table of the chips: every row is found by each of its names, and says what spec/numerics.md says of its
// class.
#include "chips/chip.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "toolchain/host/integer_model.h"
#include "toolchain/support/error.h"

namespace shrike {
namespace {

TEST(Chips, StandInTheOrderOfTarget) {
  int32_t count = 0;
  for (; chip_at(count) != nullptr; ++count) {
    EXPECT_EQ(static_cast<int32_t>(chip_at(count)->target), count);
    EXPECT_EQ(&chip_of(chip_at(count)->target), chip_at(count));
  }
  EXPECT_GE(count, 3);
  EXPECT_EQ(chip_at(-1), nullptr);
}

TEST(Chips, AreFoundByEveryNameAndNoNameTwice) {
  std::set<std::string> names;
  for (int32_t i = 0; const Chip* chip = chip_at(i); ++i) {
    EXPECT_EQ(find_chip(chip->name), chip);
    EXPECT_TRUE(names.insert(chip->name).second) << chip->name;
    for (const char* const* alias = chip->aliases; *alias != nullptr; ++alias) {
      EXPECT_EQ(find_chip(*alias), chip) << *alias;
      EXPECT_TRUE(names.insert(*alias).second) << *alias;
    }
  }
}

TEST(Chips, AreNotFoundByPartOfAName) {
  EXPECT_EQ(find_chip(""), nullptr);
  EXPECT_EQ(find_chip("esp32p"), nullptr);
  EXPECT_EQ(find_chip("esp32s3_8"), nullptr);
  EXPECT_EQ(find_chip("ESP32P4"), nullptr);
}

// spec/numerics.md section 4.
TEST(Chips, HoldTheBiasesOfTheirClass) {
  const auto bits = [](const char* name, int width) { return find_chip(name)->arithmetic(width).bias_bits; };
  EXPECT_EQ(bits("esp32p4", 8), 32);
  EXPECT_EQ(bits("esp32s3", 8), 20);
  EXPECT_EQ(bits("esp32", 8), 32);
  EXPECT_EQ(bits("esp32p4", 16), 40);
  EXPECT_EQ(bits("esp32s3", 16), 40);
  EXPECT_EQ(bits("esp32", 16), 64);
}

// A 64-bit sum that begins with more could overflow while it is rounded.
TEST(Chips, LeaveRoomBesideABiasOf64Bits) {
  EXPECT_EQ(find_chip("esp32")->usable_bias_bits(16), 62);
  EXPECT_EQ(find_chip("esp32p4")->usable_bias_bits(16), 40);
  EXPECT_EQ(find_chip("esp32s3")->usable_bias_bits(8), 20);
}

TEST(Chips, RoundAsTheirClass) {
  EXPECT_EQ(rounding_of(Target::kEsp32p4), Rounding::kHalfEven);
  EXPECT_EQ(rounding_of(Target::kEsp32s3), Rounding::kHalfUp);
  EXPECT_EQ(rounding_of(Target::kEsp32), Rounding::kHalfUp);
}

TEST(Chips, AreListedWithTheirOtherNamesWhenOneIsUnknown) {
  EXPECT_EQ(host::parse_target("esp32c6"), Target::kEsp32);
  EXPECT_EQ(host::parse_target("esp32s31"), Target::kEsp32p4);
  try {
    host::parse_target("esp8266");
    FAIL() << "esp8266 is no chip of the table";
  } catch (const Error& error) {
    const std::string text = error.what();
    for (int32_t i = 0; const Chip* chip = chip_at(i); ++i)
      EXPECT_NE(text.find(chip->name), std::string::npos) << text;
    EXPECT_NE(text.find("esp32s2"), std::string::npos) << text;
  }
}

}  // namespace
}  // namespace shrike
