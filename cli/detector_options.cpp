#include "cli/detector_options.h"

#include "cli/commands.h"
#include "cli/model_options.h"
#include "cli/picture_options.h"
#include "toolchain/pipeline/settings_file.h"

namespace shrike::cli {

void add_detector_options(Command& command, DetectorArguments& arguments, const char* default_mode) {
  evaluate::DetectorOptions& detector = arguments.detector;
  detector.mode = std::string(default_mode) == "chip" ? DetectMode::kChip : DetectMode::kEvaluation;
  command
      .add_option_function(
          "--mode",
          [&detector](const std::string& value) {
            detector.mode = value == "chip" ? DetectMode::kChip : DetectMode::kEvaluation;
          },
          std::string("evaluation: bilinear letterbox, NMS within classes, at most 300 boxes; chip: "
                      "nearest-neighbour "
                      "letterbox, NMS over all classes, at most 10 boxes, as the firmware does (default: ") +
              default_mode + ")")
      ->check(one_of({"evaluation", "chip"}));
  command.add_option_function(
      "--imgsz",
      [&detector](const std::string& value) {
        quantize::Settings settings;
        as_command_line([&] { quantize::set_field(settings, "imgsz", value); });
        detector.size = settings.size;
      },
      "Input size of a float model, N or HxW (default: as in the file)");
  for (const char* name : {"mean", "std", "scale", "color", "layout", "preprocess"}) {
    std::string help;
    for (const quantize::SettingField& field : quantize::setting_fields()) {
      if (field.name == name) help = field.help;
    }
    command
        .add_option_function(
            std::string("--") + name,
            [&detector, name](const std::string& value) {
              quantize::Settings settings;
              settings.input = detector.input;
              as_command_line([&] { quantize::set_field(settings, name, value); });
              detector.input = settings.input;
            },
            help + " (default: as the file says)")
        ->group("Input");
  }
  command.add_option_function(
      "--names",
      [&arguments](const std::string& path) {
        arguments.detector.names = evaluate::load_names(path);
        arguments.names_file = path;
      },
      "File with the names of the classes, one a line, or a data.yaml (default: as the file says)");
  command
      .add_option("--outputs", detector.outputs,
                  "Tensors or nodes of a float model that become its outputs (default: the head)")
      ->delimiter(',');
  command.add_option("--iou", arguments.iou, "Boxes that overlap more than this are dropped (default: 0.7)")
      ->check(between(0.0, 1.0));
  command
      .add_option("--max-detections", arguments.max_detections,
                  "Boxes an image at most (default: evaluation 300, chip 10)")
      ->check(between(1, 30000));
  add_picture_options(command);
  add_model_options(command, detector.integer);
}

DetectOptions detect_options(const evaluate::Detector& detector, const DetectorArguments& arguments) {
  DetectOptions options = detector.default_options();
  if (arguments.iou >= 0) options.iou_threshold = static_cast<float>(arguments.iou);
  if (arguments.max_detections > 0) options.max_detections = arguments.max_detections;
  return options;
}

}  // namespace shrike::cli
