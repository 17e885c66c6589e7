// The device API in ten lines: an `.espdl` file in memory and a camera picture in, boxes out.
#include "shrike/detector.h"
#include "shrike/image.h"
#include "shrike/model.h"

// `file` is 16-byte aligned and outlives the call; "shrike profile" says how large the arena must be.
shrike::Status detect(const void* file, size_t file_bytes, const shrike::ImageView& image, void* arena,
                      size_t arena_bytes, shrike::Detection (&found)[10], int32_t* count) {
  static uint8_t scratch[8192];
  shrike::Model model;
  shrike::ImagePlacement placement;
  shrike::Head head;
  shrike::DetectOptions options;
  options.max_candidates = 512;
  shrike::ModelOptions model_options;
  model_options.operators = &shrike::kAllOperators;
  model_options.kernels = &shrike::kPortableKernels;
  SHRIKE_RETURN_IF_ERROR(model.load(file, file_bytes, arena, arena_bytes, model_options));
  SHRIKE_RETURN_IF_ERROR(shrike::preprocess(image, shrike::preprocess_options(model), model, &placement));
  SHRIKE_RETURN_IF_ERROR(model.run());
  // Or the one decoder that your model needs (docs/deploy.md 3).
  SHRIKE_RETURN_IF_ERROR(shrike::find_head(model, shrike::kAllHeads, &head));
  return shrike::decode_detections(head, placement, options, scratch, sizeof scratch, found, count);
}
