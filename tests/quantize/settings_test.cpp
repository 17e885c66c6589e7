#include "toolchain/quantize/settings_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "toolchain/support/error.h"
#include "toolchain/support/files.h"

namespace shrike::quantize {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

class SettingsFile : public ::testing::Test {
 protected:
  std::string write(const std::string& text) {
    write_file_atomically(path_, text);
    return path_;
  }
  void TearDown() override { std::filesystem::remove(path_); }

  std::string path_ = ::testing::TempDir() + "/shrike_settings_test.yaml";
};

TEST_F(SettingsFile, RoundTripsEverySetting) {
  Settings settings;
  set_field(settings, "target", "esp32s3");
  set_field(settings, "imgsz", "480x640");
  set_field(settings, "int16-layers", "/model.2/cv2/conv/Conv, /model.3/conv/Conv");
  set_field(settings, "exponents", "score0=-4,box0=-3");
  set_field(settings, "weight-refit", "off");
  set_field(settings, "calibration", "kl");

  const Settings read = load_settings(write(to_yaml(settings)));

  EXPECT_EQ(read.target, Target::kEsp32s3);
  EXPECT_EQ(read.size.height, 480);
  EXPECT_EQ(read.size.width, 640);
  EXPECT_THAT(read.int16_layers, ElementsAre("/model.2/cv2/conv/Conv", "/model.3/conv/Conv"));
  EXPECT_EQ(read.fixed_exponents.at("score0"), -4);
  EXPECT_FALSE(read.weight_refit);
  EXPECT_EQ(read.calibration, Calibration::kKl);
  EXPECT_EQ(to_yaml(read), to_yaml(settings));
}

TEST_F(SettingsFile, ListsMayBeSequences) {
  const Settings settings = load_settings(write("int16-layers:\n  - a\n  - b\n"));
  EXPECT_THAT(settings.int16_layers, ElementsAre("a", "b"));
}

TEST_F(SettingsFile, UnknownNamesSuggestTheNearest) {
  const std::string message = error_of([&] { load_settings(write("bits: 8\ncalibraton: kl\n")); });
  EXPECT_THAT(message, HasSubstr("line 2"));
  EXPECT_THAT(message, HasSubstr("did you mean 'calibration'"));
}

TEST_F(SettingsFile, BadValuesNameTheChoices) {
  EXPECT_THAT(error_of([&] { load_settings(write("calibration: best\n")); }),
              HasSubstr("direct,minmax,percentile,kl,mse"));
  EXPECT_THAT(error_of([&] { load_settings(write("percentile: 2\n")); }), HasSubstr("from 0.5 to 1"));
  EXPECT_THAT(error_of([&] { load_settings(write("imgsz: 300\n")); }), HasSubstr("multiples of 32"));
  EXPECT_THAT(error_of([&] { load_settings(write("weight-refit: maybe\n")); }), HasSubstr("on or off"));
}

TEST_F(SettingsFile, BrokenYamlIsOneSentence) {
  EXPECT_THAT(error_of([&] { load_settings(write("bits: [8\n")); }), HasSubstr("not valid YAML"));
  EXPECT_THAT(error_of([&] { load_settings(write("just text\n")); }), HasSubstr("setting: value"));
  EXPECT_THAT(error_of([] { load_settings("/nowhere/settings.yaml"); }), HasSubstr("/nowhere/settings.yaml"));
}

}  // namespace
}  // namespace shrike::quantize
