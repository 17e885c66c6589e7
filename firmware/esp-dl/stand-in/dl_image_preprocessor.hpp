// Stand-in, see dl_model_base.hpp.
#pragma once
#include "dl_model_base.hpp"

namespace dl::image {

typedef enum { DL_IMAGE_PIX_TYPE_RGB888, DL_IMAGE_PIX_TYPE_RGB565LE, DL_IMAGE_PIX_TYPE_RGB565BE } pix_type_t;

typedef struct {
  void* data;
  uint16_t width, height;
  pix_type_t pix_type;
} img_t;

class ImagePreprocessor {
 public:
  ImagePreprocessor(Model* model, const std::array<float, 3>& mean, const std::array<float, 3>& std,
                    bool rgb_swap = false, const std::string& input_name = "");
  ImagePreprocessor(Model* model, float mean, float std, const std::string& input_name = "");
  void enable_letterbox(const std::vector<uint8_t>& background);
  void preprocess(const img_t& image, const std::vector<int>& crop_area = {});
};

}  // namespace dl::image
