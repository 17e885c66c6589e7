// The chip's preprocessing: nearest neighbour, truncated letterbox, colour, tables.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <vector>

#include "shrike/image.h"

namespace shrike {
namespace {

struct Input {
  std::vector<int16_t> memory;
  TensorView view;

  Input(int32_t height, int32_t width, int32_t channels, DataType type, int32_t exponent)
      : memory(static_cast<size_t>(height) * width * channels, 99) {
    view.type = type;
    view.shape = {4, {1, height, width, channels}};
    view.exponent = exponent;
    view.data = memory.data();
    view.bytes = static_cast<uint64_t>(view.shape.elements()) * size_of(type);
  }
  int at(int y, int x, int channel) const {
    const size_t index = static_cast<size_t>((y * view.shape.dims[2] + x) * view.shape.dims[3] + channel);
    return view.type == DataType::kInt8 ? reinterpret_cast<const int8_t*>(memory.data())[index]
                                        : memory[index];
  }
};

// std 1 and exponent 0 in 16 bits: the tensor receives the pixels themselves.
PreprocessOptions raw() {
  PreprocessOptions options;
  for (float& value : options.std) value = 1;
  return options;
}

std::vector<uint8_t> constant(int width, int height, std::vector<uint8_t> pixel) {
  std::vector<uint8_t> pixels;
  for (int i = 0; i < width * height; ++i) pixels.insert(pixels.end(), pixel.begin(), pixel.end());
  return pixels;
}

ImagePlacement placement_of(int width, int height, int input_width, int input_height) {
  const auto pixels = constant(width, height, {1, 2, 3});
  Input input(input_height, input_width, 3, DataType::kInt16, 0);
  ImagePlacement placement;
  const Status status = preprocess({pixels.data(), width, height, PixelFormat::kRgb888}, raw(),
                                   Rounding::kHalfEven, input.view, &placement);
  EXPECT_TRUE(status.ok()) << status.detail;
  return placement;
}

// The two examples of spec/runtime-and-vision.md section 2.3.
TEST(Preprocess, InnerSizesAreTruncatedFloatProducts) {
  const ImagePlacement wide = placement_of(1280, 720, 416, 416);
  EXPECT_EQ(wide.top, (416 - 233) / 2);
  EXPECT_EQ(wide.left, 0);
  EXPECT_EQ(wide.inverse_scale_y, 720.0f / 233.0f);  // from the truncated size, not the common scale
  EXPECT_EQ(wide.inverse_scale_x, 1280.0f / 416.0f);
  const ImagePlacement tall = placement_of(427, 640, 320, 320);
  EXPECT_EQ(tall.left, 53);
  EXPECT_EQ(tall.inverse_scale_x, 427.0f / 213.0f);
  EXPECT_EQ(tall.inverse_scale_y, 2.0f);
}

TEST(Preprocess, ThinPicturesKeepOneRow) {
  const ImagePlacement placement = placement_of(2000, 1, 32, 32);
  EXPECT_EQ(placement.inverse_scale_y, 1.0f);
  EXPECT_EQ(placement.top, 15);
}

TEST(Preprocess, EqualSizesCopy) {
  const ImagePlacement placement = placement_of(32, 32, 32, 32);
  EXPECT_EQ(placement.inverse_scale_x, 1.0f);
  EXPECT_EQ(placement.inverse_scale_y, 1.0f);
}

// Columns 0..4 of 5 into 3: trunc(i * 5/3) = 0, 1, 3; no half-pixel centres. Upscaling 2 to 4: 0, 0, 1, 1.
TEST(Preprocess, NearestColumnIsTheTruncatedProduct) {
  const std::vector<uint8_t> five = {10, 20, 30, 40, 50};
  Input input(1, 3, 1, DataType::kInt16, 0);
  PreprocessOptions options = raw();
  options.fit = Fit::kStretch;
  ASSERT_TRUE(
      preprocess({five.data(), 5, 1, PixelFormat::kGray8}, options, Rounding::kHalfEven, input.view, nullptr)
          .ok());
  EXPECT_EQ(input.at(0, 0, 0), 10);
  EXPECT_EQ(input.at(0, 1, 0), 20);
  EXPECT_EQ(input.at(0, 2, 0), 40);
  Input wide(1, 4, 1, DataType::kInt16, 0);
  ASSERT_TRUE(
      preprocess({five.data(), 2, 1, PixelFormat::kGray8}, options, Rounding::kHalfEven, wide.view, nullptr)
          .ok());
  EXPECT_EQ(wide.at(0, 1, 0), 10);
  EXPECT_EQ(wide.at(0, 2, 0), 20);
}

TEST(Preprocess, BordersGetTheBackgroundThroughTheTable) {
  const auto pixels = constant(4, 2, {255, 0, 128});
  Input input(4, 4, 3, DataType::kInt8, -7);
  ImagePlacement placement;
  ASSERT_TRUE(
      preprocess({pixels.data(), 4, 2, PixelFormat::kRgb888}, {}, Rounding::kHalfEven, input.view, &placement)
          .ok());
  EXPECT_EQ(placement.top, 1);
  const int grey = static_cast<int>(std::nearbyint(114 / 255.0 * 128));
  for (int c = 0; c < 3; ++c) {
    EXPECT_EQ(input.at(0, 0, c), grey);
    EXPECT_EQ(input.at(3, 3, c), grey);
  }
  EXPECT_EQ(input.at(1, 0, 0), 127);  // 255 -> 128 saturates
  EXPECT_EQ(input.at(1, 0, 1), 0);
  EXPECT_EQ(input.at(2, 3, 2), 64);
}

// v * 2^-1 with v odd is a tie: to even on the P4, up elsewhere.
TEST(Preprocess, TiesRoundAsTheTargetDoes) {
  const auto pixels = constant(1, 1, {5, 7, 9});
  PreprocessOptions options = raw();
  Input input(1, 1, 3, DataType::kInt8, 1);
  const ImageView image{pixels.data(), 1, 1, PixelFormat::kRgb888};
  ASSERT_TRUE(preprocess(image, options, Rounding::kHalfEven, input.view, nullptr).ok());
  EXPECT_EQ(input.at(0, 0, 0), 2);
  EXPECT_EQ(input.at(0, 0, 1), 4);
  ASSERT_TRUE(preprocess(image, options, Rounding::kHalfUp, input.view, nullptr).ok());
  EXPECT_EQ(input.at(0, 0, 0), 3);
  EXPECT_EQ(input.at(0, 0, 1), 4);
  EXPECT_EQ(input.at(0, 0, 2), 5);
}

TEST(Preprocess, MeanAndStdAreInTheModelsOrder) {
  const auto pixels = constant(1, 1, {100, 150, 200});
  PreprocessOptions options;
  options.swap_red_blue = true;
  const float mean[3] = {190, 140, 90}, std[3] = {1, 2, 5};
  std::memcpy(options.mean, mean, sizeof mean);
  std::memcpy(options.std, std, sizeof std);
  Input input(1, 1, 3, DataType::kInt16, 0);
  ASSERT_TRUE(preprocess({pixels.data(), 1, 1, PixelFormat::kRgb888}, options, Rounding::kHalfEven,
                         input.view, nullptr)
                  .ok());
  EXPECT_EQ(input.at(0, 0, 0), 10);  // blue 200 - 190
  EXPECT_EQ(input.at(0, 0, 1), 5);
  EXPECT_EQ(input.at(0, 0, 2), 2);  // red (100 - 90) / 5
}

// Every format of the same colour arrives as red, green, blue.
TEST(Preprocess, PixelFormats) {
  const int word = 0b10110'110011'01101;
  const auto low = static_cast<uint8_t>(word & 0xFF), high = static_cast<uint8_t>(word >> 8);
  const struct {
    PixelFormat format;
    std::vector<uint8_t> pixel;
    int red, green, blue;
  } cases[] = {
      {PixelFormat::kRgb888, {1, 2, 3}, 1, 2, 3},
      {PixelFormat::kBgr888, {1, 2, 3}, 3, 2, 1},
      {PixelFormat::kRgb565le, {low, high}, 0b10110000, 0b11001100, 0b01101000},
      {PixelFormat::kRgb565be, {high, low}, 0b10110000, 0b11001100, 0b01101000},
      {PixelFormat::kGray8, {77}, 77, 77, 77},
  };
  for (const auto& c : cases) {
    const auto pixels = constant(3, 2, c.pixel);
    Input input(2, 3, 3, DataType::kInt16, 0);
    ASSERT_TRUE(
        preprocess({pixels.data(), 3, 2, c.format}, raw(), Rounding::kHalfEven, input.view, nullptr).ok());
    EXPECT_EQ(input.at(1, 2, 0), c.red);
    EXPECT_EQ(input.at(1, 2, 1), c.green);
    EXPECT_EQ(input.at(1, 2, 2), c.blue);
  }
}

TEST(Preprocess, ColorIntoOneChannelBecomesGrey) {
  const auto pixels = constant(1, 1, {255, 0, 0});
  Input input(1, 1, 1, DataType::kInt16, 0);
  ASSERT_TRUE(
      preprocess({pixels.data(), 1, 1, PixelFormat::kRgb888}, raw(), Rounding::kHalfEven, input.view, nullptr)
          .ok());
  EXPECT_EQ(input.at(0, 0, 0), (9798 * 255 + 16384) >> 15);
}

TEST(Preprocess, MistakesAreReported) {
  const auto pixels = constant(1, 1, {1, 2, 3});
  const ImageView image{pixels.data(), 1, 1, PixelFormat::kRgb888};
  const auto code = [&](const ImageView& view, const TensorView& tensor) {
    return preprocess(view, {}, Rounding::kHalfEven, tensor, nullptr).code;
  };
  Input good(2, 2, 3, DataType::kInt8, -7);
  EXPECT_EQ(code({nullptr, 1, 1, PixelFormat::kRgb888}, good.view), StatusCode::kBadArgument);
  EXPECT_EQ(code({pixels.data(), 0, 1, PixelFormat::kRgb888}, good.view), StatusCode::kBadArgument);
  EXPECT_EQ(code(image, Input(2, 2, 4, DataType::kInt8, -7).view), StatusCode::kBadShape);
  EXPECT_EQ(code(image, Input(2, 2, 3, DataType::kInt8, 500).view), StatusCode::kBadExponent);
  Input wrong = good;
  wrong.view.data = wrong.memory.data();
  wrong.view.type = DataType::kFloat32;
  EXPECT_EQ(code(image, wrong.view), StatusCode::kUnsupportedType);
  TensorView small = good.view;
  small.bytes = 3;
  EXPECT_EQ(code(image, small), StatusCode::kBadShape);
}

}  // namespace
}  // namespace shrike
