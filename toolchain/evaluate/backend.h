// What stands behind a Detector: the float engine or the integer runtime.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "shrike/image.h"
#include "toolchain/data/input_spec.h"
#include "toolchain/evaluate/detect.h"

namespace shrike::evaluate {

// The network's outputs: those of a head, or a classifier's numbers. The views are valid until the next run.
struct Outputs {
  Head head;
  TensorView classes;
};

struct Detector::Backend {
  virtual ~Backend() = default;
  virtual Prepared prepare(const data::Image& image, DetectMode mode) const = 0;
  virtual Outputs run(const Prepared& prepared) = 0;
  virtual host::IntegerModel* integer_model() { return nullptr; }
  // Once more on one thread, for other pictures at the same time. Null: can't, or the pictures depend on
  // each other.
  virtual std::unique_ptr<Backend> again() const { return nullptr; }
  virtual std::string description() const = 0;

  data::InputSpec input;
  Task task = Task::kBoxes;
  int key_points = 0;
  bool softmax = false;  // a classifier's output still needs it
  Rounding rounding = Rounding::kHalfEven;
  ClassNames class_names;
  std::string path;
  std::vector<uint8_t> scratch, mask_scratch;
};

std::unique_ptr<Detector::Backend> open_float(const std::string& path, const DetectorOptions& options);
std::unique_ptr<Detector::Backend> open_integer(const std::string& path, const DetectorOptions& options);

// The device floor's names for the host's placement.
ImagePlacement placement_of(const data::Placement& place, const data::Image& image);
// The device floor's preprocessing with the tensor's memory in `bytes`. Throws Error.
ImagePlacement preprocess_into(const data::Image& image, const PreprocessOptions& options, Rounding rounding,
                               TensorView input, std::vector<uint8_t>& bytes);
Task task_of(HeadKind kind);

}  // namespace shrike::evaluate
