#include "toolchain/evaluate/rle.h"

#include <algorithm>
#include <cmath>

#include "toolchain/support/error.h"

namespace shrike::evaluate {
namespace {

// Adds a run; one of no pixels joins its neighbours.
void append(Rle& rle, uint32_t count, bool set) {
  const bool expects_set = rle.counts.size() % 2 == 1;
  if (set != expects_set) {
    rle.counts.back() += count;
  } else if (count > 0 || rle.counts.empty()) {
    rle.counts.push_back(count);
  }
}

// Walks two masks run by run and calls visit(count, set in a, set in b).
template <typename Visit>
void walk(const Rle& a, const Rle& b, Visit visit) {
  size_t i = 0, j = 0;
  uint64_t left_a = a.counts.empty() ? 0 : a.counts[0], left_b = b.counts.empty() ? 0 : b.counts[0];
  while (i < a.counts.size() && j < b.counts.size()) {
    const uint64_t count = std::min(left_a, left_b);
    if (count > 0) visit(count, i % 2 == 1, j % 2 == 1);
    left_a -= count;
    left_b -= count;
    if (left_a == 0 && ++i < a.counts.size()) left_a = a.counts[i];
    if (left_b == 0 && ++j < b.counts.size()) left_b = b.counts[j];
  }
}

}  // namespace

int64_t Rle::area() const {
  int64_t sum = 0;
  for (size_t i = 1; i < counts.size(); i += 2) sum += counts[i];
  return sum;
}

Rle encode(const uint8_t* pixels, int height, int width) {
  Rle rle{height, width, {}};
  bool set = false;
  uint32_t run = 0;
  for (int x = 0; x < width; ++x) {
    for (int y = 0; y < height; ++y) {
      const bool here = pixels[static_cast<size_t>(y) * width + x] != 0;
      if (here != set) {
        rle.counts.push_back(run);
        run = 0;
        set = here;
      }
      ++run;
    }
  }
  rle.counts.push_back(run);
  return rle;
}

std::vector<uint8_t> decode(const Rle& rle) {
  std::vector<uint8_t> pixels(static_cast<size_t>(rle.height) * rle.width, 0);
  size_t at = 0;
  for (size_t i = 0; i < rle.counts.size(); ++i) {
    for (uint32_t n = 0; n < rle.counts[i] && at < pixels.size(); ++n, ++at) {
      if (i % 2 == 1) pixels[at % rle.height * rle.width + at / rle.height] = 1;
    }
  }
  return pixels;
}

std::string to_text(const Rle& rle) {
  std::string text;
  for (size_t i = 0; i < rle.counts.size(); ++i) {
    int64_t value = rle.counts[i];
    if (i > 2) value -= rle.counts[i - 2];
    for (bool more = true; more;) {
      int group = static_cast<int>(value & 31);
      value >>= 5;
      more = (group & 16) != 0 ? value != -1 : value != 0;
      text += static_cast<char>(48 + group + (more ? 32 : 0));
    }
  }
  return text;
}

Rle from_text(const std::string& text, int height, int width) {
  Rle rle{height, width, {}};
  uint64_t pixels = 0;
  for (size_t at = 0; at < text.size();) {
    int64_t value = 0;
    int shift = 0;
    for (bool more = true; more;) {
      const int group = at < text.size() ? text[at++] - 48 : -1;
      if (group < 0 || group > 63 || shift > 30)
        fail("a mask's \"counts\" is not in COCO's run-length form: '{}'", text);
      value |= static_cast<int64_t>(group & 31) << shift;
      shift += 5;
      more = (group & 32) != 0;
      if (!more && (group & 16) != 0) value |= -(int64_t{1} << shift);
    }
    if (rle.counts.size() > 2) value += rle.counts[rle.counts.size() - 2];
    pixels += static_cast<uint64_t>(value);
    if (value < 0 || pixels > static_cast<uint64_t>(height) * static_cast<uint64_t>(width)) {
      fail("a mask's runs don't fit a picture of {}x{}", width, height);
    }
    rle.counts.push_back(static_cast<uint32_t>(value));
  }
  return rle;
}

// The edges are walked on a grid five times as fine; where they pass a column of pixels, a run begins or
// ends.
Rle from_polygon(const std::vector<double>& points, int height, int width) {
  constexpr double kFiner = 5;
  const size_t corners = points.size() / 2;
  std::vector<int> x, y;
  for (size_t i = 0; i < corners; ++i) {
    x.push_back(static_cast<int>(kFiner * std::clamp(points[2 * i], -1e6, 1e6) + 0.5));
    y.push_back(static_cast<int>(kFiner * std::clamp(points[2 * i + 1], -1e6, 1e6) + 0.5));
  }
  if (corners < 2)
    return encode(std::vector<uint8_t>(static_cast<size_t>(height) * width, 0).data(), height, width);
  std::vector<int> u, v;  // dense points along the edges
  for (size_t i = 0; i < corners; ++i) {
    int xs = x[i], ys = y[i], xe = x[(i + 1) % corners], ye = y[(i + 1) % corners];
    const int dx = std::abs(xe - xs), dy = std::abs(ys - ye);
    const bool flip = (dx >= dy && xs > xe) || (dx < dy && ys > ye);
    if (flip) {
      std::swap(xs, xe);
      std::swap(ys, ye);
    }
    const double slope = dx >= dy ? static_cast<double>(ye - ys) / dx : static_cast<double>(xe - xs) / dy;
    const int steps = std::max(dx, dy);
    for (int d = 0; d <= steps; ++d) {
      const int t = flip ? steps - d : d;
      u.push_back(dx >= dy ? t + xs : static_cast<int>(xs + slope * t + 0.5));
      v.push_back(dx >= dy ? static_cast<int>(ys + (steps == 0 ? 0 : slope * t) + 0.5) : t + ys);
    }
  }
  std::vector<int64_t> bounds;
  for (size_t i = 1; i < u.size(); ++i) {
    if (u[i] == u[i - 1]) continue;
    double column = u[i] < u[i - 1] ? u[i] : u[i] - 1;
    column = (column + 0.5) / kFiner - 0.5;
    if (std::floor(column) != column || column < 0 || column > width - 1) continue;
    double row = v[i] < v[i - 1] ? v[i] : v[i - 1];
    row = std::ceil(std::clamp((row + 0.5) / kFiner - 0.5, 0.0, static_cast<double>(height)));
    bounds.push_back(static_cast<int64_t>(column) * height + static_cast<int64_t>(row));
  }
  bounds.push_back(static_cast<int64_t>(height) * width);
  std::sort(bounds.begin(), bounds.end());
  Rle rle{height, width, {}};
  int64_t before = 0;
  bool set = false;
  for (const int64_t bound : bounds) {
    append(rle, static_cast<uint32_t>(bound - before), set);
    before = bound;
    set = !set;
  }
  return rle;
}

Rle united(const std::vector<Rle>& masks, int height, int width) {
  if (masks.empty())
    return encode(std::vector<uint8_t>(static_cast<size_t>(height) * width, 0).data(), height, width);
  Rle result = masks[0];
  for (size_t i = 1; i < masks.size(); ++i) {
    Rle merged{height, width, {}};
    bool last = false;
    uint64_t run = 0;
    walk(result, masks[i], [&](uint64_t count, bool a, bool b) {
      const bool set = a || b;
      if (set != last) {
        merged.counts.push_back(static_cast<uint32_t>(run));
        run = 0;
        last = set;
      }
      run += count;
    });
    merged.counts.push_back(static_cast<uint32_t>(run));
    result = std::move(merged);
  }
  return result;
}

double overlap(const Rle& mask, const Rle& truth, bool crowd) {
  if (mask.height != truth.height || mask.width != truth.width) return 0;
  uint64_t both = 0, either = 0;
  walk(mask, truth, [&](uint64_t count, bool a, bool b) {
    if (a && b) both += count;
    if (a || b) either += count;
  });
  if (both == 0) return 0;
  return static_cast<double>(both) / static_cast<double>(crowd ? mask.area() : static_cast<int64_t>(either));
}

}  // namespace shrike::evaluate
