// Detection postprocessing for the YOLO heads box0, score0, box1, score1, box2, score2: threshold in the
// quantised domain, DFL, decode, mapping back to the image, NMS. Two modes: the chip's
// (spec/runtime-and-vision.md 6 and 7) and the evaluation's (class-wise NMS, 300 boxes, float boxes).
#pragma once
#include "shrike/model.h"

namespace shrike {

struct Detection {
  float x1, y1, x2, y2;  // pixels of the source image
  float score;           // 0..1
  int32_t category;      // 0-based class index
};

// kChip: score threshold moved to the integers of the score tensor, boxes truncated to whole pixels of the
// image, NMS over all classes with areas of inclusive pixels, then clipped to [0, width-1] x [0, height-1].
// kEvaluation: threshold on the exact score, NMS within each class on float boxes of the network input, then
// mapped and clipped to [0, width] x [0, height].
enum class DetectMode : uint8_t { kEvaluation, kChip };

// How the image was placed in the network input (see image.h): x_image = (x_input - left) * inverse_scale_x.
struct ImagePlacement {
  float inverse_scale_x = 1, inverse_scale_y = 1;
  int32_t left = 0, top = 0;
  int32_t image_width = 0, image_height = 0;
};

struct DetectOptions {
  DetectMode mode = DetectMode::kChip;
  float score_threshold = 0.25f;  // strict: only greater scores count; 0 keeps everything, 1 nothing
  float iou_threshold = 0.7f;     // strict: only greater overlaps are suppressed
  int32_t max_detections = 10;
  // The best of them go into NMS when more pass the threshold; 12 bytes of scratch each. The default suits a
  // device.
  int32_t max_candidates = 1024;
};

// The protocol by which COCO numbers of YOLO models are compared.
constexpr DetectOptions evaluation_options() {
  return {DetectMode::kEvaluation, 0.001f, 0.7f, 300, 30000};
}

// Output tensors of one level: box [1,H,W,4 sides x bins], score [1,H,W,classes]; int8, int16 or float32,
// NHWC. 16 bins is YOLO's DFL; 1 bin means that the four distances are given directly.
struct HeadLevel {
  TensorView box, score;
  int32_t stride;
  Rounding rounding = Rounding::kHalfEven;  // the chip's, for its threshold on integers; find_head() sets it
};

constexpr int32_t kMaxHeadLevels = 8;

// Bytes of scratch that decode_detections needs for `max_candidates`; any alignment.
size_t detect_scratch_bytes(const DetectOptions& options);

// Writes at most options.max_detections results, best first (equal scores: first level, first cell, first
// class first); returns how many through `count`. `results` must hold options.max_detections.
Status decode_detections(const HeadLevel* levels, int32_t level_count, const ImagePlacement& placement,
                         const DetectOptions& options, void* scratch, size_t scratch_bytes,
                         Detection* results, int32_t* count);

// Finds box0/score0, box1/score1, ... among the outputs of a loaded model. Strides follow from the input
// size. The views are valid until the model runs again.
Status find_head(const Model& model, HeadLevel* levels, int32_t capacity, int32_t* count);

}  // namespace shrike
