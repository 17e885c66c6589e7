// Turned rectangles as polygons, and what two of them have in common: exact areas (spec/heads.md 4.4), not
// the likeness by which the network's own overlaps are suppressed.
#pragma once
#include <array>
#include <vector>

namespace shrike::evaluate {

// x, y of the corners, in order around the rectangle.
using Corners = std::array<double, 8>;

// Of a box x1..y2 that is turned about its centre by `angle`, radians from the x axis to the y axis.
Corners turned_corners(double x1, double y1, double x2, double y2, double angle);
double area(const Corners& corners);
// Intersection over union of two convex quadrilaterals in either sense of rotation. With a crowd the union is
// the first alone.
double overlap(const Corners& a, const Corners& b, bool crowd);

}  // namespace shrike::evaluate
