// What stands behind a Detector: the float engine or the integer runtime.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "shrike/image.h"
#include "toolchain/evaluate/detect.h"

namespace shrike::evaluate {

struct Detector::Backend {
  virtual ~Backend() = default;
  virtual Prepared prepare(const data::Image& image, DetectMode mode) const = 0;
  // Runs the network; the views are valid until the next call.
  virtual std::vector<HeadLevel> run(const Prepared& prepared) = 0;
  virtual host::IntegerModel* integer_model() { return nullptr; }
  // Once more on one thread, for other pictures at the same time. Null: can't, or the pictures depend on
  // each other.
  virtual std::unique_ptr<Backend> again() const { return nullptr; }
  virtual std::string description() const = 0;

  int width = 0, height = 0;
  Rounding rounding = Rounding::kHalfEven;
  std::vector<std::string> class_names;
  std::string path;
  std::vector<uint8_t> scratch;
};

std::unique_ptr<Detector::Backend> open_float(const std::string& path, const DetectorOptions& options);
std::unique_ptr<Detector::Backend> open_integer(const std::string& path, const DetectorOptions& options);

// The picture as the network sees it in evaluation mode, and where it went.
data::Image letterbox(const data::Image& image, int width, int height, ImagePlacement& placement);
// The device floor's preprocessing with the tensor's memory in `bytes`. Throws Error.
ImagePlacement preprocess_into(const data::Image& image, const PreprocessOptions& options, Rounding rounding,
                               TensorView input, std::vector<uint8_t>& bytes);

}  // namespace shrike::evaluate
