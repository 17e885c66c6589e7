// Camera picture -> quantised input tensor by the chip's rule: nearest neighbour, truncated letterbox, one
// table per channel (spec/runtime-and-vision.md 2). What the network wants is in its file.
#pragma once
#include "shrike/detector.h"
#include "shrike/status.h"
#include "shrike/tensor.h"

namespace shrike {

// 565: 16-bit words with the first-named colour in the top 5 bits, little- or big-endian.
enum class PixelFormat : uint8_t { kRgb888, kBgr888, kRgb565le, kRgb565be, kGray8 };

struct ImageView {  // rows packed
  const uint8_t* pixels = nullptr;
  int32_t width = 0, height = 0;  // 1..65535
  PixelFormat format = PixelFormat::kRgb888;
};

// kLetterbox: the whole picture with borders. kStretch: both sides to fit. kCenterCrop: the largest middle
// part of the input's ratio.
enum class Fit : uint8_t { kLetterbox, kStretch, kCenterCrop };

struct PreprocessOptions {
  Fit fit = Fit::kLetterbox;
  uint8_t background[3] = {114, 114, 114};  // R, G, B of the letterbox's borders
  float mean[3] = {0, 0, 0};                // on the 0..255 scale, in the model's channel order
  float std[3] = {255, 255, 255};
  bool swap_red_blue = false;  // true: the tensor receives B, G, R
};

// What the file says about its input (metadata "input": colour order, mean, std, fit, padding); the defaults
// above where it says nothing.
PreprocessOptions preprocess_options(const Model& model);

// Fills the model's input 0 as its chip rounds.
Status preprocess(const ImageView& image, const PreprocessOptions& options, const Model& model,
                  ImagePlacement* placement);
// Fills `input` ([1,H,W,3] or [1,H,W,1], int8 or int16) and says where the picture went. A colour picture
// goes into a one-channel tensor as grey, a grey picture into a three-channel tensor with equal channels.
Status preprocess(const ImageView& image, const PreprocessOptions& options, Rounding rounding,
                  const TensorView& input, ImagePlacement* placement);

}  // namespace shrike
