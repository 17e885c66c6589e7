// Internal to lettering: fonts that were opened. fonts_freetype.cpp has them where the program is built with
// FreeType, fonts_none.cpp refuses them elsewhere.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "toolchain/data/lettering.h"

namespace shrike::data {

// Lines are `height` pixels high, from the highest letter's top to the lowest descender.
class Lettering::Fonts {
 public:
  virtual ~Fonts() = default;
  virtual int width(const std::vector<char32_t>& text, int height) const = 0;
  virtual void draw(Image& image, int x, int y, const std::vector<char32_t>& text, int height,
                    Rgb color) const = 0;
  virtual bool has(char32_t character) const = 0;
};

// Throws Error for a file that is no font; `paths` is not empty.
std::shared_ptr<const Lettering::Fonts> open_fonts(const std::vector<std::string>& paths);

}  // namespace shrike::data
