// Decoders of image files: bytes in, 8-bit RGB out. `name` stands for the file in messages. Throw Error.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "toolchain/data/image.h"

namespace shrike::data {

// Pictures with more pixels than this are refused before memory is taken for them.
constexpr int64_t kMaxPixels = int64_t{1} << 28;

// Grey, YCbCr, RGB, CMYK and YCCK; turned upright as the EXIF orientation says. A file that ends early or is
// damaged is an error, never a half-grey picture.
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
