#include "toolchain/data/draw.h"

#include <algorithm>
#include <cmath>

#include "toolchain/data/font.h"

namespace shrike::data {
namespace {

// Pixels of the picture's shorter side per pixel of line and letter: 2 at 480 rows, 4 at 1080.
constexpr int kSidePerUnit = 240;

Color readable_on(Color background) {
  const int luminance = 299 * background[0] + 587 * background[1] + 114 * background[2];
  return luminance > 128000 ? Color{0, 0, 0} : Color{255, 255, 255};
}

}  // namespace

void fill_rectangle(Image& image, int x1, int y1, int x2, int y2, Color color) {
  x1 = std::max(x1, 0);
  x2 = std::min(x2, image.width);
  y2 = std::min(y2, image.height);
  for (int y = std::max(y1, 0); y < y2; ++y) {
    for (int x = x1; x < x2; ++x) {
      std::copy(color.begin(), color.end(), &image.pixels[(static_cast<size_t>(y) * image.width + x) * 3]);
    }
  }
}

void draw_frame(Image& image, int x1, int y1, int x2, int y2, int line, Color color) {
  fill_rectangle(image, x1, y1, x2, std::min(y1 + line, y2), color);
  fill_rectangle(image, x1, std::max(y2 - line, y1), x2, y2, color);
  fill_rectangle(image, x1, y1, std::min(x1 + line, x2), y2, color);
  fill_rectangle(image, std::max(x2 - line, x1), y1, x2, y2, color);
}

int text_width(const std::string& text, int scale) {
  return text.empty() ? 0 : (static_cast<int>(text.size()) * kGlyphAdvance - 1) * scale;
}

void draw_text(Image& image, int x, int y, const std::string& text, int scale, Color color) {
  for (const char character : text) {
    const Glyph& rows = glyph(character);
    for (int row = 0; row < kGlyphRows; ++row) {
      for (int column = 0; column < 5; ++column) {
        if (((rows[static_cast<size_t>(row)] >> (4 - column)) & 1) == 0) continue;
        const int left = x + column * scale, top = y + row * scale;
        fill_rectangle(image, left, top, left + scale, top + scale, color);
      }
    }
    x += kGlyphAdvance * scale;
  }
}

void draw_labelled_box(Image& image, float x1, float y1, float x2, float y2, const std::string& label,
                       Color color) {
  const int unit = std::max(
      1,
      static_cast<int>(std::lround(static_cast<double>(std::min(image.width, image.height)) / kSidePerUnit)));
  const int left = static_cast<int>(std::lround(x1)), top = static_cast<int>(std::lround(y1));
  const int right = static_cast<int>(std::lround(x2)), bottom = static_cast<int>(std::lround(y2));
  draw_frame(image, left, top, right, bottom, unit, color);
  const int strip_height = (kGlyphRows + 2) * unit;
  const int strip_width = text_width(label, unit) + 4 * unit;
  // Above the box, else inside; never past the right edge of the picture.
  const int strip_top = top >= strip_height ? top - strip_height : top;
  const int strip_left = std::max(0, std::min(left, image.width - strip_width));
  fill_rectangle(image, strip_left, strip_top, strip_left + strip_width, strip_top + strip_height, color);
  draw_text(image, strip_left + 2 * unit, strip_top + 2 * unit, label, unit, readable_on(color));
}

// Steps of the golden angle around the circle of hues, at full saturation.
Color color_of(int index) {
  const double hue = std::fmod(index * 137.50776405003785 + 12, 360) / 60;
  const auto channel = [hue](double offset) {
    const double k = std::fmod(offset + hue, 6);
    const double value = 1 - 0.85 * std::max(0.0, std::min({k, 4 - k, 1.0}));
    return static_cast<uint8_t>(std::lround(245 * value));
  };
  return {channel(5), channel(3), channel(1)};
}

}  // namespace shrike::data
