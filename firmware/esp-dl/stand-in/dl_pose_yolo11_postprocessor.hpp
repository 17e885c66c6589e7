// Stand-in, see dl_model_base.hpp.
#pragma once
#include "dl_detect_postprocessor_stand_in.hpp"

namespace dl::detect {
SHRIKE_STAND_IN_POSTPROCESSOR(yolo11posePostProcessor);
}
