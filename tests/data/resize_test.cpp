// Bilinear resizing and the letterbox. Expected pixels were computed with cv::resize(INTER_LINEAR) of
// OpenCV 4.6.
#include <gtest/gtest.h>

#include <algorithm>

#include "toolchain/data/image.h"

namespace shrike::data {
namespace {

Image grey(int width, int height, const std::vector<uint8_t>& values) {
  Image image{width, height, {}};
  for (const uint8_t value : values) image.pixels.insert(image.pixels.end(), 3, value);
  return image;
}

std::vector<uint8_t> channel(const Image& image) {
  std::vector<uint8_t> values;
  for (size_t i = 0; i < image.pixels.size(); i += 3) values.push_back(image.pixels[i]);
  return values;
}

// A picture without pattern, reproducible everywhere.
Image noise(int width, int height) {
  Image image{width, height, std::vector<uint8_t>(static_cast<size_t>(width) * height * 3)};
  uint32_t state = 12345;
  for (uint8_t& value : image.pixels) {
    state = state * 1664525u + 1013904223u;
    value = static_cast<uint8_t>(state >> 24);
  }
  return image;
}

uint64_t hash(const Image& image) {  // FNV-1a
  uint64_t value = 14695981039346656037ull;
  for (const uint8_t byte : image.pixels) value = (value ^ byte) * 1099511628211ull;
  return value;
}

TEST(ResizeBilinear, SmallRowsAndColumns) {
  const std::vector<uint8_t> row = {0, 36, 146, 255, 189, 122, 100};
  EXPECT_EQ(channel(resize_bilinear(grey(3, 1, {0, 255, 100}), 7, 1)), row);
  const std::vector<uint8_t> column = {0, 102, 255, 162, 100};
  EXPECT_EQ(channel(resize_bilinear(grey(1, 3, {0, 255, 100}), 1, 5)), column);
}

TEST(ResizeBilinear, EqualsOpenCvInEveryPixel) {
  const struct {
    int width, height, new_width, new_height;
    uint64_t hash;
  } cases[] = {
      {640, 427, 320, 214, 0x6798a37cbd481688ull}, {478, 640, 239, 320, 0xc90b22e91cb0f185ull},
      {37, 21, 64, 64, 0x1e83db8ea1fe505eull},     {64, 64, 37, 21, 0x278207fd6a1bb23eull},
      {500, 375, 640, 480, 0x0647f94fa5a2de2eull}, {640, 480, 320, 240, 0xe984177a102d6428ull},
      {1, 1, 5, 3, 0x55309aa9c40aac85ull},         {3, 200, 7, 11, 0x1d2f9981836bcbbcull},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(hash(resize_bilinear(noise(c.width, c.height), c.new_width, c.new_height)), c.hash)
        << c.width << "x" << c.height << " -> " << c.new_width << "x" << c.new_height;
  }
}

TEST(Letterbox, WidePictureGetsBarsAboveAndBelow) {
  Placement place;
  const Image out = fit(grey(4, 2, std::vector<uint8_t>(8, 200)), 8, 9, Geometry::kLetterbox, &place);
  EXPECT_EQ(place.inner_width, 8);
  EXPECT_EQ(place.inner_height, 4);
  EXPECT_EQ(place.left, 0);
  EXPECT_EQ(place.top, 2);  // of 5 rows the smaller half is above: round(2.5 - 0.1)
  EXPECT_EQ(place.scale_x, 2);
  const auto values = channel(out);
  for (int y = 0; y < 9; ++y) EXPECT_EQ(values[static_cast<size_t>(y) * 8], y >= 2 && y < 6 ? 200 : 114) << y;
}

// 640x427 at 640: one pixel of 213 stays for the lower bar; 478x640: 81 left, 81 right.
TEST(Letterbox, PlacementOfRealSizes) {
  Placement place;
  fit(noise(640, 427), 640, 640, Geometry::kLetterbox, &place);
  EXPECT_EQ(place.top, 106);
  EXPECT_EQ(place.inner_height, 427);
  fit(noise(478, 640), 640, 640, Geometry::kLetterbox, &place);
  EXPECT_EQ(place.left, 81);
  EXPECT_EQ(place.inner_width, 478);
  fit(noise(427, 640), 320, 320, Geometry::kLetterbox, &place);
  EXPECT_EQ(place.inner_width, 214);  // 213.5 to even
  EXPECT_EQ(place.left, 53);
}

TEST(Letterbox, ThinAndTinyPicturesKeepAtLeastOneRow) {
  Placement place;
  const Image thin = fit(noise(1000, 1), 64, 64, Geometry::kLetterbox, &place);
  EXPECT_EQ(place.inner_height, 1);
  EXPECT_EQ(thin.pixels.size(), 64u * 64 * 3);
  const Image dot = fit(grey(1, 1, {9}), 64, 64, Geometry::kLetterbox, &place);
  EXPECT_EQ(place.inner_width, 64);
  EXPECT_TRUE(std::all_of(dot.pixels.begin(), dot.pixels.end(), [](uint8_t v) { return v == 9; }));
}

TEST(Stretch, FillsTheWholeInput) {
  Placement place;
  const Image out = fit(grey(4, 2, std::vector<uint8_t>(8, 200)), 8, 8, Geometry::kStretch, &place);
  EXPECT_TRUE(std::all_of(out.pixels.begin(), out.pixels.end(), [](uint8_t v) { return v == 200; }));
  EXPECT_EQ(place.scale_x, 2);
  EXPECT_EQ(place.scale_y, 4);
}

TEST(CenterCrop, KeepsTheMiddleOfTheWantedRatio) {
  Placement place;
  const Image out = fit(grey(4, 2, {1, 2, 3, 4, 5, 6, 7, 8}), 2, 2, Geometry::kCenterCrop, &place);
  EXPECT_EQ(out.pixels[0], 2);
  EXPECT_EQ(out.pixels[3], 3);
  EXPECT_EQ(out.pixels[6], 6);
  EXPECT_EQ(place.left, -1);
  EXPECT_EQ(place.top, 0);
}

}  // namespace
}  // namespace shrike::data
