// A network for pictures as a user sees it: a model file and pictures in; boxes, key points, masks, rotated
// boxes or classes out. Float models and integer `.espdl` files go through the same postprocessing.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "shrike/detector.h"
#include "toolchain/data/image.h"
#include "toolchain/data/input_spec.h"
#include "toolchain/evaluate/class_names.h"
#include "toolchain/graph/passes.h"
#include "toolchain/host/integer_model.h"

namespace shrike::evaluate {

struct DetectorOptions {
  DetectMode mode = DetectMode::kEvaluation;
  host::IntegerOptions integer;      // .espdl: target, kernels; `threads` holds for .onnx too
  graph::ImageSize size;             // .onnx: 0x0: as in the file
  std::vector<std::string> outputs;  // .onnx: empty: the head is found
  data::InputOptions input;          // what the file does not say about its input
  std::vector<std::string> names;    // of the classes; empty: as the file says
};

enum class Task { kBoxes, kKeyPoints, kMasks, kRotatedBoxes, kClasses };

// A detection with what its head has beyond the box.
struct Found : shrike::Detection {
  std::vector<KeyPoint> points;
  MaskArea area = {};
  std::vector<uint8_t> mask;  // 0 or 1, a byte a pixel of the area
};
struct Results {
  std::vector<Found> objects;       // best first
  std::vector<ClassScore> classes;  // of a classifier, best first
};

// A picture made ready for the network.
struct Prepared {
  std::vector<float> planar;       // .onnx: [3,H,W]
  std::vector<uint8_t> quantized;  // .espdl: bytes of the input tensor
  ImagePlacement placement;
};

class Detector {
 public:
  // Throws Error naming the file. The kind is told by the content, not by the name.
  explicit Detector(const std::string& path, const DetectorOptions& options = {});
  Detector(Detector&&) noexcept;
  ~Detector();

  // Evaluation mode: bilinear letterbox; chip mode: the chip's nearest-neighbour letterbox. Safe to call from
  // several threads, also while detect() runs.
  Prepared prepare(const data::Image& image) const;
  // In pixels of the picture. `options.mode` is the detector's own; a classifier
  // gives its options.max_detections best.
  Results detect(const Prepared& prepared, const DetectOptions& options);

  // Score threshold, NMS and limits of the mode: the COCO protocol's, or the chip's defaults.
  DetectOptions default_options() const;
  const data::InputSpec& input() const;
  Task task() const;
  int key_points() const;
  const ClassNames& class_names() const;
  // Null for a float model.
  const host::IntegerModel* integer_model() const;
  // As many detectors as this one has threads, with one thread each, for as many pictures at a time. Empty
  // where that makes no sense: a float model, one thread, a network that remembers the picture before.
  std::vector<Detector> on_one_thread_each() const;
  // Counts the saturated accumulators of such a detector as this one's.
  void add_counts(const Detector& other);
  // One line: what runs it, e.g. "integer, esp32p4, avx2" or "float".
  std::string description() const;

  struct Backend;

 private:
  Detector(DetectMode mode, std::unique_ptr<Backend> backend);
  DetectMode mode_;
  std::unique_ptr<Backend> backend_;
};

// Runs all pictures through `detector` and tells the results in order. A picture per thread where that can be
// (threads that share one picture wait for each other after every layer), else loading and preparing run
// ahead on a thread of their own. Errors of a picture end the run unless `on_error` is given: then it is told
// and the picture is skipped.
struct Picture {
  size_t index;
  data::Image image;  // only when keep_images
  int width, height;
  Results results;
};
struct RunOptions {
  DetectOptions detect;
  bool keep_images = false;
  std::function<void(size_t index, const std::string& message)> on_error = nullptr;
};
void detect_all(Detector& detector, const std::vector<std::string>& paths, const RunOptions& options,
                const std::function<void(Picture)>& sink);

}  // namespace shrike::evaluate
