// Lines, points, masks and turned boxes.
#include <algorithm>
#include <cmath>

#include "toolchain/data/draw.h"

namespace shrike::data {
namespace {

// Pairs of COCO's points: legs, hips, arms, face.
constexpr std::array<std::array<int, 2>, 19> kLimbs = {{{15, 13},
                                                        {13, 11},
                                                        {16, 14},
                                                        {14, 12},
                                                        {11, 12},
                                                        {5, 11},
                                                        {6, 12},
                                                        {5, 6},
                                                        {5, 7},
                                                        {6, 8},
                                                        {7, 9},
                                                        {8, 10},
                                                        {1, 2},
                                                        {0, 1},
                                                        {0, 2},
                                                        {1, 3},
                                                        {2, 4},
                                                        {3, 5},
                                                        {4, 6}}};
constexpr float kVisible = 0.5f;

int thickness_for(const Image& image) {
  return std::max(1, std::max(image.width, image.height) / 320);
}

void set(Image& image, int x, int y, Rgb color) {
  if (x < 0 || y < 0 || x >= image.width || y >= image.height) return;
  std::copy(color.begin(), color.end(),
            image.pixels.begin() + (static_cast<std::ptrdiff_t>(y) * image.width + x) * 3);
}

}  // namespace

void fill_disc(Image& image, float x, float y, int radius, Rgb color) {
  const int cx = static_cast<int>(std::lround(std::clamp(x, -1e6f, 1e6f)));
  const int cy = static_cast<int>(std::lround(std::clamp(y, -1e6f, 1e6f)));
  for (int dy = -radius; dy <= radius; ++dy) {
    for (int dx = -radius; dx <= radius; ++dx) {
      if (dx * dx + dy * dy <= radius * radius) set(image, cx + dx, cy + dy, color);
    }
  }
}

void draw_line(Image& image, float x1, float y1, float x2, float y2, int thickness, Rgb color) {
  for (float* value : {&x1, &y1, &x2, &y2}) *value = std::clamp(*value, -1e5f, 1e5f);
  const int steps = 1 + static_cast<int>(std::max(std::fabs(x2 - x1), std::fabs(y2 - y1)));
  for (int i = 0; i <= steps; ++i) {
    const float share = static_cast<float>(i) / static_cast<float>(steps);
    fill_disc(image, x1 + (x2 - x1) * share, y1 + (y2 - y1) * share, thickness / 2, color);
  }
}

void blend_mask(Image& image, int x, int y, int width, int height, const std::vector<uint8_t>& mask,
                Rgb color) {
  for (int row = 0; row < height; ++row) {
    for (int column = 0; column < width; ++column) {
      const int at_x = x + column, at_y = y + row;
      const bool inside = at_x >= 0 && at_y >= 0 && at_x < image.width && at_y < image.height;
      if (!inside || mask[static_cast<size_t>(row) * width + column] == 0) continue;
      uint8_t* pixel = &image.pixels[(static_cast<size_t>(at_y) * image.width + at_x) * 3];
      for (size_t c = 0; c < 3; ++c) pixel[c] = static_cast<uint8_t>((pixel[c] + color[c]) / 2);
    }
  }
}

void draw_points(Image& image, const std::vector<Point>& points, Rgb color) {
  const int thickness = thickness_for(image);
  const auto visible = [&](const Point& point) { return point.score >= kVisible; };
  if (points.size() == 17) {
    for (const auto& [from, to] : kLimbs) {
      const Point &a = points[static_cast<size_t>(from)], &b = points[static_cast<size_t>(to)];
      if (visible(a) && visible(b)) draw_line(image, a.x, a.y, b.x, b.y, thickness, color);
    }
  }
  for (const Point& point : points) {
    if (visible(point)) fill_disc(image, point.x, point.y, thickness + 1, {255, 255, 255});
    if (visible(point)) fill_disc(image, point.x, point.y, thickness, color);
  }
}

void draw_rotated_box(Image& image, float x1, float y1, float x2, float y2, float angle,
                      const std::string& label, Rgb color, const Lettering& lettering) {
  const float cx = (x1 + x2) / 2, cy = (y1 + y2) / 2, sine = std::sin(angle), cosine = std::cos(angle);
  std::array<std::array<float, 2>, 4> corners = {{{x1, y1}, {x2, y1}, {x2, y2}, {x1, y2}}};
  for (auto& [x, y] : corners) {
    const float dx = x - cx, dy = y - cy;
    x = cx + dx * cosine - dy * sine;
    y = cy + dx * sine + dy * cosine;
  }
  const int thickness = thickness_for(image);
  for (size_t i = 0; i < 4; ++i) {
    const auto &a = corners[i], &b = corners[(i + 1) % 4];
    draw_line(image, a[0], a[1], b[0], b[1], thickness, color);
  }
  const auto highest = *std::min_element(corners.begin(), corners.end(),
                                         [](const auto& a, const auto& b) { return a[1] < b[1]; });
  lettering.draw(image, static_cast<int>(highest[0]),
                 static_cast<int>(highest[1]) - lettering.height(thickness), label, thickness, color);
}

}  // namespace shrike::data
