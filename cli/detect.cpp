// shrike detect: boxes on pictures.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>

#include "cli/commands.h"
#include "cli/detector_options.h"
#include "cli/model_options.h"
#include "toolchain/data/draw.h"
#include "toolchain/evaluate/detect.h"
#include "toolchain/support/error.h"
#include "toolchain/support/files.h"

namespace shrike::cli {
namespace {

namespace fs = std::filesystem;

struct Arguments {
  std::string file, output;
  std::vector<std::string> images;
  DetectorArguments detector;
  double confidence = 0.25;
  bool json = false;
};

// Folders stand for the pictures in them.
std::vector<std::string> expand(const std::vector<std::string>& arguments) {
  std::vector<std::string> paths;
  for (const std::string& argument : arguments) {
    std::error_code ignored;
    if (fs::is_directory(argument, ignored)) {
      const std::vector<std::string> inside = data::list_images(argument);
      paths.insert(paths.end(), inside.begin(), inside.end());
    } else {
      paths.push_back(argument);
    }
  }
  return paths;
}

// Where the drawn pictures go: the picture's own name in the output folder, numbered when two pictures share
// it.
std::vector<std::string> output_paths(const std::string& folder, const std::vector<std::string>& paths) {
  std::set<std::string> taken;
  std::vector<std::string> result;
  for (const std::string& path : paths) {
    const std::string stem = fs::path(path).stem().string();
    const std::string extension = fs::path(path).extension() == ".png" ? ".png" : ".jpg";
    std::string name = stem + extension;
    for (int number = 2; !taken.insert(name).second; ++number)
      name = fmt::format("{}_{}{}", stem, number, extension);
    result.push_back((fs::path(folder) / name).string());
  }
  return result;
}

// Drawing over the pictures themselves would lose them.
void require_other_folder(const std::vector<std::string>& outputs, const std::vector<std::string>& paths) {
  for (const std::string& output : outputs) {
    for (const std::string& path : paths) {
      std::error_code ignored;
      if (fs::equivalent(output, path, ignored)) {
        fail("{}: the drawn picture would overwrite the picture itself; choose another folder with -o", path);
      }
    }
  }
}

void draw(data::Image& image, const std::vector<Detection>& detections,
          const std::vector<std::string>& names) {
  std::vector<data::LabelledBox> boxes;
  for (const Detection& d : detections) {
    boxes.push_back({d.x1, d.y1, d.x2, d.y2,
                     fmt::format("{} {:.2f}", names[static_cast<size_t>(d.category)], d.score),
                     data::color_of(d.category)});
  }
  data::draw_boxes(image, boxes);
}

double rounded(double value, double steps) {
  return std::round(value * steps) / steps;
}

nlohmann::ordered_json to_json(const Detection& detection, const std::vector<std::string>& names) {
  nlohmann::ordered_json json;
  json["class"] = detection.category;
  json["name"] = names[static_cast<size_t>(detection.category)];
  json["score"] = rounded(detection.score, 1e6);
  for (const float value : {detection.x1, detection.y1, detection.x2, detection.y2}) {
    json["box"].push_back(rounded(value, 1e3));
  }
  return json;
}

void print_table(const std::string& path, const evaluate::Picture& picture,
                 const std::vector<std::string>& names, const std::string& drawn) {
  fmt::print("{} ({}x{}): {} object{}{}\n", path, picture.width, picture.height, picture.detections.size(),
             picture.detections.size() == 1 ? "" : "s", drawn.empty() ? "" : " -> " + drawn);
  if (picture.detections.empty()) return;
  fmt::print("  {:<16} {:>6} {:>8} {:>8} {:>8} {:>8}\n", "class", "score", "left", "top", "right", "bottom");
  for (const Detection& d : picture.detections) {
    fmt::print("  {:<16} {:>6.3f} {:>8.1f} {:>8.1f} {:>8.1f} {:>8.1f}\n",
               names[static_cast<size_t>(d.category)], d.score, d.x1, d.y1, d.x2, d.y2);
  }
}

void run(const Arguments& arguments) {
  const std::vector<std::string> paths = expand(arguments.images);
  std::vector<std::string> outputs(paths.size());
  if (!arguments.output.empty()) {
    outputs = output_paths(arguments.output, paths);
    require_other_folder(outputs, paths);
  }
  evaluate::Detector detector(arguments.file, arguments.detector.detector);
  if (detector.integer_model() != nullptr) report_assumed_target(*detector.integer_model());
  if (!arguments.output.empty()) {
    make_folder(arguments.output);
    require_writable(outputs[0]);
  }

  const std::vector<std::string>& names = detector.class_names();
  nlohmann::ordered_json pictures = nlohmann::ordered_json::array();
  size_t failed = 0;
  evaluate::RunOptions options;
  options.detect = detect_options(detector, arguments.detector);
  options.detect.score_threshold = static_cast<float>(arguments.confidence);
  options.keep_images = !arguments.output.empty();
  options.on_error = [&](size_t, const std::string& message) {
    fmt::print(stderr, "shrike: {}\n", message);
    ++failed;
  };
  evaluate::detect_all(detector, paths, options, [&](evaluate::Picture picture) {
    const std::string& drawn = outputs[picture.index];
    if (!drawn.empty()) {
      draw(picture.image, picture.detections, names);
      data::save_image(picture.image, drawn);
    }
    if (!arguments.json) return print_table(paths[picture.index], picture, names, drawn);
    nlohmann::ordered_json json{
        {"file", paths[picture.index]}, {"width", picture.width}, {"height", picture.height}};
    if (!drawn.empty()) json["drawn"] = drawn;
    json["detections"] = nlohmann::ordered_json::array();
    for (const Detection& detection : picture.detections)
      json["detections"].push_back(to_json(detection, names));
    pictures.push_back(std::move(json));
  });
  if (arguments.json) {
    const nlohmann::ordered_json json{
        {"model", arguments.file}, {"engine", detector.description()}, {"images", std::move(pictures)}};
    // File names may be of any bytes.
    fmt::print("{}\n", json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
  }
  if (detector.integer_model() != nullptr) report_saturation(*detector.integer_model());
  if (failed > 0) throw Exit{1};
}

void add_detect(Command& app) {
  auto arguments = std::make_shared<Arguments>();
  Command* command = app.add_subcommand("detect", "Find objects in pictures, print them and draw them");
  command->footer(
      "Examples:\n"
      "  shrike detect yolo11n.espdl street.jpg -o found/\n"
      "  shrike detect yolo11n.espdl pictures/ --mode chip --json\n"
      "  shrike detect yolo11n.onnx street.jpg --imgsz 480x640 --conf 0.4 -o found/\n"
      "A picture that can't be read is reported and skipped; the exit status is then 1.");
  command->add_option("FILE", arguments->file, "Float model .onnx or integer model .espdl")->required();
  command->add_option("IMAGE", arguments->images, "JPEG or PNG pictures, or folders of them")->required();
  command->add_option("-o,--output", arguments->output, "Folder for the drawn pictures (made when missing)");
  command->add_option("--conf", arguments->confidence, "Only boxes with a greater score (default: 0.25)")
      ->check(between(0.0, 1.0));
  add_detector_options(*command, arguments->detector, "evaluation");
  command->add_flag("--json", arguments->json, "Print JSON");
  command->callback([arguments] { run(*arguments); });
}

const CommandRegistration registration("detect", 40, add_detect);

}  // namespace
}  // namespace shrike::cli
