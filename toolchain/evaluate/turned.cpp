#include "toolchain/evaluate/turned.h"

#include <cmath>
#include <cstddef>

namespace shrike::evaluate {
namespace {

struct Point {
  double x, y;
};
using Polygon = std::vector<Point>;

Polygon polygon_of(const Corners& corners) {
  Polygon polygon;
  for (size_t i = 0; i < corners.size(); i += 2) polygon.push_back({corners[i], corners[i + 1]});
  return polygon;
}

// Positive when the corners go round from the x axis to the y axis.
double signed_area(const Polygon& polygon) {
  double twice = 0;
  for (size_t i = 0; i < polygon.size(); ++i) {
    const Point &a = polygon[i], &b = polygon[(i + 1) % polygon.size()];
    twice += a.x * b.y - b.x * a.y;
  }
  return twice / 2;
}

// What of `polygon` lies on the inner side of the line from `a` to `b` (Sutherland and Hodgman).
Polygon clipped(const Polygon& polygon, const Point& a, const Point& b) {
  const auto side = [&](const Point& p) { return (b.x - a.x) * (p.y - a.y) - (b.y - a.y) * (p.x - a.x); };
  Polygon kept;
  for (size_t i = 0; i < polygon.size(); ++i) {
    const Point &from = polygon[i], &to = polygon[(i + 1) % polygon.size()];
    const double before = side(from), after = side(to);
    if (before >= 0) kept.push_back(from);
    if ((before < 0) != (after < 0)) {
      const double share = before / (before - after);
      kept.push_back({from.x + share * (to.x - from.x), from.y + share * (to.y - from.y)});
    }
  }
  return kept;
}

}  // namespace

Corners turned_corners(double x1, double y1, double x2, double y2, double angle) {
  const double cx = (x1 + x2) / 2, cy = (y1 + y2) / 2, cosine = std::cos(angle), sine = std::sin(angle);
  const double ax = (x2 - x1) / 2 * cosine, ay = (x2 - x1) / 2 * sine;
  const double bx = -(y2 - y1) / 2 * sine, by = (y2 - y1) / 2 * cosine;
  return {cx + ax + bx, cy + ay + by, cx + ax - bx, cy + ay - by,
          cx - ax - bx, cy - ay - by, cx - ax + bx, cy - ay + by};
}

double area(const Corners& corners) {
  return std::abs(signed_area(polygon_of(corners)));
}

double overlap(const Corners& a, const Corners& b, bool crowd) {
  Polygon common = polygon_of(a), clip = polygon_of(b);
  if (signed_area(clip) < 0) clip = Polygon(clip.rbegin(), clip.rend());
  for (size_t i = 0; i < clip.size() && !common.empty(); ++i)
    common = clipped(common, clip[i], clip[(i + 1) % clip.size()]);
  const double shared = std::abs(signed_area(common));
  const double together = crowd ? area(a) : area(a) + area(b) - shared;
  return together > 0 ? shared / together : 0;
}

}  // namespace shrike::evaluate
