// Writes the corpus of fuzz_picture: picture_seeds DIRECTORY. Only needed when kinds of pictures are added.
#include <cstdio>
#include <exception>

#include "toolchain/data/decode.h"
#include "toolchain/support/files.h"

int main(int count, char** arguments) try {
  using namespace shrike;
  if (count != 2) {
    std::fprintf(stderr, "usage: picture_seeds DIRECTORY\n");
    return 2;
  }
  data::Image image{9, 5, {}};
  for (int i = 0; i < 9 * 5 * 3; ++i) image.pixels.push_back(static_cast<uint8_t>(i * 37));
  const std::string folder = arguments[1];
  write_file_atomically(folder + "/small.jpg", data::encode_jpeg(image, 90));
  write_file_atomically(folder + "/small.png", data::encode_png(image));
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "picture_seeds: %s\n", error.what());
  return 1;
}
