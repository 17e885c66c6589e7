// Draws a labelled data set from nothing: `draw_shapes OUT [TRAIN [VAL [SEED]]]` writes OUT/train and
// OUT/val, each with images/, labels/ (YOLO text) and instances.json (COCO), and OUT/data.yaml.
#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>

#include "picture.h"
#include "toolchain/support/error.h"
#include "toolchain/support/files.h"

namespace {

using namespace shapes;

void write_part(const std::string& folder, uint64_t seed, uint64_t first, uint64_t count) {
  shrike::make_folder(folder + "/images");
  shrike::make_folder(folder + "/labels");
  std::string images, annotations, categories;
  int annotation = 0;
  for (uint64_t i = 0; i < count; ++i) {
    const Picture picture = draw(seed, first + i);
    const std::string name = fmt::format("{:06}", first + i);
    const int width = picture.image.width, height = picture.image.height;
    shrike::data::save_image(picture.image, fmt::format("{}/images/{}.jpg", folder, name));
    images += fmt::format("{}{{\"id\": {}, \"file_name\": \"{}.jpg\", \"width\": {}, \"height\": {}}}",
                          i == 0 ? "" : ",\n", first + i, name, width, height);
    std::string text;
    for (const Label& label : picture.labels) {
      const int w = label.x2 - label.x1, h = label.y2 - label.y1;
      annotations += fmt::format(
          "{}{{\"id\": {}, \"image_id\": {}, \"category_id\": {}, \"bbox\": [{}, {}, {}, {}], \"area\": {}, "
          "\"iscrowd\": 0}}",
          annotation == 0 ? "" : ",\n", annotation + 1, first + i, label.category + 1, label.x1, label.y1, w,
          h, w * h);
      ++annotation;
      text += fmt::format("{} {:.6f} {:.6f} {:.6f} {:.6f}\n", label.category, (label.x1 + w / 2.0) / width,
                          (label.y1 + h / 2.0) / height, static_cast<double>(w) / width,
                          static_cast<double>(h) / height);
    }
    shrike::write_file_atomically(fmt::format("{}/labels/{}.txt", folder, name), std::string_view(text));
  }
  for (size_t i = 0; i < kClasses.size(); ++i)
    categories += fmt::format("{}{{\"id\": {}, \"name\": \"{}\"}}", i == 0 ? "" : ", ", i + 1, kClasses[i]);
  const std::string json =
      fmt::format("{{\"images\": [\n{}],\n\"annotations\": [\n{}],\n\"categories\": [{}]}}\n", images,
                  annotations, categories);
  shrike::write_file_atomically(folder + "/instances.json", std::string_view(json));
}

void run(const std::string& folder, uint64_t train, uint64_t val, uint64_t seed) {
  write_part(folder + "/train", seed, 0, train);
  write_part(folder + "/val", seed, train, val);
  std::string yaml = "train: train/images\nval: val/images\nnames:\n";
  for (size_t i = 0; i < kClasses.size(); ++i) yaml += fmt::format("  {}: {}\n", i, kClasses[i]);
  shrike::write_file_atomically(folder + "/data.yaml", std::string_view(yaml));
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 2 || count > 5) {
    fmt::print(stderr, "usage: draw_shapes OUT [TRAIN [VAL [SEED]]]   (2000 and 200 pictures, seed 1)\n");
    return 2;
  }
  try {
    const auto number = [&](int i, uint64_t fallback) {
      if (i >= count) return fallback;
      char* end = nullptr;
      const uint64_t value = std::strtoull(arguments[i], &end, 10);
      if (*end != 0 || end == arguments[i] || value > 1000000)
        shrike::fail("'{}': a number from 0 to 1000000 was expected", arguments[i]);
      return value;
    };
    run(arguments[1], number(2, 2000), number(3, 200), number(4, 1));
  } catch (const std::exception& error) {
    fmt::print(stderr, "draw_shapes: {}\n", error.what());
    return 1;
  }
  return 0;
}
