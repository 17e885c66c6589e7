#include "toolchain/train/augment.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

namespace shrike::train {
namespace {

constexpr uint8_t kGrey = 114;

data::Image canvas(int width, int height) {
  return {width, height, std::vector<uint8_t>(static_cast<size_t>(width) * height * 3, kGrey)};
}

// Copies `image` so that its left upper corner is at (left, top); what falls outside is lost.
void paste(data::Image& target, const data::Image& image, int left, int top) {
  const int x1 = std::max(0, left), x2 = std::min(target.width, left + image.width);
  if (x1 >= x2) return;
  for (int y = std::max(0, top); y < std::min(target.height, top + image.height); ++y) {
    std::memcpy(&target.pixels[(static_cast<size_t>(y) * target.width + x1) * 3],
                &image.pixels[(static_cast<size_t>(y - top) * image.width + (x1 - left)) * 3],
                static_cast<size_t>(x2 - x1) * 3);
  }
}

float area(const Truth& truth) {
  return std::max(0.0f, truth.x2 - truth.x1) * std::max(0.0f, truth.y2 - truth.y1);
}

Truth clipped(Truth truth, int width, int height) {
  truth.x1 = std::clamp(truth.x1, 0.0f, static_cast<float>(width));
  truth.x2 = std::clamp(truth.x2, 0.0f, static_cast<float>(width));
  truth.y1 = std::clamp(truth.y1, 0.0f, static_cast<float>(height));
  truth.y2 = std::clamp(truth.y2, 0.0f, static_cast<float>(height));
  return truth;
}

// Bilinear; outside is grey. `scale` output pixels an input pixel, the input's origin at (left, top).
data::Image resample(const data::Image& image, int width, int height, double scale, double left, double top) {
  data::Image result = canvas(width, height);
  const double step = 1 / scale;
  for (int y = 0; y < height; ++y) {
    const double v = (y + 0.5 - top) * step - 0.5;
    const int row = static_cast<int>(std::floor(v));
    if (row < -1 || row >= image.height) continue;
    const auto down = static_cast<float>(v - row);
    for (int x = 0; x < width; ++x) {
      const double u = (x + 0.5 - left) * step - 0.5;
      const int column = static_cast<int>(std::floor(u));
      if (column < -1 || column >= image.width) continue;
      const auto right = static_cast<float>(u - column);
      const auto at = [&](int r, int c, int channel) -> float {
        if (r < 0 || c < 0 || r >= image.height || c >= image.width) return kGrey;
        return image.pixels[(static_cast<size_t>(r) * image.width + c) * 3 + channel];
      };
      for (int channel = 0; channel < 3; ++channel) {
        const float upper = at(row, column, channel) * (1 - right) + at(row, column + 1, channel) * right;
        const float lower =
            at(row + 1, column, channel) * (1 - right) + at(row + 1, column + 1, channel) * right;
        result.pixels[(static_cast<size_t>(y) * width + x) * 3 + channel] =
            static_cast<uint8_t>(std::lround(upper * (1 - down) + lower * down));
      }
    }
  }
  return result;
}

// What is left of the objects of a view: at least 2 pixels in both directions, no slivers, and a tenth of
// what the object would be without the view's edges.
std::vector<Truth> visible(const std::vector<Truth>& truths, int width, int height, double scale, double left,
                           double top) {
  constexpr float kSmallest = 2, kLongest = 100;
  constexpr double kLeast = 0.1;
  std::vector<Truth> result;
  for (Truth truth : truths) {
    const double whole = area(truth) * scale * scale;
    truth.x1 = static_cast<float>(truth.x1 * scale + left);
    truth.x2 = static_cast<float>(truth.x2 * scale + left);
    truth.y1 = static_cast<float>(truth.y1 * scale + top);
    truth.y2 = static_cast<float>(truth.y2 * scale + top);
    truth = clipped(truth, width, height);
    const float w = truth.x2 - truth.x1, h = truth.y2 - truth.y1;
    if (w <= kSmallest || h <= kSmallest || w >= kLongest * h || h >= kLongest * w) continue;
    if (area(truth) > kLeast * whole) result.push_back(truth);
  }
  return result;
}

}  // namespace

Sample mosaic(const std::vector<Sample>& four, int width, int height, Random& random) {
  Sample result;
  result.image = canvas(2 * width, 2 * height);
  const int x = static_cast<int>(random.uniform(0.5 * width, 1.5 * width)),
            y = static_cast<int>(random.uniform(0.5 * height, 1.5 * height));
  for (size_t i = 0; i < four.size(); ++i) {
    const Sample& part = four[i];
    const int left = i % 2 == 0 ? x - part.image.width : x, top = i < 2 ? y - part.image.height : y;
    // Each picture keeps to its own quarter.
    const int from_x = i % 2 == 0 ? 0 : x, to_x = i % 2 == 0 ? x : 2 * width;
    const int from_y = i < 2 ? 0 : y, to_y = i < 2 ? y : 2 * height;
    paste(result.image, part.image, left, top);
    for (Truth truth : part.truths) {
      truth.x1 = std::clamp(truth.x1 + static_cast<float>(left), static_cast<float>(from_x),
                            static_cast<float>(to_x));
      truth.x2 = std::clamp(truth.x2 + static_cast<float>(left), static_cast<float>(from_x),
                            static_cast<float>(to_x));
      truth.y1 = std::clamp(truth.y1 + static_cast<float>(top), static_cast<float>(from_y),
                            static_cast<float>(to_y));
      truth.y2 = std::clamp(truth.y2 + static_cast<float>(top), static_cast<float>(from_y),
                            static_cast<float>(to_y));
      if (area(truth) > 0) result.truths.push_back(truth);
    }
  }
  return result;
}

Sample zoom_and_shift(const Sample& sample, int width, int height, double scale, double translate,
                      Random& random) {
  const double zoom = random.uniform(1 - scale, 1 + scale);
  const double left =
                   random.uniform(0.5 - translate, 0.5 + translate) * width - zoom * sample.image.width / 2.0,
               top = random.uniform(0.5 - translate, 0.5 + translate) * height -
                     zoom * sample.image.height / 2.0;
  if (zoom == 1 && left == 0 && top == 0) return sample;
  Sample result;
  result.image = resample(sample.image, width, height, zoom, left, top);
  result.truths = visible(sample.truths, width, height, zoom, left, top);
  return result;
}

void shift_colours(data::Image& image, double hue, double saturation, double value, Random& random) {
  const double by_hue = 1 + random.uniform(-hue, hue),
               by_saturation = 1 + random.uniform(-saturation, saturation),
               by_value = 1 + random.uniform(-value, value);
  if (by_hue == 1 && by_saturation == 1 && by_value == 1) return;
  for (size_t i = 0; i + 2 < image.pixels.size(); i += 3) {
    uint8_t* const pixel = &image.pixels[i];
    const double r = pixel[0], g = pixel[1], b = pixel[2];
    const double v = std::max({r, g, b}), range = v - std::min({r, g, b});
    double h = 0;  // in sixths of the circle
    if (range > 0) {
      h = v == r ? (g - b) / range : v == g ? 2 + (b - r) / range : 4 + (r - g) / range;
      if (h < 0) h += 6;
    }
    h = std::fmod(h * by_hue, 6);
    const double s = std::min(1.0, (v > 0 ? range / v : 0) * by_saturation);
    const double bright = std::min(255.0, v * by_value);
    // The channel at `turn` sixths behind red.
    const auto channel = [&](double turn) {
      const double k = std::fmod(turn + h, 6);
      return static_cast<uint8_t>(
          std::lround(bright - bright * s * std::clamp(std::min(k, 4 - k), 0.0, 1.0)));
    };
    pixel[0] = channel(5);
    pixel[1] = channel(3);
    pixel[2] = channel(1);
  }
}

void flip(Sample& sample) {
  data::Image& image = sample.image;
  for (int y = 0; y < image.height; ++y) {
    uint8_t* const row = &image.pixels[static_cast<size_t>(y) * image.width * 3];
    for (int x = 0; x < image.width / 2; ++x) {
      std::swap_ranges(row + x * 3, row + x * 3 + 3, row + (image.width - 1 - x) * 3);
    }
  }
  const auto width = static_cast<float>(image.width);
  for (Truth& truth : sample.truths) {
    const float left = width - truth.x2;
    truth.x2 = width - truth.x1;
    truth.x1 = left;
  }
}

}  // namespace shrike::train
