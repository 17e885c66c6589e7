// Masks as runs of equal pixels, column by column (spec/heads.md 4.2): the form of COCO's files.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace shrike::evaluate {

struct Rle {
  int height = 0, width = 0;
  std::vector<uint32_t> counts;  // zeros first (0 when the first pixel is set), then ones, ...

  int64_t area() const;  // pixels that are set
};

// `pixels` row by row, not 0: set.
Rle encode(const uint8_t* pixels, int height, int width);
std::vector<uint8_t> decode(const Rle& rle);  // row by row, 0 or 1
// The text form of COCO's result files.
std::string to_text(const Rle& rle);
Rle from_text(const std::string& text, int height, int width);  // throws Error when it is none
// The pixels inside the polygon x0, y0, x1, y1, ..., by COCO's rule.
Rle from_polygon(const std::vector<double>& points, int height, int width);
Rle united(const std::vector<Rle>& masks, int height, int width);
// Intersection over union; with a crowd the union is the first mask alone. 0 where sizes differ.
double overlap(const Rle& mask, const Rle& truth, bool crowd);

}  // namespace shrike::evaluate
