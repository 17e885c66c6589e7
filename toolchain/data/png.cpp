// PNG files by libpng's simplified interface, which reports errors by value.
#include <png.h>

#include <cstring>

#include "toolchain/data/decode.h"
#include "toolchain/support/error.h"

namespace shrike::data {
namespace {

struct PngImage : png_image {
  PngImage() {
    std::memset(static_cast<png_image*>(this), 0, sizeof(png_image));
    version = PNG_IMAGE_VERSION;
  }
  ~PngImage() { png_image_free(this); }
};

}  // namespace

Image decode_png(const std::vector<uint8_t>& bytes, const std::string& name) {
  PngImage png;
  const auto damaged = [&] {
    fail("{}: the PNG file is damaged or cut short ({}); replace it by an intact one", name, png.message);
  };
  if (png_image_begin_read_from_memory(&png, bytes.data(), bytes.size()) == 0) damaged();
  if (int64_t{png.width} * png.height > kMaxPixels) {
    fail("{}: the picture has more than {} pixels; make it smaller", name, kMaxPixels);
  }
  // Numbers of 16 bits mean brightness as those of 8 do, not light, unless the file says otherwise.
  png.flags |= PNG_IMAGE_FLAG_16BIT_sRGB;
  // Transparent pixels keep their colour: what a camera would have seen is unknown, a blend would invent it.
  png.format = PNG_FORMAT_RGBA;
  std::vector<uint8_t> rgba(PNG_IMAGE_SIZE(png));
  if (png_image_finish_read(&png, nullptr, rgba.data(), 0, nullptr) == 0 || PNG_IMAGE_FAILED(png)) damaged();
  Image image;
  image.width = static_cast<int>(png.width);
  image.height = static_cast<int>(png.height);
  const size_t count = static_cast<size_t>(image.width) * image.height;
  image.pixels.resize(count * 3);
  for (size_t i = 0; i < count; ++i) std::memcpy(&image.pixels[i * 3], &rgba[i * 4], 3);
  return image;
}

std::vector<uint8_t> encode_png(const Image& image) {
  PngImage png;
  png.width = static_cast<png_uint_32>(image.width);
  png.height = static_cast<png_uint_32>(image.height);
  png.format = PNG_FORMAT_RGB;
  png_alloc_size_t size = 0;
  const auto failed = [&] {
    fail("the picture of {}x{} can't be written as PNG: {}", image.width, image.height, png.message);
  };
  if (png_image_write_to_memory(&png, nullptr, &size, 0, image.pixels.data(), 0, nullptr) == 0) failed();
  std::vector<uint8_t> bytes(size);
  if (png_image_write_to_memory(&png, bytes.data(), &size, 0, image.pixels.data(), 0, nullptr) == 0) failed();
  bytes.resize(size);
  return bytes;
}

}  // namespace shrike::data
