// spec/runtime-and-vision.md section 2: one pass over the destination; nearest source pixel, colour, table.
#include "heads/metadata.h"
#include "ops/numeric.h"
#include "shrike/image.h"

namespace shrike {
namespace {

constexpr int32_t kMaxSide = 65535;  // the chip keeps sides in 16 bits

struct Geometry {
  int32_t left, top, inner_width, inner_height;
  float inverse_x, inverse_y;  // source pixels per destination pixel
  int32_t crop_x, crop_y;      // first source column and row
};

struct Color {
  uint8_t red, green, blue;
};

// Sections 2.2 and 2.3. Everything in float32, the inner size truncated; a picture so thin that nothing of it
// would be left keeps one row or column.
Geometry place(const ImageView& image, int32_t width, int32_t height, Fit fit) {
  Geometry at{0, 0, width, height, 1, 1, 0, 0};
  int32_t source_width = image.width, source_height = image.height;
  if (fit == Fit::kCenterCrop) {
    // Of the source, what has the input's ratio.
    const int64_t wide = int64_t{image.width} * height, tall = int64_t{image.height} * width;
    if (wide > tall) source_width = static_cast<int32_t>(tall / height);
    if (tall > wide) source_height = static_cast<int32_t>(wide / width);
    if (source_width < 1) source_width = 1;
    if (source_height < 1) source_height = 1;
    at.crop_x = (image.width - source_width) / 2;
    at.crop_y = (image.height - source_height) / 2;
  }
  if (fit == Fit::kLetterbox) {
    const float scale_x = static_cast<float>(width) / static_cast<float>(image.width);
    const float scale_y = static_cast<float>(height) / static_cast<float>(image.height);
    if (scale_x < scale_y) {
      at.inner_height = static_cast<int32_t>(scale_x * static_cast<float>(image.height));
      if (at.inner_height < 1) at.inner_height = 1;
      at.top = (height - at.inner_height) / 2;
    } else {
      at.inner_width = static_cast<int32_t>(scale_y * static_cast<float>(image.width));
      if (at.inner_width < 1) at.inner_width = 1;
      at.left = (width - at.inner_width) / 2;
    }
  }
  at.inverse_x = static_cast<float>(source_width) / static_cast<float>(at.inner_width);
  at.inverse_y = static_cast<float>(source_height) / static_cast<float>(at.inner_height);
  return at;
}

int32_t nearest(int32_t index, float inverse, int32_t size) {
  const int32_t source = static_cast<int32_t>(static_cast<float>(index) * inverse);
  return source < size ? source : size - 1;
}

constexpr size_t bytes_per_pixel(PixelFormat format) {
  switch (format) {
    case PixelFormat::kGray8:
      return 1;
    case PixelFormat::kRgb565le:
    case PixelFormat::kRgb565be:
      return 2;
    default:
      return 3;
  }
}

// Section 2.4: the low bits of unpacked 565 are zero.
Color unpack565(uint32_t word) {
  return {static_cast<uint8_t>((word >> 8) & 0xF8), static_cast<uint8_t>((word >> 3) & 0xFC),
          static_cast<uint8_t>((word << 3) & 0xF8)};
}

Color read_pixel(PixelFormat format, const uint8_t* p) {
  switch (format) {
    case PixelFormat::kRgb888:
      return {p[0], p[1], p[2]};
    case PixelFormat::kBgr888:
      return {p[2], p[1], p[0]};
    case PixelFormat::kRgb565le:
      return unpack565(p[0] | static_cast<uint32_t>(p[1]) << 8);
    case PixelFormat::kRgb565be:
      return unpack565(p[1] | static_cast<uint32_t>(p[0]) << 8);
    case PixelFormat::kGray8:
      return {p[0], p[0], p[0]};
  }
  return {0, 0, 0};
}

// Section 2.4; weights sum to 2^15, so equal channels give themselves.
uint8_t to_gray(Color color) {
  return static_cast<uint8_t>((9798 * color.red + 19235 * color.green + 3735 * color.blue + (1 << 14)) >> 15);
}

// The integers of the 256 brightnesses of each channel, and how they are laid down: one loop for all formats
// and both widths, because a device keeps the code of all of them.
struct Writer {
  int16_t table[3][256];
  int32_t channels;
  bool swap, wide;

  // Section 2.5: product and reciprocal in float32, then the target's rounding.
  void fill(const PreprocessOptions& options, Rounding rounding, int32_t exponent) {
    const float scale = power_of_two(-exponent);
    for (int32_t c = 0; c < channels; ++c) {
      const float reciprocal = 1.0f / options.std[c];
      for (int32_t v = 0; v < 256; ++v) {
        const float value = (static_cast<float>(v) - options.mean[c]) * reciprocal * scale;
        table[c][v] =
            wide ? quantize_float<int16_t>(value, rounding) : quantize_float<int8_t>(value, rounding);
      }
    }
  }
  size_t pixel_bytes() const { return static_cast<size_t>(channels) << (wide ? 1 : 0); }
  uint8_t* put(uint8_t* to, Color color) const {
    const uint8_t first = swap ? color.blue : color.red, last = swap ? color.red : color.blue;
    if (channels == 1) return put(to, table[0][to_gray(color)]);
    return put(put(put(to, table[0][first]), table[1][color.green]), table[2][last]);
  }

 private:
  uint8_t* put(uint8_t* to, int16_t value) const {
    if (!wide) {
      *to = static_cast<uint8_t>(value);
      return to + 1;
    }
    *reinterpret_cast<int16_t*>(to) = value;
    return to + 2;
  }
};

void copy_rows(const ImageView& image, const Geometry& at, const Writer& writer, const TensorView& input) {
  const int32_t width = input.shape.dims[2];
  const size_t size = bytes_per_pixel(image.format);
  for (int32_t y = 0; y < at.inner_height; ++y) {
    const size_t row = static_cast<size_t>(at.crop_y + nearest(y, at.inverse_y, image.height - at.crop_y));
    const uint8_t* from = image.pixels + row * static_cast<size_t>(image.width) * size;
    uint8_t* to =
        static_cast<uint8_t*>(input.data) +
        (static_cast<size_t>(at.top + y) * static_cast<size_t>(width) + static_cast<size_t>(at.left)) *
            writer.pixel_bytes();
    for (int32_t x = 0; x < at.inner_width; ++x) {
      const size_t column =
          static_cast<size_t>(at.crop_x + nearest(x, at.inverse_x, image.width - at.crop_x));
      to = writer.put(to, read_pixel(image.format, from + column * size));
    }
  }
}

void fill_border(const Geometry& at, const Writer& writer, Color color, const TensorView& input) {
  const int32_t height = input.shape.dims[1], width = input.shape.dims[2];
  uint8_t* to = static_cast<uint8_t*>(input.data);
  for (int32_t y = 0; y < height; ++y) {
    const bool inner_row = y >= at.top && y < at.top + at.inner_height;
    for (int32_t x = 0; x < width; ++x) {
      if (inner_row && x >= at.left && x < at.left + at.inner_width) {
        to += writer.pixel_bytes();
      } else {
        to = writer.put(to, color);
      }
    }
  }
}

void fill_tensor(const ImageView& image, const PreprocessOptions& options, Rounding rounding,
                 const TensorView& input, const Geometry& at) {
  Writer writer;
  writer.channels = input.shape.dims[3];
  writer.swap = options.swap_red_blue;
  writer.wide = input.type == DataType::kInt16;
  writer.fill(options, rounding, input.exponent);
  fill_border(at, writer, {options.background[0], options.background[1], options.background[2]}, input);
  copy_rows(image, at, writer, input);
}

Status check(const ImageView& image, const TensorView& input) {
  if (image.pixels == nullptr || image.width < 1 || image.height < 1 || image.width > kMaxSide ||
      image.height > kMaxSide) {
    return make_status(StatusCode::kBadArgument, "the picture is empty or a side is longer than 65535");
  }
  if (static_cast<uint8_t>(image.format) > static_cast<uint8_t>(PixelFormat::kGray8)) {
    return make_status(StatusCode::kBadArgument, "unknown pixel format");
  }
  if (input.data == nullptr) return make_status(StatusCode::kBadArgument, "the input tensor has no memory");
  if (input.type != DataType::kInt8 && input.type != DataType::kInt16) {
    return make_status(StatusCode::kUnsupportedType, "pictures go into int8 or int16 tensors");
  }
  const Shape& shape = input.shape;
  if (shape.rank != 4 || shape.dims[0] != 1 || (shape.dims[3] != 3 && shape.dims[3] != 1) ||
      shape.dims[1] < 1 || shape.dims[2] < 1 || shape.dims[1] > kMaxSide || shape.dims[2] > kMaxSide) {
    return make_status(StatusCode::kBadShape, "pictures go into tensors of shape [1,H,W,3] or [1,H,W,1]");
  }
  if (input.bytes < static_cast<uint64_t>(shape.elements()) * size_of(input.type)) {
    return make_status(StatusCode::kBadShape, "the input tensor has less memory than its shape needs");
  }
  if (input.exponent < -126 || input.exponent > 126) {
    return make_status(StatusCode::kBadExponent, "the input tensor's exponent is not a float's");
  }
  return {};
}

// One number for all channels, or one each.
void read_channels(MetadataReader& reader, float (&values)[3]) {
  if (!reader.number(values[0])) return;
  values[1] = values[2] = values[0];
  if (reader.number(values[1])) reader.number(values[2]);
}

}  // namespace

PreprocessOptions preprocess_options(const Model& model) {
  PreprocessOptions options;
  MetadataReader reader(model.metadata("input"));
  while (!reader.done()) {
    const Text key = reader.word();
    if (key == "mean") {
      read_channels(reader, options.mean);
    } else if (key == "std") {
      read_channels(reader, options.std);
    } else if (key == "color") {
      options.swap_red_blue = reader.word() == "bgr";
    } else if (key == "fit") {
      const Text fit = reader.word();
      if (fit == "stretch") options.fit = Fit::kStretch;
      if (fit == "center-crop") options.fit = Fit::kCenterCrop;
    } else if (key == "padding") {
      float value = 114;
      reader.number(value);
      for (uint8_t& channel : options.background)
        channel = static_cast<uint8_t>(value > 0 && value < 256 ? value : 0);
    }
    reader.skip();
  }
  return options;
}

Status preprocess(const ImageView& image, const PreprocessOptions& options, Rounding rounding,
                  const TensorView& input, ImagePlacement* placement) {
  SHRIKE_RETURN_IF_ERROR(check(image, input));
  const Geometry at = place(image, input.shape.dims[2], input.shape.dims[1], options.fit);
  fill_tensor(image, options, rounding, input, at);
  if (placement != nullptr) {
    const auto offset = [](int32_t border, int32_t crop, float inverse) {
      return border - static_cast<int32_t>(static_cast<float>(crop) / inverse);
    };
    *placement = {at.inverse_x,
                  at.inverse_y,
                  offset(at.left, at.crop_x, at.inverse_x),
                  offset(at.top, at.crop_y, at.inverse_y),
                  image.width,
                  image.height};
  }
  return {};
}

Status preprocess(const ImageView& image, const PreprocessOptions& options, const Model& model,
                  ImagePlacement* placement) {
  return preprocess(image, options, model.rounding(), model.input(0), placement);
}

}  // namespace shrike
