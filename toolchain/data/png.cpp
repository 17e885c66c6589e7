// PNG files by libpng's simplified interface, which reports errors by value.
#include <png.h>

#include <algorithm>
#include <cstring>
#include <memory>

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

// PNG specification, third edition, section 5: an 8-byte signature, then chunks of a length (big-endian), a
// type, data and a checksum.
constexpr size_t kSignature = 8, kChunk = 12;

uint32_t big_endian(const uint8_t* at) {
  return uint32_t{at[0]} << 24 | uint32_t{at[1]} << 16 | uint32_t{at[2]} << 8 | at[3];
}

// Compressed bytes of pixels that the file really holds.
uint64_t pixel_bytes(const std::vector<uint8_t>& bytes) {
  uint64_t sum = 0;
  for (size_t at = kSignature; at + kChunk <= bytes.size();) {
    const uint64_t left = bytes.size() - at - kChunk;
    const uint64_t length = big_endian(&bytes[at]);
    if (std::memcmp(&bytes[at + 4], "IDAT", 4) == 0) sum += std::min(length, left);
    if (length > left) break;
    at += kChunk + static_cast<size_t>(length);
  }
  return sum;
}

// No deflate stream holds more than 1032 bytes a byte (a pair of bits for a match of 258), so a file with
// fewer can't be whole. One bit a pixel is the least that there is.
uint64_t smallest_pixel_bytes(const PngImage& png) {
  constexpr uint64_t kLargestRatio = 1032;
  return uint64_t{png.height} * (1 + (uint64_t{png.width} + 7) / 8) / kLargestRatio;
}

}  // namespace

Image decode_png(const std::vector<uint8_t>& bytes, const std::string& name) {
  PngImage png;
  const auto damaged = [&] {
    fail("{}: the PNG file is damaged or cut short ({}); replace it by an intact one", name, png.message);
  };
  if (png_image_begin_read_from_memory(&png, bytes.data(), bytes.size()) == 0) damaged();
  if (int64_t{png.width} * png.height > picture_limits().pixels) fail_too_large(name, png.width, png.height);
  if (pixel_bytes(bytes) < smallest_pixel_bytes(png))
    fail("{}: the PNG file is cut short: it claims {}x{} pixels; replace it by an intact one", name,
         png.width, png.height);
  // Numbers of 16 bits mean brightness as those of 8 do, not light, unless the file says otherwise.
  png.flags |= PNG_IMAGE_FLAG_16BIT_sRGB;
  // Transparent pixels keep their colour: what a camera would have seen is unknown, a blend would invent it.
  png.format = PNG_FORMAT_RGBA;
  // Not cleared: memory is touched as far as there are pixels.
  const std::unique_ptr<uint8_t[]> rgba(new uint8_t[PNG_IMAGE_SIZE(png)]);
  if (png_image_finish_read(&png, nullptr, rgba.get(), 0, nullptr) == 0 || PNG_IMAGE_FAILED(png)) damaged();
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
