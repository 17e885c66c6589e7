// Detection postprocessing for the YOLO heads box0, score0, box1, score1, box2, score2: threshold in the quantised
// domain, DFL, decode, mapping back to the image, NMS. Two modes: the chip's (spec/runtime-and-vision.md 6 and 7) and the evaluation's
// (class-wise NMS, 300 boxes, float boxes).
#pragma once
#include "shrike/model.h"

namespace shrike {

struct Detection {
  float x1, y1, x2, y2;  // pixels of the source image
  float score;           // 0..1
  int32_t category;      // 0-based class index
};

enum class DetectMode : uint8_t { kEvaluation, kChip };

// How the image was placed in the network input (see image.h): x_image = (x_input - left) * inverse_scale_x.
struct ImagePlacement {
  float inverse_scale_x = 1, inverse_scale_y = 1;
  int32_t left = 0, top = 0;
  int32_t image_width = 0, image_height = 0;
};

struct DetectOptions {
  DetectMode mode = DetectMode::kChip;
  float score_threshold = 0.25f;
  float iou_threshold = 0.7f;
  int32_t max_detections = 10;
  int32_t max_candidates = 30000;  // evaluation mode keeps the best of them before NMS, as Ultralytics does
};

// Output tensors of one level: box [1,H,W,64 or 4], score [1,H,W,classes]; int8, int16 or float32, NHWC.
struct HeadLevel {
  TensorView box, score;
  int32_t stride;
};

// Bytes of scratch that decode_detections needs for `max_candidates`.
size_t detect_scratch_bytes(const DetectOptions& options);

// Writes at most options.max_detections results, best first; returns how many through `count`.
Status decode_detections(const HeadLevel* levels, int32_t level_count, const ImagePlacement& placement,
                         const DetectOptions& options, void* scratch, size_t scratch_bytes, Detection* results, int32_t* count);

// Finds box0/score0… in a loaded model. Strides follow from the input size.
Status find_head(const Model& model, HeadLevel* levels, int32_t capacity, int32_t* count);

}  // namespace shrike
