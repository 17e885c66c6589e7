// Bilinear resizing in 11-bit fixed point and the evaluation's letterbox.
#include <algorithm>
#include <array>
#include <cmath>

#include "toolchain/data/image.h"
#include "toolchain/support/error.h"

namespace shrike::data {
namespace {

constexpr int kOne = 2048;  // INTER_RESIZE_COEF_SCALE
constexpr uint8_t kGrey = 114;

// The two source positions and weights of one destination position along one axis.
struct Tap {
  int first, second;
  int first_weight, second_weight;
};

// Pixel centres lie at half-integers. The position is a float32 of a double product and weights round half to
// even. Columns that fall outside take the edge with full weight; rows keep their weights and clamp both
// positions: the sums differ only where the two rounded weights don't add up to 2048.
std::vector<Tap> taps(int source, int destination, bool column) {
  const double ratio = 1.0 / (static_cast<double>(destination) / source);
  std::vector<Tap> result(static_cast<size_t>(destination));
  for (int i = 0; i < destination; ++i) {
    float position = static_cast<float>((i + 0.5) * ratio - 0.5);
    int index = static_cast<int>(std::floor(position));
    position -= static_cast<float>(index);
    if (column && index < 0) {
      index = 0;
      position = 0;
    }
    if (column && index >= source - 1) {
      index = source - 1;
      position = 0;
    }
    result[i] = {std::clamp(index, 0, source - 1), std::clamp(index + 1, 0, source - 1),
                 static_cast<int>(std::lrint((1.0f - position) * kOne)),
                 static_cast<int>(std::lrint(position * kOne))};
  }
  return result;
}

void blend_row(const uint8_t* row, const std::vector<Tap>& columns, int* output) {
  for (const Tap& tap : columns) {
    const uint8_t* a = row + tap.first * 3;
    const uint8_t* b = row + tap.second * 3;
    for (int c = 0; c < 3; ++c) *output++ = a[c] * tap.first_weight + b[c] * tap.second_weight;
  }
}

// The 22-bit product is reduced in the order of OpenCV's 8-bit path: 4 bits before the row weight, 16 after
// it, then a rounded 2: the two roundings-down make it differ from one rounded shift by 22.
uint8_t mix(int upper, int lower, int upper_weight, int lower_weight) {
  return static_cast<uint8_t>(
      (((upper_weight * (upper >> 4)) >> 16) + ((lower_weight * (lower >> 4)) >> 16) + 2) >> 2);
}

// Halving is a 2x2 mean, as in OpenCV, where this case is handed to the area path.
Image halve(const Image& image, int width, int height) {
  Image out{width, height, std::vector<uint8_t>(static_cast<size_t>(width) * height * 3)};
  const size_t stride = static_cast<size_t>(image.width) * 3;
  uint8_t* to = out.pixels.data();
  for (int y = 0; y < height; ++y) {
    const uint8_t* upper = image.pixels.data() + stride * 2 * y;
    const uint8_t* lower = upper + stride;
    for (int x = 0; x < width; ++x, upper += 6, lower += 6) {
      for (int c = 0; c < 3; ++c)
        *to++ = static_cast<uint8_t>((upper[c] + upper[c + 3] + lower[c] + lower[c + 3] + 2) >> 2);
    }
  }
  return out;
}

// Where the picture goes: ratio, rounded inner size (half to even), the smaller half of the padding left and
// above.
Placement letterbox_placement(const Image& image, int width, int height) {
  Placement place;
  const double ratio =
      std::min(static_cast<double>(height) / image.height, static_cast<double>(width) / image.width);
  place.scale_x = place.scale_y = static_cast<float>(ratio);
  place.inner_width = std::max(1, static_cast<int>(std::nearbyint(image.width * ratio)));
  place.inner_height = std::max(1, static_cast<int>(std::nearbyint(image.height * ratio)));
  place.left = static_cast<int>(std::nearbyint((width - place.inner_width) / 2.0 - 0.1));
  place.top = static_cast<int>(std::nearbyint((height - place.inner_height) / 2.0 - 0.1));
  return place;
}

}  // namespace

Image resize_bilinear(const Image& image, int width, int height) {
  if (width < 1 || height < 1)
    fail("a picture can't be resized to {}x{}; both sides must be at least 1", width, height);
  if (width == image.width && height == image.height) return image;
  if (image.width == 2 * width && image.height == 2 * height) return halve(image, width, height);
  Image out{width, height, std::vector<uint8_t>(static_cast<size_t>(width) * height * 3)};
  const std::vector<Tap> columns = taps(image.width, width, true);
  const std::vector<Tap> rows = taps(image.height, height, false);
  const size_t row_values = static_cast<size_t>(width) * 3;
  const size_t stride = static_cast<size_t>(image.width) * 3;
  // Two blended source rows are kept: consecutive output rows share them.
  std::array<std::vector<int>, 2> kept{std::vector<int>(row_values), std::vector<int>(row_values)};
  std::array<int, 2> kept_row{-1, -1};
  const auto blended = [&](int row, int other) -> const int* {
    for (int i = 0; i < 2; ++i) {
      if (kept_row[i] == row) return kept[i].data();
    }
    const int slot = kept_row[0] == other ? 1 : 0;
    kept_row[slot] = row;
    blend_row(image.pixels.data() + stride * row, columns, kept[slot].data());
    return kept[slot].data();
  };
  for (int y = 0; y < height; ++y) {
    const Tap& tap = rows[y];
    const int* upper = blended(tap.first, tap.second);
    const int* lower = blended(tap.second, tap.first);
    uint8_t* to = out.pixels.data() + row_values * y;
    for (size_t i = 0; i < row_values; ++i)
      to[i] = mix(upper[i], lower[i], tap.first_weight, tap.second_weight);
  }
  return out;
}

// Resized so that it covers the rectangle, then cut to it in the middle.
static Image center_crop(const Image& image, int width, int height, Placement* placement) {
  const double ratio =
      std::max(static_cast<double>(height) / image.height, static_cast<double>(width) / image.width);
  Placement place;
  place.scale_x = place.scale_y = static_cast<float>(ratio);
  place.inner_width = std::max(width, static_cast<int>(std::nearbyint(image.width * ratio)));
  place.inner_height = std::max(height, static_cast<int>(std::nearbyint(image.height * ratio)));
  place.left = -((place.inner_width - width) / 2);
  place.top = -((place.inner_height - height) / 2);
  const Image inner = resize_bilinear(image, place.inner_width, place.inner_height);
  Image out{width, height, std::vector<uint8_t>(static_cast<size_t>(width) * height * 3)};
  for (int y = 0; y < height; ++y) {
    const auto from =
        inner.pixels.begin() + (static_cast<std::ptrdiff_t>(y - place.top) * inner.width - place.left) * 3;
    std::copy(from, from + static_cast<std::ptrdiff_t>(width) * 3,
              out.pixels.begin() + static_cast<std::ptrdiff_t>(y) * width * 3);
  }
  if (placement != nullptr) *placement = place;
  return out;
}

Image fit(const Image& image, int width, int height, Geometry geometry, Placement* placement) {
  if (image.width < 1 || image.height < 1) fail("an empty picture can't be fitted into {}x{}", width, height);
  if (geometry == Geometry::kStretch) {
    if (placement != nullptr) {
      *placement = {static_cast<float>(width) / static_cast<float>(image.width),
                    static_cast<float>(height) / static_cast<float>(image.height),
                    0,
                    0,
                    width,
                    height};
    }
    return resize_bilinear(image, width, height);
  }
  if (geometry == Geometry::kCenterCrop) return center_crop(image, width, height, placement);
  const Placement place = letterbox_placement(image, width, height);
  const Image inner = resize_bilinear(image, place.inner_width, place.inner_height);
  Image out{width, height, std::vector<uint8_t>(static_cast<size_t>(width) * height * 3, kGrey)};
  for (int y = 0; y < inner.height; ++y) {
    const auto from = inner.pixels.begin() + static_cast<std::ptrdiff_t>(y) * inner.width * 3;
    std::copy(from, from + static_cast<std::ptrdiff_t>(inner.width) * 3,
              out.pixels.begin() + (static_cast<std::ptrdiff_t>(y + place.top) * width + place.left) * 3);
  }
  if (placement != nullptr) *placement = place;
  return out;
}

}  // namespace shrike::data
