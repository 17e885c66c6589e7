// Stand-in, see dl_model_base.hpp: what the four postprocessors have in common.
#pragma once
#include "dl_image_preprocessor.hpp"

namespace dl::detect {

typedef struct {
  int category;
  float score;
  std::vector<int> box;
  std::vector<int> keypoint;
} result_t;

typedef struct {
  int stride_y, stride_x, offset_y, offset_x;
} anchor_point_stage_t;

#define SHRIKE_STAND_IN_POSTPROCESSOR(name)                                                       \
  class name {                                                                                    \
   public:                                                                                        \
    name(Model* model, image::ImagePreprocessor* preprocessor, float score, float nms, int top_k, \
         const std::vector<anchor_point_stage_t>& stages);                                        \
    void clear_result();                                                                          \
    void postprocess();                                                                           \
    std::list<result_t>& get_result(int width, int height);                                       \
  }

}  // namespace dl::detect
