#include "picture.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <utility>

#include "toolchain/data/font.h"

namespace shapes {
namespace {

using Color = std::array<float, 3>;  // 0..255

// splitmix64: the same numbers on every machine.
class Random {
 public:
  Random(uint64_t seed, uint64_t number) : state_(seed * 0x9e3779b97f4a7c15 + number * 0xd1b54a32d192ed03) {
    next();
  }
  double uniform(double low, double high) {
    return low + (high - low) * static_cast<double>(next() >> 11) * 0x1p-53;
  }
  int below(int count) { return static_cast<int>(next() % static_cast<uint64_t>(count)); }
  Color color() {
    Color color{};
    for (float& channel : color) channel = static_cast<float>(uniform(0, 255));
    return color;
  }
  // Near enough to a normal distribution of deviation 1.
  double noise() { return (uniform(-1, 1) + uniform(-1, 1) + uniform(-1, 1)); }

 private:
  uint64_t next() {
    uint64_t z = state_ += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  uint64_t state_;
};

struct Canvas {
  int width, height;
  std::vector<Color> pixels;
  Color& at(int x, int y) {
    return pixels[static_cast<size_t>(y) * static_cast<size_t>(width) + static_cast<size_t>(x)];
  }
};

float distance(const Color& a, const Color& b) {
  float sum = 0;
  for (size_t i = 0; i < 3; ++i) sum += std::abs(a[i] - b[i]);
  return sum;
}

// Random values on a grid, smoothly between them.
void add_texture(Canvas& canvas, Random& random, int cells, double strength) {
  const int columns = cells + 2, rows = cells + 2;
  std::vector<float> grid(static_cast<size_t>(columns * rows));
  for (float& value : grid) value = static_cast<float>(random.uniform(-strength, strength));
  const auto smooth = [](double t) { return t * t * (3 - 2 * t); };
  for (int y = 0; y < canvas.height; ++y) {
    const double v = static_cast<double>(y) / canvas.height * cells;
    const int row = static_cast<int>(v);
    const double down = smooth(v - row);
    for (int x = 0; x < canvas.width; ++x) {
      const double u = static_cast<double>(x) / canvas.width * cells;
      const int column = static_cast<int>(u);
      const double right = smooth(u - column);
      const auto value = [&](int r, int c) { return grid[static_cast<size_t>(r * columns + c)]; };
      const double upper = value(row, column) * (1 - right) + value(row, column + 1) * right;
      const double lower = value(row + 1, column) * (1 - right) + value(row + 1, column + 1) * right;
      for (float& channel : canvas.at(x, y)) channel += static_cast<float>(upper * (1 - down) + lower * down);
    }
  }
}

void draw_background(Canvas& canvas, Random& random, const Color& base) {
  const Color other = random.color();
  const double angle = random.uniform(0, 2 * std::numbers::pi), share = random.uniform(0, 0.35);
  for (int y = 0; y < canvas.height; ++y) {
    for (int x = 0; x < canvas.width; ++x) {
      const double along =
          0.5 + (std::cos(angle) * (x - canvas.width / 2.0) + std::sin(angle) * (y - canvas.height / 2.0)) /
                    (canvas.width + canvas.height);
      const auto mixed = static_cast<float>(share * along);
      for (size_t i = 0; i < 3; ++i) canvas.at(x, y)[i] = base[i] * (1 - mixed) + other[i] * mixed;
    }
  }
  add_texture(canvas, random, 3 + random.below(4), random.uniform(0, 30));
  add_texture(canvas, random, 12 + random.below(20), random.uniform(0, 25));
}

// Thin lines across the picture, which are nothing.
void draw_lines(Canvas& canvas, Random& random, int count) {
  for (int line = 0; line < count; ++line) {
    const Color color = random.color();
    double x = random.uniform(0, canvas.width), y = random.uniform(0, canvas.height);
    const double angle = random.uniform(0, 2 * std::numbers::pi), length = random.uniform(20, 120);
    for (double t = 0; t < length; t += 0.5) {
      const int column = static_cast<int>(x + std::cos(angle) * t),
                row = static_cast<int>(y + std::sin(angle) * t);
      if (column >= 0 && row >= 0 && column < canvas.width && row < canvas.height)
        canvas.at(column, row) = color;
    }
  }
}

bool inside_star(double x, double y) {
  const double radius = std::hypot(x, y);
  double angle = std::fmod(std::atan2(x, -y) + 2 * std::numbers::pi, 0.4 * std::numbers::pi);
  angle =
      std::min(angle, 0.4 * std::numbers::pi - angle);  // from the nearest point's direction, 0..36 degrees
  // The edge from the outer point (radius 1, angle 0) to the inner one (radius 0.45, 36 degrees).
  const double inner_x = 0.45 * std::sin(0.2 * std::numbers::pi),
               inner_y = 0.45 * std::cos(0.2 * std::numbers::pi);
  const double px = radius * std::sin(angle), py = radius * std::cos(angle);
  return px * (1 - inner_y) + (py - 1) * inner_x <= 0;
}

bool inside_letter(char letter, double x, double y) {
  const int column = static_cast<int>(std::floor((x + 0.75) / 0.3)),
            row = static_cast<int>(std::floor((y + 1) / (2.0 / 7)));
  if (column < 0 || column > 4 || row < 0 || row > 6) return false;
  return (shrike::data::glyph(letter)[static_cast<size_t>(row)] >> (4 - column) & 1) != 0;
}

// (x, y) within the object of this class, which fills about -1..1, y down.
bool inside(int category, double x, double y) {
  const double radius = std::hypot(x, y), ax = std::abs(x), ay = std::abs(y);
  switch (category) {
    case 0:
      return radius <= 1;
    case 1:
      return ax <= 0.85 && ay <= 0.85;
    case 2:
      return y <= 0.75 && y >= -0.95 + 1.75 * ax;
    case 3:
      return inside_star(x, y);
    case 4:
      return (ax <= 0.3 && ay <= 1) || (ay <= 0.3 && ax <= 1);
    case 5:
      return radius <= 1 && radius >= 0.6;
    case 6:
      return inside_letter('A', x, y);
    default:
      return inside_letter('R', x, y);
  }
}

struct Object {
  int category;
  double x, y, radius, stretch, angle;
};

// Share of the pixel that the object covers.
double coverage(const Object& object, int column, int row) {
  constexpr int kSamples = 3;
  int hits = 0;
  const double c = std::cos(object.angle), s = std::sin(object.angle);
  for (int i = 0; i < kSamples * kSamples; ++i) {
    const double dx = column + (i % kSamples + 0.5) / kSamples - object.x;
    const double dy = row + (i / kSamples + 0.5) / kSamples - object.y;
    const double u = (c * dx + s * dy) / object.radius,
                 v = (-s * dx + c * dy) / (object.radius * object.stretch);
    hits += inside(object.category, u, v);
  }
  return static_cast<double>(hits) / (kSamples * kSamples);
}

// The pixels that are covered by half, as a box.
Label label_of(const Object& object, int width, int height) {
  Label label{object.category, width, height, 0, 0};
  const int reach = static_cast<int>(object.radius * 1.5) + 2;
  for (int y = std::max(0, static_cast<int>(object.y) - reach);
       y < std::min(height, static_cast<int>(object.y) + reach); ++y) {
    for (int x = std::max(0, static_cast<int>(object.x) - reach);
         x < std::min(width, static_cast<int>(object.x) + reach); ++x) {
      if (coverage(object, x, y) < 0.5) continue;
      label.x1 = std::min(label.x1, x);
      label.y1 = std::min(label.y1, y);
      label.x2 = std::max(label.x2, x + 1);
      label.y2 = std::max(label.y2, y + 1);
    }
  }
  return label;
}

double overlap(const Label& a, const Label& b) {  // share of the smaller box
  const double w = std::min(a.x2, b.x2) - std::max(a.x1, b.x1),
               h = std::min(a.y2, b.y2) - std::max(a.y1, b.y1);
  if (w <= 0 || h <= 0) return 0;
  const auto area = [](const Label& l) { return static_cast<double>(l.x2 - l.x1) * (l.y2 - l.y1); };
  return w * h / std::min(area(a), area(b));
}

void paint(Canvas& canvas, const Object& object, const Label& box, const Color& color, double stripes) {
  for (int y = box.y1 - 1; y <= box.y2; ++y) {
    for (int x = box.x1 - 1; x <= box.x2; ++x) {
      if (x < 0 || y < 0 || x >= canvas.width || y >= canvas.height) continue;
      const auto share = static_cast<float>(coverage(object, x, y));
      const auto shade = static_cast<float>(1 + stripes * std::sin((x + 2 * y) * 0.7));
      for (size_t i = 0; i < 3; ++i) canvas.at(x, y)[i] += share * (color[i] * shade - canvas.at(x, y)[i]);
    }
  }
}

// A 3x3 binomial blur.
void blur(Canvas& canvas) {
  const Canvas old = canvas;
  for (int y = 1; y + 1 < canvas.height; ++y) {
    for (int x = 1; x + 1 < canvas.width; ++x) {
      Color sum{};
      for (int dy = -1; dy <= 1; ++dy) {
        for (int dx = -1; dx <= 1; ++dx) {
          const float weight = static_cast<float>((2 - std::abs(dx)) * (2 - std::abs(dy))) / 16;
          const Color& pixel = old.pixels[static_cast<size_t>((y + dy) * canvas.width + x + dx)];
          for (size_t i = 0; i < 3; ++i) sum[i] += weight * pixel[i];
        }
      }
      canvas.at(x, y) = sum;
    }
  }
}

}  // namespace

Picture draw(uint64_t seed, uint64_t number) {
  Random random(seed, number);
  constexpr std::array<std::pair<int, int>, 4> kSizes = {{{160, 160}, {200, 150}, {150, 200}, {224, 168}}};
  const auto [width, height] = kSizes[static_cast<size_t>(random.below(kSizes.size()))];
  Canvas canvas{width, height, std::vector<Color>(static_cast<size_t>(width * height))};
  const Color base = random.color();
  draw_background(canvas, random, base);
  draw_lines(canvas, random, random.below(8));

  Picture picture;
  const int wanted = 1 + random.below(5), shorter = std::min(width, height);
  for (int attempt = 0; attempt < 40 && static_cast<int>(picture.labels.size()) < wanted; ++attempt) {
    Object object{};
    object.category = random.below(kClasses.size());
    object.radius = shorter * random.uniform(0.09, 0.26);
    object.stretch = random.uniform(0.8, 1.25);
    object.angle = random.uniform(-0.35, 0.35);
    object.x = random.uniform(object.radius * 0.8, width - object.radius * 0.8);
    object.y = random.uniform(object.radius * 0.8, height - object.radius * 0.8);
    Color color = random.color();
    for (int i = 0; i < 20 && distance(color, base) < 150; ++i) color = random.color();
    const double stripes = random.below(3) == 0 ? 0.12 : 0;
    const Label label = label_of(object, width, height);
    if (label.x2 - label.x1 < 8 || label.y2 - label.y1 < 8) continue;
    const bool crowded = std::any_of(picture.labels.begin(), picture.labels.end(),
                                     [&](const Label& other) { return overlap(label, other) > 0.2; });
    if (crowded) continue;
    paint(canvas, object, label, color, stripes);
    picture.labels.push_back(label);
  }
  draw_lines(canvas, random, random.below(4));  // in front of everything
  for (int i = random.below(3); i > 0; --i) blur(canvas);
  const double grain = random.uniform(0, 12), light = random.uniform(0.7, 1.15);

  picture.image = {width, height, std::vector<uint8_t>(static_cast<size_t>(width * height) * 3)};
  for (size_t i = 0; i < canvas.pixels.size(); ++i) {
    for (size_t c = 0; c < 3; ++c) {
      const double value = light * canvas.pixels[i][c] + grain * random.noise();
      picture.image.pixels[i * 3 + c] = static_cast<uint8_t>(std::lround(std::clamp(value, 0.0, 255.0)));
    }
  }
  return picture;
}

}  // namespace shapes
