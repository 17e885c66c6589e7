// Boxes, letters and labels.
#include "toolchain/data/draw.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <set>

#include "toolchain/data/font.h"
#include "toolchain/support/error.h"

namespace shrike::data {
namespace {

const Lettering kBuiltIn = Lettering::built_in();

Image blank(int width, int height) {
  return {width, height, std::vector<uint8_t>(static_cast<size_t>(width) * height * 3, 0)};
}

bool lit(const Image& image, int x, int y) {
  return image.pixels[(static_cast<size_t>(y) * image.width + x) * 3] != 0;
}

size_t count_lit(const Image& image) {
  size_t count = 0;
  for (size_t i = 0; i < image.pixels.size(); i += 3) count += image.pixels[i] != 0;
  return count;
}

TEST(Draw, FrameIsHollow) {
  Image image = blank(10, 8);
  draw_frame(image, 2, 1, 8, 7, 1, {255, 255, 255});
  EXPECT_EQ(count_lit(image), 2u * 6 + 2u * 4);
  EXPECT_TRUE(lit(image, 2, 1));
  EXPECT_TRUE(lit(image, 7, 6));
  EXPECT_FALSE(lit(image, 3, 2));
  EXPECT_FALSE(lit(image, 8, 7));
}

TEST(Draw, EverythingIsClippedToThePicture) {
  Image image = blank(3, 2);
  draw_frame(image, -5, -5, 50, 50, 2, {255, 255, 255});
  EXPECT_EQ(count_lit(image), 0u);
  fill_rectangle(image, -5, -5, 50, 50, {255, 255, 255});
  EXPECT_EQ(count_lit(image), 6u);
  Image dot = blank(1, 1);
  draw_boxes(dot, {{0, 0, 1, 1, "person 0.99", {9, 9, 9}}, {-8, -8, 40, 40, "car", {9, 9, 9}}}, kBuiltIn);
  EXPECT_EQ(dot.pixels.size(), 3u);
}

TEST(Draw, LettersScaleByWholePixels) {
  Image one = blank(12, 10), three = blank(36, 30);
  kBuiltIn.draw(one, 0, 0, "Ag", 1, {255, 255, 255});
  kBuiltIn.draw(three, 0, 0, "Ag", 3, {255, 255, 255});
  EXPECT_GT(count_lit(one), 20u);
  for (int y = 0; y < 30; ++y) {
    for (int x = 0; x < 36; ++x) ASSERT_EQ(lit(three, x, y), lit(one, x / 3, y / 3)) << x << "," << y;
  }
  EXPECT_EQ(kBuiltIn.width("Ag", 3), 33);
  EXPECT_EQ(kBuiltIn.width("", 3), 0);
}

// Readers must be able to tell any two characters apart; descenders stay inside nine rows and five columns.
TEST(Font, AllPrintableCharactersDiffer) {
  std::set<Glyph> seen;
  for (char c = ' '; c <= '~'; ++c) {
    EXPECT_TRUE(seen.insert(glyph(c)).second) << c;
    for (const uint8_t row : glyph(c)) EXPECT_LT(row, 32) << c;
  }
  EXPECT_EQ(glyph('\n'), glyph('\x80'));
  EXPECT_TRUE(seen.insert(glyph('\n')).second);
}

TEST(Lettering, ReadsUtf8AndMarksWhatIsNone) {
  using Points = std::vector<char32_t>;
  EXPECT_EQ(code_points("aß猫😀"), (Points{U'a', U'ß', U'猫', U'😀'}));
  EXPECT_EQ(code_points("\xFF"
                        "a\xC3"),
            (Points{0xFFFD, U'a', 0xFFFD}));
  EXPECT_EQ(code_points("\xE7\x8C"
                        "a"),
            (Points{0xFFFD, 0xFFFD, U'a'}));
}

TEST(Lettering, TheBuiltInFontHasABoxForEachCharacterItDoesNotKnow) {
  EXPECT_EQ(kBuiltIn.width("猫", 2), kBuiltIn.width("a", 2));
  EXPECT_TRUE(kBuiltIn.has("person 0.95"));
  EXPECT_FALSE(kBuiltIn.has("猫"));
  Image image = blank(6, 9);
  kBuiltIn.draw(image, 0, 0, "猫", 1, {255, 255, 255});
  EXPECT_EQ(count_lit(image), 5u * 7);
}

TEST(Lettering, RealFontsDrawWhatTheBuiltInOneCanNot) {
  const std::string dejavu = "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf";
  if (!std::filesystem::exists(dejavu)) GTEST_SKIP() << "fonts-dejavu-core is not installed";
  std::optional<Lettering> fonts;
  try {
    fonts = Lettering::of_fonts({dejavu});
  } catch (const Error& error) {
    GTEST_SKIP() << error.what();
  }
  EXPECT_TRUE(fonts->has("Straßenbahn, трамвай, τραμ"));
  EXPECT_FALSE(fonts->has("猫"));
  EXPECT_EQ(fonts->height(3), 27);
  EXPECT_GT(fonts->width("трамвай", 3), fonts->width("трам", 3));
  EXPECT_LT(fonts->width("iii", 3), fonts->width("WWW", 3));
  Image image = blank(200, 40);
  fonts->draw(image, 10, 5, "Трамвай gy", 3, {255, 255, 255});
  // Inside of its line, and in shades.
  std::set<uint8_t> shades;
  for (int y = 0; y < 40; ++y) {
    for (int x = 0; x < 200; ++x) {
      const uint8_t shade = image.pixels[(static_cast<size_t>(y) * 200 + x) * 3];
      shades.insert(shade);
      if (shade != 0) {
        EXPECT_GE(y, 5);
        EXPECT_LT(y, 5 + 27);
      }
    }
  }
  EXPECT_GT(shades.size(), 20u);
  // Clipped at every edge.
  Image dot = blank(3, 3);
  for (const int at : {-500, -8, 2, 500}) fonts->draw(dot, at, at, "Ägypten", 3, {255, 255, 255});
  EXPECT_THROW(Lettering::of_fonts({__FILE__}), Error);
  EXPECT_THROW(Lettering::of_fonts({"/nowhere.ttf"}), Error);
}

TEST(Labels, StandAboveTheBoxOrInsideAtTheTopEdge) {
  Image image = blank(200, 200);
  const Rgb color{255, 0, 0};
  draw_boxes(image, {{50, 100, 150, 180, "x", color}}, kBuiltIn);
  EXPECT_TRUE(lit(image, 51, 92));
  EXPECT_FALSE(lit(image, 100, 140));
  Image top = blank(200, 200);
  draw_boxes(top, {{50, 3, 150, 180, "x", color}}, kBuiltIn);
  EXPECT_TRUE(lit(top, 51, 6));
  EXPECT_FALSE(lit(top, 51, 1));
}

// Two equal boxes: the second label goes inside, a third below.
TEST(Labels, DoNotCoverEachOther) {
  Image image = blank(200, 200);
  const LabelledBox box{50, 80, 150, 120, "x", {255, 0, 0}};
  draw_boxes(image, {box, box, box}, kBuiltIn);
  EXPECT_TRUE(lit(image, 51, 72));
  EXPECT_TRUE(lit(image, 53, 84));
  EXPECT_TRUE(lit(image, 51, 124));
}

TEST(Labels, StayInsideAtTheRightEdge) {
  Image image = blank(100, 100);
  draw_boxes(image, {{90, 50, 99, 70, "traffic", {255, 255, 255}}}, kBuiltIn);
  EXPECT_TRUE(lit(image, 100 - (7 * 6 - 1 + 4), 42));
}

TEST(Colors, NeighbouringClassesDiffer) {
  for (int i = 0; i < 79; ++i) {
    const Rgb a = color_of(i), b = color_of(i + 1);
    EXPECT_GT(std::abs(a[0] - b[0]) + std::abs(a[1] - b[1]) + std::abs(a[2] - b[2]), 100) << i;
  }
}

}  // namespace
}  // namespace shrike::data
