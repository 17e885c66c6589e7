#include "toolchain/data/input_spec.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <sstream>

#include <fmt/ranges.h>

#include "toolchain/support/error.h"

namespace shrike::data {
namespace {

constexpr int64_t kMaxSide = 65535;  // the chip keeps sides in 16 bits

bool is_channel_count(int64_t count) {
  return count == 1 || count == 3;
}

std::array<float, 3> each(const std::vector<double>& values, int channels, const char* what) {
  if (values.size() != 1 && values.size() != static_cast<size_t>(channels)) {
    fail("{}: one number or {} were expected, found {}", what, channels, values.size());
  }
  std::array<float, 3> result{};
  for (size_t c = 0; c < 3; ++c)
    result[c] = static_cast<float>(values[values.size() == 1 ? 0 : std::min(c, values.size() - 1)]);
  return result;
}

// Without --scale the numbers tell what they belong to: those of pixels of 0..255 are greater than 1, those
// of pixels of 0..1 are not.
double scale_of(const InputOptions& options) {
  if (options.scale) return *options.scale;
  const auto large = [](double value) { return std::fabs(value) > 1; };
  const bool of_bytes = std::any_of(options.mean.begin(), options.mean.end(), large) ||
                        std::any_of(options.std.begin(), options.std.end(), large);
  return of_bytes ? 1.0 : 1.0 / 255;
}

void apply_range(const InputOptions& options, InputSpec& spec) {
  if (options.mean.empty() && options.std.empty() && !options.scale) return;
  const double scale = scale_of(options);
  if (!(scale > 0) || !std::isfinite(scale)) fail("--scale: a positive number was expected, got {}", scale);
  const auto mean =
      each(options.mean.empty() ? std::vector<double>{0} : options.mean, spec.channels, "--mean");
  const auto std = each(options.std.empty() ? std::vector<double>{1} : options.std, spec.channels, "--std");
  for (size_t c = 0; c < 3; ++c) {
    if (!(std[c] > 0)) fail("--std: positive numbers were expected, got {}", std[c]);
    // 1/255 and 1 are by far the most usual; they stay what they are.
    spec.mean[c] = options.scale || scale != 1 ? static_cast<float>(mean[c] / scale) : mean[c];
    spec.std[c] = options.scale || scale != 1 ? static_cast<float>(std[c] / scale) : std[c];
  }
}

void apply(const InputOptions& options, InputSpec& spec) {
  if (options.color) spec.color = *options.color;
  if (options.geometry) spec.geometry = *options.geometry;
  apply_range(options, spec);
}

void read(const std::string& metadata, InputSpec& spec) {
  std::istringstream words(metadata);
  for (std::string word; words >> word;) {
    const size_t equals = word.find('=');
    if (equals == std::string::npos) continue;
    const std::string key = word.substr(0, equals), value = word.substr(equals + 1);
    if (key == "color") spec.color = parse_color(value);
    if (key == "fit") spec.geometry = parse_geometry(value);
    if (key == "mean")
      spec.mean = each(parse_numbers(key, value), spec.channels, "mean in the file's metadata");
    if (key == "std") spec.std = each(parse_numbers(key, value), spec.channels, "std in the file's metadata");
    if (key == "padding")
      spec.padding = static_cast<uint8_t>(std::clamp(parse_numbers(key, value).at(0), 0.0, 255.0));
  }
}

// The chip's weights (spec/runtime-and-vision.md 2.4).
uint8_t to_gray(const uint8_t* rgb) {
  return static_cast<uint8_t>((9798 * rgb[0] + 19235 * rgb[1] + 3735 * rgb[2] + (1 << 14)) >> 15);
}

std::string numbers_text(const std::array<float, 3>& values, int channels) {
  const bool same = values[0] == values[1] && values[1] == values[2];
  const std::vector<float> shown(values.begin(), values.begin() + (same ? 1 : channels));
  return fmt::format("{}", fmt::join(shown, ","));
}

}  // namespace

std::array<float, 2> InputSpec::range() const {
  std::array<float, 2> range = {INFINITY, -INFINITY};
  for (int c = 0; c < channels; ++c) {
    range[0] = std::min(range[0], (0 - mean[c]) / std[c]);
    range[1] = std::max(range[1], (255 - mean[c]) / std[c]);
  }
  return range;
}

std::optional<InputSpec> input_spec(const std::vector<int64_t>& shape, const std::string& metadata,
                                    const InputOptions& options) {
  if (shape.size() != 4) return std::nullopt;
  InputSpec spec;
  const bool first = is_channel_count(shape[1]), last = is_channel_count(shape[3]);
  if (!first && !last) return std::nullopt;
  spec.channels_last = options.channels_last.value_or(!first);
  if (spec.channels_last ? !last : !first) return std::nullopt;
  const int64_t height = shape[spec.channels_last ? 1 : 2], width = shape[spec.channels_last ? 2 : 3];
  if (height < 1 || width < 1 || height > kMaxSide || width > kMaxSide) return std::nullopt;
  spec.channels = static_cast<int>(shape[spec.channels_last ? 3 : 1]);
  spec.height = static_cast<int>(height);
  spec.width = static_cast<int>(width);
  if (spec.channels == 1) spec.color = Color::kGray;
  read(metadata, spec);
  apply(options, spec);
  if ((spec.color == Color::kGray) != (spec.channels == 1)) {
    fail("--color: the network's input has {} channel{}, {} was expected, got {}", spec.channels,
         spec.channels == 1 ? "" : "s", spec.channels == 1 ? "gray" : "rgb or bgr", name_of(spec.color));
  }
  return spec;
}

std::string to_text(const InputSpec& spec) {
  const InputSpec plain;
  const bool usual = spec.color != Color::kBgr && spec.mean == plain.mean && spec.std == plain.std &&
                     spec.geometry == plain.geometry && spec.padding == plain.padding;
  if (usual) return "";
  return fmt::format("color={} mean={} std={} fit={} padding={}", name_of(spec.color),
                     numbers_text(spec.mean, spec.channels), numbers_text(spec.std, spec.channels),
                     name_of(spec.geometry), spec.padding);
}

std::string describe(const InputSpec& spec) {
  const auto range = spec.range();
  const std::string mean = numbers_text(spec.mean, spec.channels);
  std::string color = name_of(spec.color);
  for (char& letter : color) letter = static_cast<char>(std::toupper(static_cast<unsigned char>(letter)));
  return fmt::format("{}, {} / {}: {:.4g} to {:.4g}, {}", color,
                     mean == "0" ? "pixel" : fmt::format("(pixel - {})", mean),
                     numbers_text(spec.std, spec.channels), range[0], range[1], name_of(spec.geometry));
}

std::vector<float> to_network(const Image& image, const InputSpec& spec, Placement* placement) {
  const Image fitted = fit(image, spec.width, spec.height, spec.geometry, placement);
  const size_t count = static_cast<size_t>(spec.width) * spec.height;
  const auto channels = static_cast<size_t>(spec.channels);
  std::vector<float> values(spec.elements());
  for (size_t c = 0; c < channels; ++c) {
    const size_t source = spec.color == Color::kBgr ? 2 - c : c;
    for (size_t i = 0; i < count; ++i) {
      const uint8_t* rgb = &fitted.pixels[i * 3];
      const auto pixel = static_cast<float>(spec.color == Color::kGray ? to_gray(rgb) : rgb[source]);
      values[spec.channels_last ? i * channels + c : c * count + i] = (pixel - spec.mean[c]) / spec.std[c];
    }
  }
  return values;
}

PreprocessOptions preprocess_options(const InputSpec& spec) {
  PreprocessOptions options;
  options.fit = spec.geometry == Geometry::kLetterbox ? Fit::kLetterbox
                : spec.geometry == Geometry::kStretch ? Fit::kStretch
                                                      : Fit::kCenterCrop;
  options.swap_red_blue = spec.color == Color::kBgr;
  for (size_t c = 0; c < 3; ++c) {
    options.background[c] = spec.padding;
    options.mean[c] = spec.mean[c];
    options.std[c] = spec.std[c];
  }
  return options;
}

Color parse_color(const std::string& text) {
  if (text == "rgb") return Color::kRgb;
  if (text == "bgr") return Color::kBgr;
  if (text == "gray" || text == "grey") return Color::kGray;
  fail("color: expected one of rgb, bgr, gray, got '{}'", text);
}

Geometry parse_geometry(const std::string& text) {
  if (text == "letterbox") return Geometry::kLetterbox;
  if (text == "stretch") return Geometry::kStretch;
  if (text == "center-crop") return Geometry::kCenterCrop;
  fail("preprocess: expected one of letterbox, stretch, center-crop, got '{}'", text);
}

const char* name_of(Color color) {
  return color == Color::kRgb ? "rgb" : color == Color::kBgr ? "bgr" : "gray";
}

const char* name_of(Geometry geometry) {
  return geometry == Geometry::kLetterbox ? "letterbox"
         : geometry == Geometry::kStretch ? "stretch"
                                          : "center-crop";
}

std::vector<double> parse_numbers(const std::string& field, const std::string& text) {
  std::vector<double> numbers;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, ',');) {
    char* end = nullptr;
    const double value = std::strtod(part.c_str(), &end);
    const bool whole = end != part.c_str() && *end == '\0' && std::isfinite(value) && std::fabs(value) < 1e6;
    if (!whole)
      fail("{}: expected a number or one a channel with commas between them, got '{}'", field, text);
    numbers.push_back(value);
  }
  return numbers;
}

}  // namespace shrike::data
