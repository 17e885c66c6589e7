// Boxes and labels on pictures. Everything is clipped to the picture.
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "toolchain/data/image.h"

namespace shrike::data {

using Color = std::array<uint8_t, 3>;  // R, G, B

// The columns [x1,x2) and rows [y1,y2).
void fill_rectangle(Image& image, int x1, int y1, int x2, int y2, Color color);
// A frame `line` pixels thick, inside the same rectangle.
void draw_frame(Image& image, int x1, int y1, int x2, int y2, int line, Color color);

// Text in an own 5x7 font (printable ASCII, anything else as a box) with pixels of `scale` x `scale`.
constexpr int kGlyphAdvance = 6, kGlyphRows = 9;  // two rows are below the baseline
int text_width(const std::string& text, int scale);
void draw_text(Image& image, int x, int y, const std::string& text, int scale, Color color);

// Pixel edges.
struct LabelledBox {
  float x1, y1, x2, y2;
  std::string label;
  Color color;
};
// Boxes with their labels on strips of the box's colour: above the box, at its upper edge inside, or below
// it, where no label of an earlier box is; first boxes come out on top. Lines and letters grow with the
// picture.
void draw_boxes(Image& image, const std::vector<LabelledBox>& boxes);
// Well separated hues, the same for the same index.
Color color_of(int index);

}  // namespace shrike::data
