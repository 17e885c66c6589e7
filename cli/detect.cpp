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
#include "toolchain/evaluate/rle.h"
#include "toolchain/support/error.h"
#include "toolchain/support/files.h"
#include "toolchain/support/json.h"
#include "toolchain/support/outputs.h"

namespace shrike::cli {
namespace {

namespace fs = std::filesystem;
using evaluate::Found;

constexpr int kShownClasses = 5;

struct DetectArguments {
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
    const std::string stem = fs::path(path).stem().generic_string();
    const std::string extension = fs::path(path).extension() == ".png" ? ".png" : ".jpg";
    std::string name = stem + extension;
    for (int number = 2; !taken.insert(name).second; ++number)
      name = fmt::format("{}_{}{}", stem, number, extension);
    result.push_back((fs::path(folder) / name).generic_string());
  }
  return result;
}

CommandFiles files_of(const DetectArguments& arguments, const std::vector<std::string>& pictures,
                      const std::vector<std::string>& drawn) {
  CommandFiles files{pictures, {}};
  files.reads.push_back(arguments.file);
  files.reads.push_back(arguments.detector.names_file);
  for (const std::string& path : drawn) files.writes.push_back({path, "a drawn picture"});
  return files;
}

// Boxes that belong together are told apart by the class, or by the object where there is one class only.
data::Rgb color_of(const Found& object, size_t index, size_t classes) {
  return data::color_of(classes > 1 ? object.category : static_cast<int>(index));
}

void draw(data::Image& image, const evaluate::Results& results, const evaluate::Detector& detector,
          const data::Lettering& lettering) {
  const std::vector<std::string>& names = detector.class_names().names;
  std::vector<data::LabelledBox> boxes;
  for (size_t i = results.objects.size(); i-- > 0;) {  // the surest come out on top
    const Found& d = results.objects[i];
    const data::Rgb color = color_of(d, i, names.size());
    const std::string label = fmt::format("{} {:.2f}", names[static_cast<size_t>(d.category)], d.score);
    if (!d.mask.empty())
      data::blend_mask(image, d.area.x, d.area.y, d.area.width, d.area.height, d.mask, color);
    std::vector<data::Point> points;
    for (const KeyPoint& point : d.points) points.push_back({point.x, point.y, point.score});
    data::draw_points(image, points, color);
    if (detector.task() == evaluate::Task::kRotatedBoxes) {
      data::draw_rotated_box(image, d.x1, d.y1, d.x2, d.y2, d.angle, label, color, lettering);
    } else {
      boxes.insert(boxes.begin(), data::LabelledBox{d.x1, d.y1, d.x2, d.y2, label, color});
    }
  }
  data::draw_boxes(image, boxes, lettering);
  const int unit = data::unit_of(image), height = lettering.height(unit);
  for (size_t i = 0; i < results.classes.size(); ++i) {
    const ClassScore& one = results.classes[i];
    const std::string text = fmt::format("{} {:.2f}", names[static_cast<size_t>(one.category)], one.score);
    const int y = static_cast<int>(i) * (height + 2 * unit) + unit;
    data::fill_rectangle(image, 0, y - unit, lettering.width(text, unit) + 2 * unit, y + height, {0, 0, 0});
    lettering.draw(image, unit, y, text, unit, {255, 255, 255});
  }
}

// Names that would be drawn as boxes are told once, with what helps.
void report_missing_letters(const data::Lettering& lettering, const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    if (lettering.has(name)) continue;
    fmt::print(stderr,
               "note: no font here has all the characters of the class '{}'; install fonts-dejavu-core or, "
               "for East Asian characters, fonts-wqy-microhei, or name a font in SHRIKE_FONT\n",
               name);
    return;
  }
}

double rounded(double value, double steps) {
  return std::round(value * steps) / steps;
}

nlohmann::ordered_json to_json(const Found& object, const std::vector<std::string>& names) {
  nlohmann::ordered_json json;
  json["class"] = object.category;
  json["name"] = names[static_cast<size_t>(object.category)];
  json["score"] = rounded(object.score, 1e6);
  for (const float value : {object.x1, object.y1, object.x2, object.y2}) {
    json["box"].push_back(rounded(value, 1e3));
  }
  for (const KeyPoint& point : object.points) {
    json["key_points"].push_back({rounded(point.x, 1e3), rounded(point.y, 1e3), rounded(point.score, 1e6)});
  }
  if (!object.mask.empty()) {
    json["mask"] = {{"x", object.area.x},
                    {"y", object.area.y},
                    {"size", {object.area.height, object.area.width}},
                    {"counts", evaluate::to_text(evaluate::encode(object.mask.data(), object.area.height,
                                                                  object.area.width))}};
  }
  return json;
}

void print_classes(const evaluate::Results& results, const std::vector<std::string>& names) {
  for (const ClassScore& one : results.classes) {
    fmt::print("  {:<24} {:>6.3f}\n", names[static_cast<size_t>(one.category)], one.score);
  }
}

void print_table(const std::string& path, const evaluate::Picture& picture,
                 const evaluate::Detector& detector, const std::string& drawn) {
  const std::vector<std::string>& names = detector.class_names().names;
  const std::vector<Found>& objects = picture.results.objects;
  const std::string to = drawn.empty() ? "" : " -> " + drawn;
  if (detector.task() == evaluate::Task::kClasses) {
    fmt::print("{} ({}x{}): {}{}\n", path, picture.width, picture.height,
               picture.results.classes.empty()
                   ? "nothing"
                   : names[static_cast<size_t>(picture.results.classes[0].category)],
               to);
    return print_classes(picture.results, names);
  }
  fmt::print("{} ({}x{}): {} object{}{}\n", path, picture.width, picture.height, objects.size(),
             objects.size() == 1 ? "" : "s", to);
  if (objects.empty()) return;
  const bool rotated = detector.task() == evaluate::Task::kRotatedBoxes;
  fmt::print("  {:<16} {:>6} {:>8} {:>8} {:>8} {:>8}{}{}{}\n", "class", "score", "left", "top", "right",
             "bottom", rotated ? "  degrees" : "", detector.key_points() > 0 ? "  points" : "",
             objects[0].mask.empty() ? "" : "    mask");
  for (const Found& d : objects) {
    fmt::print("  {:<16} {:>6.3f} {:>8.1f} {:>8.1f} {:>8.1f} {:>8.1f}",
               names[static_cast<size_t>(d.category)], d.score, d.x1, d.y1, d.x2, d.y2);
    if (rotated) fmt::print("  {:>7.1f}", d.angle * 57.29578);
    if (detector.key_points() > 0) {
      const auto visible =
          std::count_if(d.points.begin(), d.points.end(), [](const KeyPoint& p) { return p.score >= 0.5f; });
      fmt::print("  {:>2} / {}", visible, d.points.size());
    }
    if (!d.mask.empty()) fmt::print("  {:>6}", std::count(d.mask.begin(), d.mask.end(), uint8_t{1}));
    fmt::print("\n");
  }
}

void run(const DetectArguments& arguments) {
  const std::vector<std::string> paths = expand(arguments.images);
  std::vector<std::string> outputs(paths.size());
  if (!arguments.output.empty()) {
    outputs = output_paths(arguments.output, paths);
    guard_outputs(files_of(arguments, paths, outputs));
  }
  evaluate::Detector detector(arguments.file, arguments.detector.detector);
  if (detector.integer_model() != nullptr) report_on_file(*detector.integer_model());
  if (!arguments.output.empty()) {
    make_folder(arguments.output);
    require_writable(outputs[0]);
  }

  const std::vector<std::string>& names = detector.class_names().names;
  nlohmann::ordered_json pictures = nlohmann::ordered_json::array();
  size_t failed = 0;
  const data::Lettering lettering =
      arguments.output.empty() ? data::Lettering::built_in() : data::Lettering::usual();
  if (!arguments.output.empty()) report_missing_letters(lettering, names);
  evaluate::RunOptions options;
  options.detect = detect_options(detector, arguments.detector);
  options.detect.score_threshold = static_cast<float>(arguments.confidence);
  if (detector.task() == evaluate::Task::kClasses && arguments.detector.max_detections == 0) {
    options.detect.max_detections = kShownClasses;
  }
  options.keep_images = !arguments.output.empty();
  options.on_error = [&](size_t, const std::string& message) {
    fmt::print(stderr, "shrike: {}\n", message);
    ++failed;
  };
  evaluate::detect_all(detector, paths, options, [&](evaluate::Picture picture) {
    const std::string& drawn = outputs[picture.index];
    if (!drawn.empty()) {
      draw(picture.image, picture.results, detector, lettering);
      data::save_image(picture.image, drawn);
    }
    if (!arguments.json) return print_table(paths[picture.index], picture, detector, drawn);
    nlohmann::ordered_json json{
        {"file", paths[picture.index]}, {"width", picture.width}, {"height", picture.height}};
    if (!drawn.empty()) json["drawn"] = drawn;
    if (detector.task() != evaluate::Task::kClasses) json["detections"] = nlohmann::ordered_json::array();
    for (const Found& object : picture.results.objects) json["detections"].push_back(to_json(object, names));
    for (const ClassScore& one : picture.results.classes) {
      json["classes"].push_back({{"class", one.category},
                                 {"name", names[static_cast<size_t>(one.category)]},
                                 {"score", rounded(one.score, 1e6)}});
    }
    pictures.push_back(std::move(json));
  });
  if (arguments.json) {
    const nlohmann::ordered_json json{
        {"model", arguments.file}, {"engine", detector.description()}, {"images", std::move(pictures)}};
    fmt::print("{}\n", indented_text(json));
  }
  if (detector.integer_model() != nullptr) report_saturation(*detector.integer_model());
  if (failed > 0) throw Exit{1};
}

void add_detect(Command& app) {
  auto arguments = std::make_shared<DetectArguments>();
  Command* command = app.add_subcommand(
      "detect", "Find objects, key points, masks or classes in pictures, print and draw them");
  command->footer(
      "Examples:\n"
      "  shrike detect yolo11n.espdl street.jpg -o found/\n"
      "  shrike detect yolo11n.espdl pictures/ --mode chip --json\n"
      "  shrike detect yolo11n.onnx street.jpg --imgsz 480x640 --conf 0.4 -o found/\n"
      "Labels are drawn in DejaVu Sans and a font with East Asian characters where they are installed; "
      "SHRIKE_FONT\n"
      "in the environment names other fonts.\n"
      "A picture that can't be read is reported and skipped; the exit status is then 1.");
  command->add_option("FILE", arguments->file, "Float model or integer model .espdl")->required();
  command->add_option("IMAGE", arguments->images, "JPEG or PNG pictures, or folders of them")->required();
  command->add_option("-o,--output", arguments->output, "Folder for the drawn pictures (made when missing)");
  command->add_option("--conf", arguments->confidence, "Only boxes with a greater score (default: 0.25)")
      ->check(between(0.0, 1.0));
  add_detector_options(*command, arguments->detector, "evaluation");
  command->add_flag("--json", arguments->json, "Print JSON");
  command->callback([arguments] { run(*arguments); });
}

const CommandRegistration detect_registration("detect", 40, add_detect);

}  // namespace
}  // namespace shrike::cli
