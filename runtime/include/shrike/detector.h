// Postprocessing of output heads: detections, key points, masks, rotated boxes, classes. Threshold in the
// quantised domain, decoding, mapping back to the image, suppression of overlaps; what belongs to a detection
// beyond its box is decoded for the survivors only. Two modes: the chip's (spec/runtime-and-vision.md 6 and
// 7) and the evaluation's (suppression within a class, 300 boxes, float boxes).
#pragma once
#include "shrike/heads.h"
#include "shrike/model.h"

namespace shrike {

struct Detection {
  float x1, y1, x2, y2;  // pixels of the source image; a rotated box before it is turned about its centre
  float score;           // 0..1
  int32_t category;      // 0-based class index
  uint32_t place = 0;    // which box of the head: level by level, row by row, anchor by anchor
  float angle = 0;       // radians from the x axis to the y axis; rotated boxes only
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

// What comes with a box.
enum class HeadKind : uint8_t { kBoxes, kKeyPoints, kMasks, kRotatedBoxes };
// How the box tensor becomes a box is the decoder's (spec/heads.md 1.6), in pixels of the input, s = stride,
// (x, y) = cell: left, top, right, bottom from ((x + offset) s, (y + offset) s), each in strides, as one
// number or as a distribution over bins (head_detect and others); centre (2 sigmoid(t) - 1/2 + x) s, size (2
// sigmoid(t))^2 anchor (head_anchors); centre (t + x) s, size exp(t) s (head_objectness).

constexpr int32_t kMaxHeadLevels = 8;
constexpr int32_t kMaxAnchors = 4;

// Output tensors of one level, NHWC, int8, int16 or float32: box [1,H,W,anchors x 4 sides x bins], score
// [1,H,W,anchors x classes]. 16 bins is YOLO's DFL; 1 bin means that the four distances are given directly.
struct HeadLevel {
  TensorView box, score;
  int32_t stride = 0;
  TensorView objectness = {};          // [1,H,W,anchors]: factor of the score; none where it has no type
  TensorView third = {};               // [1,H,W,..]: key points, coefficients of masks, or the angle
  float anchors[kMaxAnchors][2] = {};  // width and height in pixels, head_anchors only
};

struct Head {
  const HeadDecoder* decoder = nullptr;
  HeadKind kind = HeadKind::kBoxes;
  Rounding rounding = Rounding::kHalfEven;  // the chip's, for its threshold on integers
  int32_t level_count = 0;
  HeadLevel levels[kMaxHeadLevels];
  float cell_offset = 0.5f;
  bool one_to_one = false;  // one box an object: overlaps are not suppressed
  bool raw_third = false;   // YOLO26: key points without the factor 2, the angle in radians
  int32_t anchor_count = 1;
  int32_t key_points = 0, key_point_values = 0;  // 3 values: x, y, visibility; 2: x, y
  TensorView prototypes = {};                    // [1,H,W,coefficients] of kMasks; none where it has no type
};

// A head without levels, with what `decoder` says of it: for programs that fill in tensors themselves.
Head make_head(const HeadDecoder& decoder);
// "detect", "pose", ...
const char* decoder_name(const Head& head);

// The head that the outputs of a loaded model are: the first of `heads` whose names (box0, score0, ...;
// spec/heads.md 3) are all its outputs, and that the metadata "head" names where the file has any. Metadata
// tell too what names and shapes don't; strides follow from the input size. The views are valid until the
// model runs again. kNotFound when none of them is the model's, whatever outputs they share.
Status find_head(const Model& model, const HeadSet& heads, Head* head);

// Bytes of scratch that decode_detections needs for `max_candidates`; any alignment.
size_t detect_scratch_bytes(const DetectOptions& options);

// Writes at most options.max_detections results, best first (equal scores: first level, first cell, first
// class first); returns how many through `count`. `results` must hold options.max_detections.
Status decode_detections(const Head& head, const ImagePlacement& placement, const DetectOptions& options,
                         void* scratch, size_t scratch_bytes, Detection* results, int32_t* count);

struct KeyPoint {
  float x, y;   // pixels of the source image
  float score;  // probability of being visible; 1 where the network doesn't tell
};
// The head's key points of a detection, `head.key_points` of them. kChip: truncated and clipped to whole
// pixels, and (0, 0) where the raw visibility is below one half, as the chip does.
Status decode_key_points(const Head& head, const Detection& detection, const ImagePlacement& placement,
                         DetectMode mode, KeyPoint* points);

// The pixels [x, x + width) x [y, y + height) that a detection's mask covers: its box, rounded outwards; in
// kChip mode its corners.
struct MaskArea {
  int32_t x, y, width, height;
};
MaskArea mask_area(const Detection& detection, DetectMode mode);
// Bytes of scratch that decode_mask needs: a float for every cell of the prototypes; any alignment.
size_t mask_scratch_bytes(const Head& head);
// One byte a pixel of the area, 0 or 1, rows packed. kChip: decided at the prototypes' cells, enlarged by
// nearest neighbour (spec/runtime-and-vision.md 7); else decided at every pixel between cells.
Status decode_mask(const Head& head, const Detection& detection, const ImagePlacement& placement,
                   DetectMode mode, void* scratch, size_t scratch_bytes, uint8_t* mask, size_t mask_bytes);

struct ClassScore {
  int32_t category;
  float score;
};
// The best of a classifier's output (any shape, one number a class), best first, equal ones by their index;
// at most `capacity` with scores greater than `threshold`. `softmax` where the network doesn't hold it.
Status decode_classes(const TensorView& output, bool softmax, float threshold, ClassScore* results,
                      int32_t capacity, int32_t* count);

}  // namespace shrike
