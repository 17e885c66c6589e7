// Text on pictures: in fonts of this machine where FreeType and a font are there, else in the built-in font
// of 5x7 pixels (data/font.h), which knows printable ASCII only.
#pragma once
#include <array>
#include <memory>
#include <string>
#include <vector>

#include "toolchain/data/image.h"

namespace shrike::data {

using Rgb = std::array<uint8_t, 3>;  // R, G, B

class Lettering {
 public:
  static Lettering built_in();
  // Font files, the first of which has a character gives it. Throws Error for a file that is no font, or
  // when the program was built without FreeType.
  static Lettering of_fonts(const std::vector<std::string>& paths);
  // The fonts that SHRIKE_FONT names (separated by colons; empty: the built-in font); without it those of
  // Debian's fonts-dejavu-core and of packages with Chinese, Japanese and Korean characters that are there.
  static Lettering usual();

  // Sizes are in units: a unit is a pixel of the built-in font (data/draw.h says how large they are). `text`
  // is UTF-8; what is none, and characters that no font has, become boxes.
  int width(const std::string& text, int unit) const;  // pixels
  int height(int unit) const;                          // pixels of a line, descenders included
  // The text's upper left corner at (x, y); clipped to the picture.
  void draw(Image& image, int x, int y, const std::string& text, int unit, Rgb color) const;
  // All characters are in the fonts.
  bool has(const std::string& text) const;

  class Fonts;

 private:
  explicit Lettering(std::shared_ptr<const Fonts> fonts) : fonts_(std::move(fonts)) {}
  std::shared_ptr<const Fonts> fonts_;  // null: the built-in font
};

// The characters of UTF-8 text as code points; U+FFFD for each byte that belongs to none.
std::vector<char32_t> code_points(const std::string& text);

}  // namespace shrike::data
