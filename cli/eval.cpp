// shrike eval: the twelve COCO numbers of a float or integer detector.
#include <fmt/format.h>

#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/detector_options.h"
#include "cli/model_options.h"
#include "toolchain/evaluate/run.h"
#include "toolchain/support/files.h"
#include "toolchain/support/progress.h"

namespace shrike::cli {
namespace {

struct Arguments {
  std::string file, data, save_json;
  DetectorArguments detector;
  double confidence = -1;
  int64_t limit = 0;
  bool json = false, quiet = false;
};

struct Outcome {
  std::vector<evaluate::Detection> detections;
  evaluate::Metrics metrics;
  size_t images = 0;
  double seconds = 0;
};

Outcome measure(evaluate::Detector& detector, const DetectOptions& options, const evaluate::Folder& folder) {
  const std::vector<int> categories =
      evaluate::category_of_classes(folder.dataset, detector.class_names().size());
  Outcome outcome;
  outcome.images = folder.paths.size();
  {
    Progress progress("eval", static_cast<int64_t>(folder.paths.size()));
    const auto start = std::chrono::steady_clock::now();
    evaluate::detect_all(detector, folder.paths, {.detect = options}, [&](evaluate::Picture picture) {
      const int64_t id = folder.dataset.images[picture.index].id;
      for (const auto& found : evaluate::to_coco(picture.detections, id, categories)) {
        outcome.detections.push_back(found);
      }
      progress.step();
    });
    outcome.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }
  outcome.metrics = evaluate::evaluate(folder.dataset, outcome.detections);
  return outcome;
}

const char* mode_name(DetectMode mode) {
  return mode == DetectMode::kChip ? "chip" : "evaluation";
}

void print_json(const Arguments& arguments, const evaluate::Detector& detector, const Outcome& outcome) {
  nlohmann::ordered_json json;
  json["file"] = arguments.file;
  json["data"] = arguments.data;
  json["engine"] = detector.description();
  json["mode"] = mode_name(arguments.detector.detector.mode);
  json["input"] = {{"height", detector.input_height()}, {"width", detector.input_width()}};
  json["images"] = outcome.images;
  json["detections"] = outcome.detections.size();
  json["seconds"] = outcome.seconds;
  json["images_per_second"] = static_cast<double>(outcome.images) / outcome.seconds;
  for (size_t i = 0; i < outcome.metrics.values.size(); ++i) {
    json["metrics"][evaluate::metric_names()[i]] = outcome.metrics.values[i];
  }
  fmt::print("{}\n", json.dump(2));
}

// What the protocol's numbers mean, in its order.
struct Line {
  const char *what, *overlap, *area;
  int limit;
};
constexpr Line kLines[12] = {
    {"average precision", "0.50:0.95", "all", 100},    {"average precision", "0.50", "all", 100},
    {"average precision", "0.75", "all", 100},         {"average precision", "0.50:0.95", "small", 100},
    {"average precision", "0.50:0.95", "medium", 100}, {"average precision", "0.50:0.95", "large", 100},
    {"average recall", "0.50:0.95", "all", 1},         {"average recall", "0.50:0.95", "all", 10},
    {"average recall", "0.50:0.95", "all", 100},       {"average recall", "0.50:0.95", "small", 100},
    {"average recall", "0.50:0.95", "medium", 100},    {"average recall", "0.50:0.95", "large", 100},
};

void print_text(const Arguments& arguments, const evaluate::Detector& detector, const Outcome& outcome) {
  fmt::print("{} ({}, input {}x{}, {} mode) on {}\n", arguments.file, detector.description(),
             detector.input_height(), detector.input_width(), mode_name(arguments.detector.detector.mode),
             arguments.data);
  fmt::print("{} images, {} detections, {:.1f} s, {:.1f} images/s\n\n", outcome.images,
             outcome.detections.size(), outcome.seconds,
             static_cast<double>(outcome.images) / outcome.seconds);
  for (size_t i = 0; i < outcome.metrics.values.size(); ++i) {
    const Line& line = kLines[i];
    const double value = outcome.metrics.values[i];
    fmt::print("  {:<6} {:<18} IoU {:<10} area {:<7} at most {:>3}   {}\n", evaluate::metric_names()[i],
               line.what, line.overlap, line.area, line.limit,
               value < 0 ? "     -" : fmt::format("{:.4f}", value));
  }
}

void run(const Arguments& arguments) {
  if (arguments.quiet) silence_progress();
  const evaluate::Folder folder = evaluate::open_folder(arguments.data, arguments.limit);
  if (!arguments.save_json.empty()) require_writable(arguments.save_json);
  evaluate::Detector detector(arguments.file, arguments.detector.detector);
  if (detector.integer_model() != nullptr) report_assumed_target(*detector.integer_model());
  DetectOptions options = detect_options(detector, arguments.detector);
  // Precision over all recalls needs the unlikely boxes too, whatever the mode shows to a user.
  options.score_threshold = arguments.confidence < 0 ? 0.001f : static_cast<float>(arguments.confidence);
  const Outcome outcome = measure(detector, options, folder);
  if (!arguments.save_json.empty()) {
    write_file_atomically(arguments.save_json,
                          std::string_view(evaluate::detections_json(outcome.detections)));
  }
  if (arguments.json) {
    print_json(arguments, detector, outcome);
  } else {
    print_text(arguments, detector, outcome);
  }
  if (detector.integer_model() != nullptr) report_saturation(*detector.integer_model());
}

void add_eval(Command& app) {
  auto arguments = std::make_shared<Arguments>();
  Command* command =
      app.add_subcommand("eval", "Measure the twelve COCO numbers of a float or integer detector");
  command->footer(
      "Examples:\n"
      "  shrike eval yolo11n.onnx --data coco_val/ --imgsz 320\n"
      "  shrike eval yolo11n.espdl --data coco_val/ --save-json detections.json\n"
      "  shrike eval yolo11n.espdl --data coco_val/ --mode chip --target esp32s3");
  command->add_option("FILE", arguments->file, "Float model .onnx or integer model .espdl")->required();
  command->add_option("--data", arguments->data, "Folder with instances.json (COCO format) and images/")
      ->required();
  add_detector_options(*command, arguments->detector, "evaluation");
  command
      ->add_option("--conf", arguments->confidence, "Only boxes with a greater score count (default: 0.001)")
      ->check(between(0.0, 1.0));
  command->add_option("--limit", arguments->limit, "Only the first N images (default: all)")
      ->check(positive());
  command->add_option("--save-json", arguments->save_json, "Write the detections as COCO results JSON");
  command->add_flag("--json", arguments->json, "Print JSON");
  command->add_flag("--quiet", arguments->quiet, "No progress");
  command->callback([arguments] { run(*arguments); });
}

const CommandRegistration registration("eval", 30, add_eval);

}  // namespace
}  // namespace shrike::cli
