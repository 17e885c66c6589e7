// The table of the chips, in the order of Target.
#include "chips/chip.h"

namespace shrike {

extern const Chip kChipEsp32p4, kChipEsp32s3, kChipEsp32;

namespace {

constexpr const Chip* kChips[] = {&kChipEsp32p4, &kChipEsp32s3, &kChipEsp32};
constexpr int32_t kCount = sizeof kChips / sizeof kChips[0];

}  // namespace

const Chip& chip_of(Target target) {
  return *kChips[static_cast<int32_t>(target)];
}

const Chip* chip_at(int32_t index) {
  return index >= 0 && index < kCount ? kChips[index] : nullptr;
}

const Chip* find_chip(Text name) {
  for (const Chip* chip : kChips) {
    if (name == chip->name) return chip;
    for (const char* const* alias = chip->aliases; *alias != nullptr; ++alias) {
      if (name == *alias) return chip;
    }
  }
  return nullptr;
}

const Chip* find_chip(const char* name) {
  uint32_t size = 0;
  while (name[size] != '\0') ++size;
  return find_chip(Text{name, size});
}

Rounding rounding_of(Target target) {
  return chip_of(target).rounding;
}

}  // namespace shrike
