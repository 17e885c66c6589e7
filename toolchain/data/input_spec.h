// What a network wants to be fed with: decided once, kept in the graph's and the file's metadata ("input"),
// obeyed by calibration, evaluation, detection and the device alike.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "shrike/image.h"
#include "toolchain/data/image.h"

namespace shrike::data {

enum class Color { kRgb, kBgr, kGray };

// What a user says; what is left out follows from the network, else from the defaults (RGB, 0..1, letterbox).
struct InputOptions {
  std::vector<double> mean, std;  // one number or one a channel, in the network's channel order
  std::optional<double> scale;    // factor of pixels before mean and std
  std::optional<Color> color;
  std::optional<Geometry> geometry;
  std::optional<bool> channels_last;  // of the model's own input shape

  bool operator==(const InputOptions&) const = default;
};

// A picture input. Value of a channel: (pixel - mean) / std with pixels of 0..255.
struct InputSpec {
  int width = 0, height = 0, channels = 3;  // 1 or 3
  bool channels_last = false;               // [1,H,W,C] instead of [1,C,H,W]
  Color color = Color::kRgb;
  std::array<float, 3> mean = {0, 0, 0};
  std::array<float, 3> std = {255, 255, 255};
  Geometry geometry = Geometry::kLetterbox;
  uint8_t padding = 114;  // pixel value around the picture

  // Values that black and white become, over all channels.
  std::array<float, 2> range() const;
  size_t elements() const { return static_cast<size_t>(width) * height * channels; }
};

inline constexpr const char* kInputKey = "input";

// Nothing when the shape is not a picture's: [1,C,H,W] or [1,H,W,C] with 1 or 3 channels. `metadata` is what
// a file says (empty: nothing), `options` what the user says, which counts more. Throws Error for
// contradictions: numbers that are none of a scale, gray for three channels, a wrong count.
std::optional<InputSpec> input_spec(const std::vector<int64_t>& shape, const std::string& metadata,
                                    const InputOptions& options = {});
// "color=bgr mean=0,0,0 std=1,1,1 fit=stretch padding=114" for the metadata; empty for the defaults.
std::string to_text(const InputSpec& spec);
// One line for people: "BGR, (pixel - 127.5) / 127.5: -1 to 1, stretch".
std::string describe(const InputSpec& spec);

// A picture in the network's geometry and order: `elements()` values. `placement` may be null.
std::vector<float> to_network(const Image& image, const InputSpec& spec, Placement* placement);
// The device floor's preprocessing that does the same.
PreprocessOptions preprocess_options(const InputSpec& spec);

Color parse_color(const std::string& text);        // rgb, bgr, gray
Geometry parse_geometry(const std::string& text);  // letterbox, stretch, center-crop
const char* name_of(Color color);
const char* name_of(Geometry geometry);
// "1", "0.5,0.4,0.3"; throws Error naming `field`.
std::vector<double> parse_numbers(const std::string& field, const std::string& text);

}  // namespace shrike::data
