// A small labelled data set on disk: coloured rectangles of two kinds on noise.
#pragma once
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "tests/own_temporary.h"
#include "toolchain/data/draw.h"
#include "toolchain/data/image.h"
#include "toolchain/support/files.h"
#include "toolchain/support/random.h"

namespace shrike::tests {

class DrawnSet {
 public:
  DrawnSet(const std::string& name, int pictures, int size) : folder(own_temporary(name)) {
    std::filesystem::remove_all(folder);
    make_folder(folder + "/images");
    std::string images, annotations;
    Random random(5);
    int annotation = 0;
    for (int i = 0; i < pictures; ++i) {
      data::Image image{size, size, std::vector<uint8_t>(static_cast<size_t>(size * size * 3))};
      for (uint8_t& value : image.pixels) value = static_cast<uint8_t>(60 + random.below(60));
      const std::string file = "p" + std::to_string(100 + i) + ".png";
      images += std::string(i == 0 ? "" : ",") + "{\"id\":" + std::to_string(i) + ",\"file_name\":\"" + file +
                "\",\"width\":" + std::to_string(size) + ",\"height\":" + std::to_string(size) + "}";
      for (int kind = 0; kind < 2; ++kind) {
        // Left half and right half, so that the two never touch.
        const int half = size / 2,
                  w = half / 2 + static_cast<int>(random.below(static_cast<uint64_t>(half / 3))),
                  h = half / 2 + static_cast<int>(random.below(static_cast<uint64_t>(half)));
        const int x = kind * half + static_cast<int>(random.below(static_cast<uint64_t>(half - w))),
                  y = static_cast<int>(random.below(static_cast<uint64_t>(size - h)));
        data::fill_rectangle(image, x, y, x + w, y + h,
                             kind == 0 ? data::Rgb{230, 40, 40} : data::Rgb{40, 60, 240});
        annotations += std::string(annotation == 0 ? "" : ",") + "{\"id\":" + std::to_string(annotation + 1) +
                       ",\"image_id\":" + std::to_string(i) + ",\"category_id\":" + std::to_string(kind + 1) +
                       ",\"bbox\":[" + std::to_string(x) + "," + std::to_string(y) + "," + std::to_string(w) +
                       "," + std::to_string(h) + "],\"area\":" + std::to_string(w * h) + ",\"iscrowd\":0}";
        ++annotation;
      }
      data::save_image(image, folder + "/images/" + file);
    }
    const std::string json = "{\"images\":[" + images + "],\"annotations\":[" + annotations +
                             "],\"categories\":[{\"id\":1,\"name\":\"red\"},{\"id\":2,\"name\":\"blue\"}]}";
    write_file_atomically(folder + "/instances.json", std::string_view(json));
  }
  ~DrawnSet() { std::filesystem::remove_all(folder); }
  DrawnSet(const DrawnSet&) = delete;
  DrawnSet& operator=(const DrawnSet&) = delete;

  std::string folder;
};

}  // namespace shrike::tests
