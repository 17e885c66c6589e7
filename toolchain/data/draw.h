// Boxes and labels on pictures. Everything is clipped to the picture.
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "toolchain/data/image.h"
#include "toolchain/data/lettering.h"

namespace shrike::data {

// The columns [x1,x2) and rows [y1,y2).
void fill_rectangle(Image& image, int x1, int y1, int x2, int y2, Rgb color);
// A frame `line` pixels thick, inside the same rectangle.
void draw_frame(Image& image, int x1, int y1, int x2, int y2, int line, Rgb color);

// Pixels of a line and of a lettering's unit: 2 where the picture's shorter side has 480, 4 at 1080.
int unit_of(const Image& image);

// A straight line `thickness` pixels wide.
void draw_line(Image& image, float x1, float y1, float x2, float y2, int thickness, Rgb color);
void fill_disc(Image& image, float x, float y, int radius, Rgb color);
// Half of the colour over the pixels of [x, x + width) x [y, y + height) that are set in `mask`, rows packed.
void blend_mask(Image& image, int x, int y, int width, int height, const std::vector<uint8_t>& mask,
                Rgb color);

// A person's or object's points, those below `visible` left out, joined by COCO's limbs where there are 17.
struct Point {
  float x, y, score;
};
void draw_points(Image& image, const std::vector<Point>& points, Rgb color);
// A box turned about its centre by `angle` radians, with its label at the highest corner.
void draw_rotated_box(Image& image, float x1, float y1, float x2, float y2, float angle,
                      const std::string& label, Rgb color, const Lettering& lettering);

// Pixel edges.
struct LabelledBox {
  float x1, y1, x2, y2;
  std::string label;
  Rgb color;
};
// Boxes with their labels on strips of the box's colour: above the box, at its upper edge inside, or below
// it, where no label of an earlier box is; first boxes come out on top. Lines and letters grow with the
// picture.
void draw_boxes(Image& image, const std::vector<LabelledBox>& boxes, const Lettering& lettering);
// Well separated hues, the same for the same index.
Rgb color_of(int index);

}  // namespace shrike::data
