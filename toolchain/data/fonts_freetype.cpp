#include <ft2build.h>
#include FT_FREETYPE_H

#include <algorithm>
#include <type_traits>

#include "toolchain/data/fonts.h"
#include "toolchain/support/error.h"

namespace shrike::data {
namespace {

struct CloseLibrary {
  void operator()(FT_Library library) const { FT_Done_FreeType(library); }
};
struct CloseFace {
  void operator()(FT_Face face) const { FT_Done_Face(face); }
};

// The picture's pixel and the text's colour, by how much of the pixel the letter covers.
void blend(Image& image, int x, int y, uint8_t coverage, Rgb color) {
  if (x < 0 || y < 0 || x >= image.width || y >= image.height) return;
  uint8_t* pixel = &image.pixels[(static_cast<size_t>(y) * image.width + x) * 3];
  for (size_t c = 0; c < 3; ++c)
    pixel[c] = static_cast<uint8_t>((pixel[c] * (255 - coverage) + color[c] * coverage + 127) / 255);
}

void blend(Image& image, int left, int top, const FT_Bitmap& bitmap, Rgb color) {
  if (bitmap.pixel_mode != FT_PIXEL_MODE_GRAY || bitmap.pitch < 0) return;
  for (unsigned row = 0; row < bitmap.rows; ++row) {
    const unsigned char* line = bitmap.buffer + static_cast<size_t>(row) * static_cast<size_t>(bitmap.pitch);
    for (unsigned column = 0; column < bitmap.width; ++column)
      blend(image, left + static_cast<int>(column), top + static_cast<int>(row), line[column], color);
  }
}

class FreeTypeFonts : public Lettering::Fonts {
 public:
  explicit FreeTypeFonts(const std::vector<std::string>& paths) {
    FT_Library library = nullptr;
    if (FT_Init_FreeType(&library) != 0) fail("the library that reads fonts can't be started");
    library_.reset(library);
    for (const std::string& path : paths) {
      FT_Face face = nullptr;
      const bool opened = FT_New_Face(library, path.c_str(), 0, &face) == 0;
      if (opened) faces_.emplace_back(face);
      if (!opened || (face->face_flags & FT_FACE_FLAG_SCALABLE) == 0)
        fail("'{}' is no font that can be read; name a .ttf, .otf or .ttc file in SHRIKE_FONT", path);
    }
  }

  int width(const std::vector<char32_t>& text, int height) const override {
    resize(height);
    return walk(text, FT_LOAD_DEFAULT, [](FT_GlyphSlot, int) {});
  }

  void draw(Image& image, int x, int y, const std::vector<char32_t>& text, int height,
            Rgb color) const override {
    const int baseline = y + resize(height);
    walk(text, FT_LOAD_RENDER, [&](FT_GlyphSlot glyph, int offset) {
      blend(image, x + offset + glyph->bitmap_left, baseline - glyph->bitmap_top, glyph->bitmap, color);
    });
  }

  bool has(char32_t character) const override {
    return FT_Get_Char_Index(face_with(character), character) != 0;
  }

 private:
  // The first face with the character; the first face, whose box stands for it, when none has it.
  FT_Face face_with(char32_t character) const {
    for (const auto& face : faces_) {
      if (FT_Get_Char_Index(face.get(), character) != 0) return face.get();
    }
    return faces_[0].get();
  }

  // Lines of the first face fill `height` pixels; returns the baseline's distance from the top.
  int resize(int height) const {
    const FT_Face first = faces_[0].get();
    const int line = std::max(1, first->ascender - first->descender);
    const auto em = static_cast<FT_UInt>(std::max(1, height * first->units_per_EM / line));
    for (const auto& face : faces_) FT_Set_Pixel_Sizes(face.get(), 0, em);
    return height * first->ascender / line;
  }

  // Calls see(glyph, x) for each character, x from 0 on; returns the width.
  template <typename See>
  int walk(const std::vector<char32_t>& text, FT_Int32 flags, const See& see) const {
    int x = 0;
    for (const char32_t character : text) {
      const FT_Face face = face_with(character);
      if (FT_Load_Char(face, character, flags | FT_LOAD_TARGET_LIGHT) != 0) continue;
      see(face->glyph, x);
      x += static_cast<int>((face->glyph->advance.x + 32) >> 6);  // from 1/64 pixels
    }
    return x;
  }

  // In this order: faces go before their library.
  std::unique_ptr<std::remove_pointer_t<FT_Library>, CloseLibrary> library_;
  std::vector<std::unique_ptr<std::remove_pointer_t<FT_Face>, CloseFace>> faces_;
};

}  // namespace

std::shared_ptr<const Lettering::Fonts> open_fonts(const std::vector<std::string>& paths) {
  return std::make_shared<FreeTypeFonts>(paths);
}

}  // namespace shrike::data
