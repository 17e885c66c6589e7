#include "toolchain/data/draw.h"

#include <algorithm>
#include <cmath>

namespace shrike::data {
namespace {

// Pixels of the picture's shorter side per pixel of line and letter: 2 at 480 rows, 4 at 1080.
constexpr int kSidePerUnit = 240;
constexpr int kMargin = 2;  // of a label's strip, in such units

Rgb readable_on(Rgb background) {
  const int luminance = 299 * background[0] + 587 * background[1] + 114 * background[2];
  return luminance > 128000 ? Rgb{0, 0, 0} : Rgb{255, 255, 255};
}

struct Rectangle {
  int x1, y1, x2, y2;
};

bool overlap(const Rectangle& a, const Rectangle& b) {
  return a.x1 < b.x2 && b.x1 < a.x2 && a.y1 < b.y2 && b.y1 < a.y2;
}

Rectangle pixels_of(const LabelledBox& box) {
  const auto nearest = [](float value) { return static_cast<int>(std::lround(value)); };
  return {nearest(box.x1), nearest(box.y1), nearest(box.x2), nearest(box.y2)};
}

// The first of the three places that is inside the picture and free; else the first that is inside.
Rectangle place_strip(const Image& image, const Rectangle& box, const std::string& label,
                      const Lettering& lettering, const std::vector<Rectangle>& taken) {
  const int unit = unit_of(image), height = lettering.height(unit) + kMargin * unit,
            width = lettering.width(label, unit) + 2 * kMargin * unit;
  const int left = std::max(0, std::min(box.x1, image.width - width));
  Rectangle fallback{left, box.y1, left + width, box.y1 + height};
  bool inside_seen = false;
  for (const int top : {box.y1 - height, box.y1, box.y2}) {
    const Rectangle strip{left, top, left + width, top + height};
    if (top < 0 || top + height > image.height) continue;
    if (std::none_of(taken.begin(), taken.end(),
                     [&](const Rectangle& other) { return overlap(strip, other); })) {
      return strip;
    }
    if (!inside_seen) fallback = strip;
    inside_seen = true;
  }
  return fallback;
}

}  // namespace

void fill_rectangle(Image& image, int x1, int y1, int x2, int y2, Rgb color) {
  x1 = std::max(x1, 0);
  x2 = std::min(x2, image.width);
  y2 = std::min(y2, image.height);
  for (int y = std::max(y1, 0); y < y2; ++y) {
    for (int x = x1; x < x2; ++x) {
      std::copy(color.begin(), color.end(), &image.pixels[(static_cast<size_t>(y) * image.width + x) * 3]);
    }
  }
}

void draw_frame(Image& image, int x1, int y1, int x2, int y2, int line, Rgb color) {
  fill_rectangle(image, x1, y1, x2, std::min(y1 + line, y2), color);
  fill_rectangle(image, x1, std::max(y2 - line, y1), x2, y2, color);
  fill_rectangle(image, x1, y1, std::min(x1 + line, x2), y2, color);
  fill_rectangle(image, std::max(x2 - line, x1), y1, x2, y2, color);
}

int unit_of(const Image& image) {
  return std::max(1, static_cast<int>(std::lround(static_cast<double>(std::min(image.width, image.height)) /
                                                  kSidePerUnit)));
}

void draw_boxes(Image& image, const std::vector<LabelledBox>& boxes, const Lettering& lettering) {
  const int unit = unit_of(image);
  std::vector<Rectangle> strips;
  for (const LabelledBox& box : boxes)
    strips.push_back(place_strip(image, pixels_of(box), box.label, lettering, strips));
  for (size_t i = boxes.size(); i-- > 0;) {
    const Rectangle frame = pixels_of(boxes[i]);
    draw_frame(image, frame.x1, frame.y1, frame.x2, frame.y2, unit, boxes[i].color);
  }
  for (size_t i = boxes.size(); i-- > 0;) {
    const Rectangle& strip = strips[i];
    fill_rectangle(image, strip.x1, strip.y1, strip.x2, strip.y2, boxes[i].color);
    lettering.draw(image, strip.x1 + kMargin * unit, strip.y1 + kMargin * unit, boxes[i].label, unit,
                   readable_on(boxes[i].color));
  }
}

// Steps of the golden angle around the circle of hues, at full saturation.
Rgb color_of(int index) {
  const double hue = std::fmod(index * 137.50776405003785 + 12, 360) / 60;
  const auto channel = [hue](double offset) {
    const double k = std::fmod(offset + hue, 6);
    const double value = 1 - 0.85 * std::max(0.0, std::min({k, 4 - k, 1.0}));
    return static_cast<uint8_t>(std::lround(245 * value));
  };
  return {channel(5), channel(3), channel(1)};
}

}  // namespace shrike::data
