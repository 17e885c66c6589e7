// Options shared by the commands that show pictures to a detector.
#pragma once
#include "cli/command_line.h"

#include "toolchain/evaluate/detect.h"

namespace shrike::cli {

// --mode, --imgsz, --outputs, --iou, --max-detections and those of add_model_options.
struct DetectorArguments {
  evaluate::DetectorOptions detector;
  std::string names_file;
  double iou = -1;         // -1: the mode's
  int max_detections = 0;  // 0: the mode's
};
void add_detector_options(Command& command, DetectorArguments& arguments, const char* default_mode);
// The mode's defaults with what the command line says instead.
DetectOptions detect_options(const evaluate::Detector& detector, const DetectorArguments& arguments);

}  // namespace shrike::cli
