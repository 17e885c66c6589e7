#include "toolchain/pipeline/settings_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <set>

#include "toolchain/support/error.h"
#include "toolchain/support/files.h"

namespace shrike::quantize {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsSupersetOf;

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

  std::string path_ = ::testing::TempDir() + "shrike_settings_" + std::to_string(::getpid()) + ".yaml";
};

TEST_F(SettingsFile, RoundTripsEverySetting) {
  Settings settings;
  set_field(settings, "target", "esp32s3");
  set_field(settings, "imgsz", "480x640");
  set_field(settings, "int16-layers", "/model.2/cv2/conv/Conv, /model.3/conv/Conv");
  set_field(settings, "exponents", "score0=-4,box0=-3");
  set_field(settings, "weight-refit", "off");
  set_field(settings, "calibration", "kl");
  set_field(settings, "split-layers", "/model.0/conv/Conv,/model.1/conv/Conv");
  set_field(settings, "split-method", "random");
  set_field(settings, "split-threshold", "1.5");
  set_field(settings, "equalization", "on");
  set_field(settings, "equalization-iterations", "3");
  set_field(settings, "equalization-threshold", "0.25");
  set_field(settings, "weight-exponents", "layer");
  set_field(settings, "weight-calibration", "percentile");

  const Settings read = load_settings(write(to_yaml(settings)));

  EXPECT_EQ(read.target, Target::kEsp32s3);
  EXPECT_EQ(read.size.height, 480);
  EXPECT_EQ(read.size.width, 640);
  EXPECT_THAT(read.int16_layers, ElementsAre("/model.2/cv2/conv/Conv", "/model.3/conv/Conv"));
  EXPECT_EQ(read.fixed_exponents.at("score0"), -4);
  EXPECT_FALSE(read.weight_refit);
  EXPECT_EQ(read.calibration, Calibration::kKl);
  EXPECT_THAT(read.split_layers, ElementsAre("/model.0/conv/Conv", "/model.1/conv/Conv"));
  EXPECT_EQ(read.split_method, SplitMethod::kRandom);
  EXPECT_EQ(read.split_threshold, 1.5);
  EXPECT_TRUE(read.equalization);
  EXPECT_EQ(read.equalization_iterations, 3);
  EXPECT_EQ(read.equalization_threshold, 0.25);
  EXPECT_EQ(read.weight_exponents, WeightExponents::kLayer);
  EXPECT_EQ(read.weight_calibration, WeightCalibration::kPercentile);
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
  EXPECT_THAT(error_of([&] { load_settings(write("imgsz: 9000\n")); }), HasSubstr("8192"));
  EXPECT_THAT(error_of([&] { load_settings(write("weight-refit: maybe\n")); }), HasSubstr("on or off"));
}

TEST_F(SettingsFile, BrokenYamlIsOneSentence) {
  EXPECT_THAT(error_of([&] { load_settings(write("bits: [8\n")); }), HasSubstr("not valid YAML"));
  EXPECT_THAT(error_of([&] { load_settings(write("just text\n")); }), HasSubstr("setting: value"));
  EXPECT_THAT(error_of([] { load_settings("/nowhere/settings.yaml"); }), HasSubstr("/nowhere/settings.yaml"));
}

TEST_F(SettingsFile, NotANumberIsNoNumber) {
  Settings settings;
  for (const char* name : {"percentile", "split-threshold", "equalization-threshold"})
    EXPECT_THAT(error_of([&] { set_field(settings, name, "nan"); }), HasSubstr("expected a number")) << name;
}

TEST_F(SettingsFile, ANameStandsOnceAndSoDoesTheDocument) {
  EXPECT_THAT(error_of([&] { load_settings(write("bits: 8\ntarget: esp32\nbits: 16\n")); }),
              HasSubstr("line 3: 'bits' is set in line 1 already"));
  EXPECT_THAT(error_of([&] { load_settings(write("bits: 8\n---\nbits: 16\n")); }),
              HasSubstr("line 2: one document was expected, and another starts here"));
}

// YAML::LoadAll never ends on these.
TEST_F(SettingsFile, ADocumentThatCanNotStartEndsTheReading) {
  for (const char* text : {",", ", target: esp32p4", "bits: 8\n---\n,\n", "bits: 8\nname: 5,0* .s\n ]\n"})
    EXPECT_THAT(error_of([&] { load_settings(write(text)); }), HasSubstr("line ")) << text;
}

TEST_F(SettingsFile, AnOlderLibraryHasOneExponentALayerWhereverItStands) {
  for (const char* text : {"esp-dl: 3.3.1\nbits: 8\n", "bits: 8\nesp-dl: 3.3.1\n"}) {
    const Settings settings = load_settings(write(text));
    EXPECT_EQ(espdl::to_string(settings.library), "3.3.1");
    EXPECT_EQ(settings.weight_exponents, WeightExponents::kLayer);
    EXPECT_EQ(to_yaml(load_settings(write(to_yaml(settings)))), to_yaml(settings));
  }
  EXPECT_EQ(load_settings(write("esp-dl: 3.3.2\n")).weight_exponents, WeightExponents::kChannel);
}

TEST_F(SettingsFile, WhatALibraryCanNotDoIsRefused) {
  for (const char* text :
       {"esp-dl: 3.3.1\nweight-exponents: channel\n", "weight-exponents: channel\nesp-dl: 3.3.1\n"}) {
    EXPECT_THAT(
        error_of([&] { load_settings(write(text)); }),
        HasSubstr("'layer' was expected for ESP-DL 3.3.1, got 'channel', which needs 3.3.2 or newer"));
  }
  EXPECT_EQ(
      error_of([&] { load_settings(write("target: esp32s3\nesp-dl: 3.3.1\nweight-exponents: channel\n")); }),
      "no error")
      << "that chip has one a layer anyway";
}

TEST_F(SettingsFile, OneTensorHasOneExponent) {
  Settings settings;
  EXPECT_THAT(error_of([&] { set_field(settings, "exponents", "out=-7,out=-3"); }),
              HasSubstr("'out' has two"));
}

TEST_F(SettingsFile, NamesMayHoldCommasBackslashesAndSpaces) {
  Settings settings;
  set_field(settings, "int16-layers", R"(a\,b, c d ,e\\)");
  EXPECT_THAT(settings.int16_layers, ElementsAre("a,b", "c d", "e\\"));
  const std::vector<std::string> names = {"x,y", " z ", "back\\slash"};
  for (const std::string& name : names) {
    set_field(settings, "outputs", list_item(name));
    EXPECT_THAT(settings.outputs, ElementsAre(name));
  }
  settings.outputs = names;
  settings.fixed_exponents = {{"p,q", -3}};
  const Settings read = load_settings(write(to_yaml(settings)));
  EXPECT_EQ(read.outputs, names);
  EXPECT_EQ(read.fixed_exponents, settings.fixed_exponents);
  EXPECT_THAT(load_settings(write("outputs:\n  - a,b\n")).outputs, ElementsAre("a,b"));
}

TEST_F(SettingsFile, NamesMayHoldBytesThatAreNoText) {
  Settings settings;
  settings.outputs = {"\xf5\xff", "\xef\xbf\xbe", "plain"};  // no UTF-8; a code point that is no character
  const Settings read = load_settings(write(to_yaml(settings)));
  EXPECT_EQ(read.outputs, settings.outputs);
  EXPECT_EQ(to_yaml(read), to_yaml(settings));
}

TEST_F(SettingsFile, ListsWithoutANameAreRefused) {
  Settings settings;
  EXPECT_THAT(error_of([&] { set_field(settings, "outputs", "a,,b"); }), HasSubstr("found an empty one"));
  EXPECT_THAT(error_of([&] { set_field(settings, "outputs", "a\\"); }), HasSubstr("behind the backslash"));
  EXPECT_THAT(error_of([&] { load_settings(write("bits: [8, 16]\n")); }),
              HasSubstr("one value was expected"));
  set_field(settings, "outputs", "");
  EXPECT_TRUE(settings.outputs.empty());
}

TEST_F(SettingsFile, ASizeIsOfBothSidesOrOfNone) {
  Settings settings;
  EXPECT_THAT(error_of([&] { set_field(settings, "imgsz", "0x64"); }), HasSubstr("above 0"));
  EXPECT_THAT(error_of([&] { set_field(settings, "imgsz", "0"); }), ::testing::Eq("no error"));
}

TEST_F(SettingsFile, APresetIsDepartedFromWhereverItStands) {
  const Settings settings = load_settings(write("calibration: mse\nemulate: esp-ppq\n"));
  EXPECT_EQ(settings.calibration, Calibration::kMse);
  EXPECT_FALSE(settings.rescaling);
  EXPECT_FALSE(settings.channel_groups);
  EXPECT_FALSE(settings.weight_refit);
  EXPECT_EQ(settings.add_alignment, Alignment::kOutput);
  EXPECT_EQ(to_yaml(load_settings(write(to_yaml(settings)))), to_yaml(settings));
  EXPECT_THAT(error_of([&] { load_settings(write("emulate: tflite\n")); }),
              HasSubstr("line 1: emulate: expected none or esp-ppq"));
}

TEST_F(SettingsFile, SaysWhatHasNoEffect) {
  Settings settings;
  EXPECT_EQ(without_effect(settings, "calibration"), "");
  EXPECT_THAT(without_effect(settings, "percentile"), HasSubstr("is percentile"));
  settings.weight_calibration = WeightCalibration::kPercentile;
  EXPECT_EQ(without_effect(settings, "percentile"), "");
  EXPECT_EQ(without_effect(settings, "search-images"), "exponent-search is off");
}

TEST(ExampleConfigs, AllAreRead) {
  std::set<std::string> read;
  for (const auto& entry : std::filesystem::directory_iterator(SHRIKE_SOURCE_DIR "/examples/configs")) {
    EXPECT_NO_THROW(load_settings(entry.path())) << entry.path();
    read.insert(entry.path().stem());
  }
  EXPECT_THAT(read, IsSupersetOf({"tutorial_a", "tutorial_b", "minmax", "percentile"}));
}

TEST(ExampleConfigs, SchemeBIsSchemeAWithWideAndSplitLayers) {
  const std::string folder = SHRIKE_SOURCE_DIR "/examples/configs/";
  Settings b = load_settings(folder + "tutorial_b.yaml");
  EXPECT_EQ(b.int16_layers.size(), 3u);
  EXPECT_THAT(b.split_layers, ElementsAre("/model.0/conv/Conv", "/model.1/conv/Conv"));
  EXPECT_EQ(b.split_threshold, 1.5);
  b.int16_layers.clear();
  b.split_layers.clear();
  b.split_threshold = Settings().split_threshold;
  EXPECT_EQ(to_yaml(b), to_yaml(load_settings(folder + "tutorial_a.yaml")));
}

}  // namespace
}  // namespace shrike::quantize
