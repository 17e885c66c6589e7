// JPEG files by libjpeg-turbo. The library reports errors by a callback that must not return; longjmp is its
// documented way out, so the decoding functions below own no C++ object while the library runs.
#include <algorithm>
#include <csetjmp>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>

#include <jpeglib.h>

#include <jerror.h>

#include "toolchain/data/decode.h"
#include "toolchain/support/error.h"

namespace shrike::data {
namespace {

constexpr int kExifMarker = JPEG_APP0 + 1;

// Ends the decoding of a file that would be painted over too often.
struct ScanCounter {
  jpeg_progress_mgr base;  // first: the library hands out a pointer to it
  int64_t most;
};

struct ErrorHandler {
  jpeg_error_mgr base;  // first: the library hands out a pointer to it
  std::jmp_buf escape;
  char message[JMSG_LENGTH_MAX];
};

[[noreturn]] void leave(j_common_ptr codec) {
  auto* handler = reinterpret_cast<ErrorHandler*>(codec->err);
  codec->err->format_message(codec, handler->message);
  std::longjmp(handler->escape, 1);
}

// Level -1 is damaged data that the library would paper over with grey, except for two oddities that lose no
// pixel; other levels are traces.
void on_message(j_common_ptr codec, int level) {
  const int code = codec->err->msg_code;
  if (level < 0 && code != JWRN_EXTRANEOUS_DATA && code != JWRN_ADOBE_XFORM) leave(codec);
}

void on_output(j_common_ptr) {}

void install(ErrorHandler& handler) {
  jpeg_std_error(&handler.base);
  handler.base.error_exit = leave;
  handler.base.emit_message = on_message;
  handler.base.output_message = on_output;
  handler.message[0] = '\0';
}

// What decode_rows leaves behind; plain memory so that longjmp may pass over it.
struct Decoded {
  jpeg_decompress_struct codec;
  ErrorHandler handler;
  uint8_t* pixels = nullptr;
  int width = 0, height = 0, channels = 0;
  int orientation = 1;
  bool inverted = false;  // CMYK written by Adobe's programs stores 255 - ink
  enum class Refused { kNot, kPixels, kScans, kMemory } refused = Refused::kNot;
  ScanCounter counter;
};

// Called before every row of blocks of every scan.
void count_scans(j_common_ptr codec) {
  auto* decoded = reinterpret_cast<Decoded*>(codec->client_data);
  if (reinterpret_cast<j_decompress_ptr>(codec)->input_scan_number <= decoded->counter.most) return;
  decoded->refused = Decoded::Refused::kScans;
  std::longjmp(decoded->handler.escape, 1);
}

int64_t most_scans(int64_t pixels) {
  return std::min(picture_limits().scans, std::max<int64_t>(1, picture_limits().painted_pixels() / pixels));
}

void read_orientation(Decoded& decoded) {
  for (auto* marker = decoded.codec.marker_list; marker != nullptr; marker = marker->next) {
    if (marker->marker != kExifMarker) continue;
    const int orientation = exif_orientation(marker->data, marker->data_length);
    if (orientation != 1) decoded.orientation = orientation;
  }
}

bool decode_rows(Decoded& decoded, const uint8_t* bytes, size_t size) {
  jpeg_decompress_struct& codec = decoded.codec;
  install(decoded.handler);
  codec.err = &decoded.handler.base;
  if (setjmp(decoded.handler.escape) != 0) return false;
  jpeg_create_decompress(&codec);
  jpeg_mem_src(&codec, bytes, size);
  jpeg_save_markers(&codec, kExifMarker, 0xFFFF);
  jpeg_read_header(&codec, TRUE);
  read_orientation(decoded);
  const int64_t pixels = int64_t{codec.image_width} * codec.image_height;
  if (pixels > picture_limits().pixels) {
    decoded.refused = Decoded::Refused::kPixels;
    return false;
  }
  codec.client_data = &decoded;
  decoded.counter.base.progress_monitor = count_scans;
  decoded.counter.most = most_scans(pixels);
  codec.progress = &decoded.counter.base;
  const bool four = codec.jpeg_color_space == JCS_CMYK || codec.jpeg_color_space == JCS_YCCK;
  codec.out_color_space = four ? JCS_CMYK : JCS_RGB;
  decoded.inverted = four && codec.saw_Adobe_marker;
  jpeg_start_decompress(&codec);
  decoded.width = static_cast<int>(codec.output_width);
  decoded.height = static_cast<int>(codec.output_height);
  decoded.channels = codec.output_components;
  const size_t row_bytes = static_cast<size_t>(decoded.width) * decoded.channels;
  decoded.pixels = static_cast<uint8_t*>(std::malloc(row_bytes * decoded.height));
  if (decoded.pixels == nullptr) {
    decoded.refused = Decoded::Refused::kMemory;
    return false;
  }
  while (codec.output_scanline < codec.output_height) {
    JSAMPROW row = decoded.pixels + row_bytes * codec.output_scanline;
    jpeg_read_scanlines(&codec, &row, 1);
  }
  jpeg_finish_decompress(&codec);
  return true;
}

uint8_t scaled(int ink_left, int key_left) {
  return static_cast<uint8_t>((ink_left * key_left + 127) / 255);
}

Image to_rgb(const Decoded& decoded) {
  Image image;
  image.width = decoded.width;
  image.height = decoded.height;
  const size_t count = static_cast<size_t>(decoded.width) * decoded.height;
  if (decoded.channels == 3) {
    image.pixels.assign(decoded.pixels, decoded.pixels + count * 3);
    return image;
  }
  image.pixels.resize(count * 3);
  const int flip = decoded.inverted ? 0 : 255;  // v ^ 255 == 255 - v
  for (size_t i = 0; i < count; ++i) {
    const uint8_t* cmyk = decoded.pixels + i * 4;
    const int key = cmyk[3] ^ flip;
    for (int c = 0; c < 3; ++c) image.pixels[i * 3 + c] = scaled(cmyk[c] ^ flip, key);
  }
  return image;
}

uint32_t read_number(const uint8_t* at, int size, bool little) {
  uint32_t value = 0;
  for (int i = 0; i < size; ++i) value |= uint32_t{at[i]} << (8 * (little ? i : size - 1 - i));
  return value;
}

struct Encoder {
  jpeg_compress_struct codec;
  ErrorHandler handler;
  unsigned char* bytes = nullptr;
  unsigned long size = 0;
};

bool encode_rows(Encoder& encoder, const Image& image, int quality) {
  jpeg_compress_struct& codec = encoder.codec;
  install(encoder.handler);
  codec.err = &encoder.handler.base;
  if (setjmp(encoder.handler.escape) != 0) return false;
  jpeg_create_compress(&codec);
  jpeg_mem_dest(&codec, &encoder.bytes, &encoder.size);
  codec.image_width = static_cast<JDIMENSION>(image.width);
  codec.image_height = static_cast<JDIMENSION>(image.height);
  codec.input_components = 3;
  codec.in_color_space = JCS_RGB;
  jpeg_set_defaults(&codec);
  jpeg_set_quality(&codec, quality, TRUE);
  for (int c = 0; c < 3; ++c) codec.comp_info[c].h_samp_factor = codec.comp_info[c].v_samp_factor = 1;
  jpeg_start_compress(&codec, TRUE);
  while (codec.next_scanline < codec.image_height) {
    auto* row =
        const_cast<uint8_t*>(image.pixels.data()) + size_t{3} * codec.image_width * codec.next_scanline;
    jpeg_write_scanlines(&codec, &row, 1);
  }
  jpeg_finish_compress(&codec);
  return true;
}

}  // namespace

Image decode_jpeg(const std::vector<uint8_t>& bytes, const std::string& name) {
  Decoded decoded;
  std::memset(&decoded.codec, 0, sizeof decoded.codec);
  std::memset(&decoded.counter, 0, sizeof decoded.counter);
  const bool done = decode_rows(decoded, bytes.data(), bytes.size());
  jpeg_destroy_decompress(&decoded.codec);
  struct Release {
    uint8_t* pixels;
    ~Release() { std::free(pixels); }
  } release{decoded.pixels};
  switch (decoded.refused) {
    case Decoded::Refused::kNot:
      break;
    case Decoded::Refused::kPixels:
      fail_too_large(name, decoded.codec.image_width, decoded.codec.image_height);
    case Decoded::Refused::kScans:
      fail("{}: the progressive JPEG has more scans than are accepted for {}x{} pixels ({}); save it anew",
           name, decoded.codec.image_width, decoded.codec.image_height, decoded.counter.most);
    case Decoded::Refused::kMemory:
      throw std::bad_alloc();
  }
  if (!done) {
    fail("{}: the JPEG file is damaged or cut short ({}); replace it by an intact one", name,
         decoded.handler.message);
  }
  return upright(to_rgb(decoded), decoded.orientation);
}

std::vector<uint8_t> encode_jpeg(const Image& image, int quality) {
  Encoder encoder;
  std::memset(&encoder.codec, 0, sizeof encoder.codec);
  const bool done = encode_rows(encoder, image, quality);
  jpeg_destroy_compress(&encoder.codec);
  std::vector<uint8_t> bytes;
  if (done) bytes.assign(encoder.bytes, encoder.bytes + encoder.size);
  std::free(encoder.bytes);
  if (!done)
    fail("the picture of {}x{} can't be written as JPEG: {}", image.width, image.height,
         encoder.handler.message);
  return bytes;
}

// EXIF 2.3 section 4.5: "Exif\0\0", then a TIFF header (byte order, 42, offset of the first directory) and a
// directory of 12-byte entries; tag 0x0112 is the orientation, a SHORT.
int exif_orientation(const uint8_t* block, size_t size) {
  constexpr size_t kPrefix = 6, kEntry = 12;
  if (size < kPrefix + 8 || std::memcmp(block, "Exif\0", kPrefix) != 0) return 1;
  const uint8_t* tiff = block + kPrefix;
  const size_t length = size - kPrefix;
  const bool little = tiff[0] == 'I';
  const size_t directory = read_number(tiff + 4, 4, little);
  if (directory > length || length - directory < 2) return 1;
  const size_t count = read_number(tiff + directory, 2, little);
  for (size_t i = 0; i < count; ++i) {
    const size_t at = directory + 2 + i * kEntry;
    if (at + kEntry > length) return 1;
    if (read_number(tiff + at, 2, little) != 0x0112) continue;
    const uint32_t orientation = read_number(tiff + at + 8, 2, little);
    return orientation >= 1 && orientation <= 8 ? static_cast<int>(orientation) : 1;
  }
  return 1;
}

Image upright(Image image, int orientation) {
  if (orientation <= 1 || orientation > 8) return image;
  const bool transposed = orientation >= 5;
  // Where the first stored row and column belong: 2 and 3 start right, 3 and 4 at the bottom; 5..8 are the
  // transposed ones.
  const bool flip_x = orientation == 2 || orientation == 3 || orientation == 6 || orientation == 7;
  const bool flip_y = orientation == 3 || orientation == 4 || orientation == 7 || orientation == 8;
  Image out;
  out.width = transposed ? image.height : image.width;
  out.height = transposed ? image.width : image.height;
  out.pixels.resize(image.pixels.size());
  for (int y = 0; y < out.height; ++y) {
    for (int x = 0; x < out.width; ++x) {
      const int u = flip_x ? out.width - 1 - x : x;
      const int v = flip_y ? out.height - 1 - y : y;
      const size_t from =
          transposed ? static_cast<size_t>(u) * image.width + v : static_cast<size_t>(v) * image.width + u;
      std::memcpy(&out.pixels[(static_cast<size_t>(y) * out.width + x) * 3], &image.pixels[from * 3], 3);
    }
  }
  return out;
}

}  // namespace shrike::data
