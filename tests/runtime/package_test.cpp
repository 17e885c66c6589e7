// Packages of several models (spec/espdl-format.md section 1.3).
#include "toolchain/host/package.h"

#include <gmock/gmock.h>

#include <cstring>

#include "toolchain/support/error.h"

namespace shrike::host {
namespace {

using testing::HasSubstr;

using Bytes = std::vector<uint8_t>;

// A header and a payload of `fill`.
Bytes model(uint8_t fill, const char* magic = "EDL2") {
  Bytes bytes(16 + 32, fill);
  std::fill(bytes.begin(), bytes.begin() + 16, uint8_t{0});
  std::memcpy(bytes.data(), magic, 4);
  bytes[8] = magic[3] == '1' ? 36 : 32;
  return bytes;
}

class Package {
 public:
  explicit Package(char version) : counted_(version == '3' ? 56 : 4), version_(version) {}

  Package& add(const std::string& name, Bytes bytes) {
    models_.emplace_back(name, std::move(bytes));
    return *this;
  }
  Bytes bytes() const {
    Bytes result(counted_ + 4 + 12 * models_.size());
    std::memcpy(result.data(), "PDL", 3);
    result[3] = static_cast<uint8_t>(version_);
    put(result, counted_, models_.size());
    for (size_t i = 0; i < models_.size(); ++i) {
      const auto& [name, bytes] = models_[i];
      const size_t entry = counted_ + 4 + 12 * i;
      put(result, entry + 4, result.size());
      put(result, entry + 8, name.size());
      result.insert(result.end(), name.begin(), name.end());
      result.resize((result.size() + 15) / 16 * 16);
      put(result, entry, result.size());
      result.insert(result.end(), bytes.begin(), bytes.end());
    }
    return result;
  }
  static void put(Bytes& bytes, size_t offset, size_t value) {
    for (size_t i = 0; i < 4; ++i) bytes[offset + i] = static_cast<uint8_t>(value >> (8 * i));
  }

 private:
  size_t counted_;
  char version_;
  std::vector<std::pair<std::string, Bytes>> models_;
};

std::string error_of(const auto& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(PackageTest, AModelIsChosenByName) {
  for (const char version : {'1', '2', '3'}) {
    const Bytes bytes = Package(version).add("face", model(1)).add("hand", model(2)).bytes();
    EXPECT_TRUE(is_package(bytes));
    EXPECT_EQ(select_model(bytes, "p.espdl", "face"), model(1)) << version;
    EXPECT_EQ(select_model(bytes, "p.espdl", "hand"), model(2)) << version;
  }
}

TEST(PackageTest, TheOnlyModelNeedsNoName) {
  const Bytes bytes = Package('1').add("face", model(1, "EDL1")).bytes();
  EXPECT_EQ(select_model(bytes, "p.espdl", ""), model(1, "EDL1"));
}

TEST(PackageTest, SeveralModelsAreListed) {
  const Bytes bytes = Package('2').add("face", model(1)).add("hand", model(2)).bytes();
  EXPECT_EQ(error_of([&] { select_model(bytes, "p.espdl", ""); }),
            "'p.espdl' holds 2 models: 'face', 'hand'; choose one with --model NAME");
  EXPECT_EQ(error_of([&] { select_model(bytes, "p.espdl", "foot"); }),
            "'p.espdl' holds no model 'foot'; --model takes one of 'face', 'hand'");
}

TEST(PackageTest, AFileOfOneModelIsItself) {
  EXPECT_FALSE(is_package(model(1)));
  EXPECT_EQ(select_model(model(1), "m.espdl", ""), model(1));
  EXPECT_THAT(error_of([&] { select_model(model(1), "m.espdl", "face"); }), HasSubstr("no package"));
}

TEST(PackageTest, EveryCutIsToldOrLeavesTheModelToTheLoader) {
  const Bytes bytes = Package('3').add("face", model(1)).add("hand", model(2)).bytes();
  for (size_t size = 4; size < bytes.size(); ++size) {
    const Bytes cut(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(size));
    const std::string error = error_of([&] { select_model(cut, "p.espdl", "face"); });
    EXPECT_TRUE(error == "no error" || error.find("copy or pack it again") != std::string::npos) << error;
  }
}

TEST(PackageTest, NumbersThatLeadOutOfTheFileAreTold) {
  const Bytes sound = Package('2').add("face", model(1)).bytes();
  for (size_t offset = 4; offset < 4 + 4 + 12; offset += 4) {  // count, offset, name, its length
    for (const size_t value : {size_t{0xffffffff}, size_t{0x80000000}, sound.size(), size_t{100'000}}) {
      Bytes damaged = sound;
      Package::put(damaged, offset, value);
      EXPECT_THAT(error_of([&] { select_model(damaged, "p.espdl", ""); }), HasSubstr("copy or pack it again"))
          << offset << " " << value;
    }
  }
  Bytes none = sound;
  Package::put(none, 4, 0);
  EXPECT_THAT(error_of([&] { select_model(none, "p.espdl", ""); }), HasSubstr("holds 0 models"));
}

}  // namespace
}  // namespace shrike::host
