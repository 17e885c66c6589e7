// Decoders of image files: bytes in, 8-bit RGB out. `name` stands for the file in messages. Throw Error.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "toolchain/data/image.h"

namespace shrike::data {

// What a picture may ask of the machine. A file of a few kilobytes can claim to be as large as it likes, and
// a progressive JPEG can paint over the whole of it thousands of times.
struct PictureLimits {
  int64_t pixels = int64_t{1} << 26;  // 8192x8192: a picture takes up to 7 bytes a pixel while it is decoded
  int64_t scans = 100;                // of a progressive JPEG; cameras and editors write about ten
  // Pixels times scans of a JPEG with more than one: half a minute of work.
  int64_t painted_pixels() const { return 32 * pixels; }
};
inline constexpr int64_t kMostPixels = int64_t{1} << 30;  // that `pixels` may be raised to
// Holds for every picture of the process; to be set before the first one is read.
void set_picture_limits(const PictureLimits& limits);
const PictureLimits& picture_limits();
[[noreturn]] void fail_too_large(const std::string& name, int64_t width, int64_t height);

// More pixels or scans than picture_limits() allows are refused before memory is taken for them. Grey, YCbCr,
// RGB, CMYK and YCCK; turned upright as the EXIF orientation says. A file that ends early or is damaged is an
// error, never a half-grey picture.
Image decode_jpeg(const std::vector<uint8_t>& bytes, const std::string& name);
Image decode_png(const std::vector<uint8_t>& bytes, const std::string& name);

std::vector<uint8_t> encode_jpeg(const Image& image, int quality);
std::vector<uint8_t> encode_png(const Image& image);

// Orientation 1..8 of an EXIF block (the payload of a JPEG's APP1 marker); 1 when there is none or it is
// damaged.
int exif_orientation(const uint8_t* block, size_t size);
// Turns and mirrors so that a picture stored with `orientation` stands upright.
Image upright(Image image, int orientation);

}  // namespace shrike::data
