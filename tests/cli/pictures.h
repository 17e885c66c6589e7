// Small pictures as files' bytes, in the forms that cameras and editors write.
#pragma once
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include <jpeglib.h>

#include "toolchain/data/decode.h"

namespace shrike::tests {

inline uint8_t pattern(int x, int y, int channel) {
  return static_cast<uint8_t>(x * 5 + y * 3 + channel * 60);
}

inline data::Image picture(int width, int height) {
  data::Image image{width, height, {}};
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      for (int c = 0; c < 3; ++c) image.pixels.push_back(pattern(x, y, c));
    }
  }
  return image;
}

inline std::string as_text(const std::vector<uint8_t>& bytes) {
  return {bytes.begin(), bytes.end()};
}

inline std::string rgb_jpeg(int width, int height) {
  return as_text(data::encode_jpeg(picture(width, height), 90));
}

inline std::string png(int width, int height) {
  return as_text(data::encode_png(picture(width, height)));
}

// A JPEG that stores the samples without colour conversion: JCS_GRAYSCALE (1 channel) or JCS_CMYK (4).
inline std::string raw_jpeg(J_COLOR_SPACE space, int channels, int width, int height) {
  jpeg_compress_struct codec;
  jpeg_error_mgr errors;
  codec.err = jpeg_std_error(&errors);
  jpeg_create_compress(&codec);
  unsigned char* buffer = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&codec, &buffer, &size);
  codec.image_width = static_cast<JDIMENSION>(width);
  codec.image_height = static_cast<JDIMENSION>(height);
  codec.input_components = channels;
  codec.in_color_space = space;
  jpeg_set_defaults(&codec);
  jpeg_set_colorspace(&codec, space);
  jpeg_start_compress(&codec, TRUE);
  for (int y = 0; y < height; ++y) {
    std::vector<uint8_t> row;
    for (int x = 0; x < width; ++x) {
      for (int c = 0; c < channels; ++c) row.push_back(pattern(x, y, c));
    }
    JSAMPROW pointer = row.data();
    jpeg_write_scanlines(&codec, &pointer, 1);
  }
  jpeg_finish_compress(&codec);
  std::string bytes(reinterpret_cast<char*>(buffer), size);
  jpeg_destroy_compress(&codec);
  std::free(buffer);
  return bytes;
}

}  // namespace shrike::tests
