#include "toolchain/data/lettering.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <sstream>

#include "toolchain/data/draw.h"
#include "toolchain/data/font.h"
#include "toolchain/data/fonts.h"
#include "toolchain/support/error.h"
#include "toolchain/system/file.h"

namespace shrike::data {
namespace {

constexpr int kGlyphAdvance = 6, kGlyphRows = 9;  // of the built-in font; two rows are below the baseline
constexpr int kLeastHeight = 13;                  // of a line in other fonts: smaller letters are blots
constexpr char32_t kReplacement = 0xFFFD;

// Debian's places: Latin, Greek, Cyrillic and signs first, then characters of East Asia.
constexpr const char* kUsualFonts[] = {
    "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf",
    "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/truetype/wqy/wqy-microhei.ttc",
    "/usr/share/fonts/truetype/wqy/wqy-zenhei.ttc",
    "/usr/share/fonts/truetype/droid/DroidSansFallbackFull.ttf",
};

bool is_printable_ascii(char32_t character) {
  return character >= ' ' && character < 0x7F;
}

void draw_built_in(Image& image, int x, int y, const std::string& text, int unit, Rgb color) {
  for (const char32_t character : code_points(text)) {
    const Glyph& rows = glyph(is_printable_ascii(character) ? static_cast<char>(character) : '\x7F');
    for (int row = 0; row < kGlyphRows; ++row) {
      for (int column = 0; column < 5; ++column) {
        if (((rows[static_cast<size_t>(row)] >> (4 - column)) & 1) == 0) continue;
        const int left = x + column * unit, top = y + row * unit;
        fill_rectangle(image, left, top, left + unit, top + unit, color);
      }
    }
    x += kGlyphAdvance * unit;
  }
}

// Bytes of the character that begins with this one; 0 when none does.
size_t length_of_character(unsigned char first) {
  if (first < 0x80) return 1;
  if (first >> 5 == 0x6) return 2;
  if (first >> 4 == 0xE) return 3;
  return first >> 3 == 0x1E ? 4 : 0;
}

// Fonts of other packages are not this program's business: one that can't be read is left out.
bool can_be_read(const std::string& path) {
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(path, ignored)) return false;
  try {
    open_fonts({path});
    return true;
  } catch (const Error&) {
    return false;
  }
}

}  // namespace

std::vector<char32_t> code_points(const std::string& text) {
  std::vector<char32_t> points;
  for (size_t at = 0; at < text.size();) {
    const auto first = static_cast<unsigned char>(text[at]);
    const size_t length = length_of_character(first);
    char32_t point = length == 1 ? first : first & (0x7F >> length);
    bool whole = length > 0 && at + length <= text.size();
    for (size_t i = 1; whole && i < length; ++i) {
      const auto next = static_cast<unsigned char>(text[at + i]);
      whole = next >> 6 == 2;
      point = point << 6 | (next & 0x3F);
    }
    points.push_back(whole ? point : kReplacement);
    at += whole ? length : 1;
  }
  return points;
}

Lettering Lettering::built_in() {
  return Lettering(nullptr);
}

Lettering Lettering::of_fonts(const std::vector<std::string>& paths) {
  return paths.empty() ? built_in() : Lettering(open_fonts(paths));
}

Lettering Lettering::usual() {
  std::vector<std::string> paths;
  if (const char* named = std::getenv("SHRIKE_FONT")) {
    std::istringstream list(named);
    for (std::string path; std::getline(list, path, between_paths());) {
      if (!path.empty()) paths.push_back(path);
    }
  } else {
    std::copy_if(std::begin(kUsualFonts), std::end(kUsualFonts), std::back_inserter(paths), can_be_read);
  }
  return of_fonts(paths);
}

int Lettering::width(const std::string& text, int unit) const {
  const std::vector<char32_t> points = code_points(text);
  if (fonts_ != nullptr) return fonts_->width(points, height(unit));
  return points.empty() ? 0 : (static_cast<int>(points.size()) * kGlyphAdvance - 1) * unit;
}

int Lettering::height(int unit) const {
  return fonts_ == nullptr ? kGlyphRows * unit : std::max(kLeastHeight, kGlyphRows * unit);
}

void Lettering::draw(Image& image, int x, int y, const std::string& text, int unit, Rgb color) const {
  if (fonts_ == nullptr) return draw_built_in(image, x, y, text, unit, color);
  fonts_->draw(image, x, y, code_points(text), height(unit), color);
}

bool Lettering::has(const std::string& text) const {
  const std::vector<char32_t> points = code_points(text);
  return std::all_of(points.begin(), points.end(), [&](char32_t point) {
    return fonts_ == nullptr ? is_printable_ascii(point) : fonts_->has(point);
  });
}

}  // namespace shrike::data
