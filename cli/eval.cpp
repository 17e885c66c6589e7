// shrike eval: COCO's numbers of a float or integer detector, top-1 and top-5 of a classifier.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>

#include "cli/commands.h"
#include "cli/detector_options.h"
#include "cli/model_options.h"
#include "toolchain/evaluate/report.h"
#include "toolchain/support/error.h"
#include "toolchain/support/files.h"
#include "toolchain/support/json.h"
#include "toolchain/support/outputs.h"
#include "toolchain/support/progress.h"

namespace shrike::cli {
namespace {

struct EvalArguments {
  std::string file, data, save_json, against, page;
  DetectorArguments detector;
  double confidence = -1;
  int64_t limit = 0;
  int draws = -1;  // -1: 200 with --against, else none
  bool json = false, quiet = false, per_class = false, strict = false;
};

// One table of twelve numbers.
struct Table {
  std::string what;
  evaluate::Measure measure;
  evaluate::Metrics metrics;
};

// How far the first table's AP can be trusted, and what other detections of the same images have.
struct Errors {
  double own = 0;
  std::optional<double> against;
  double difference = 0;  // standard error of own minus the others', image by image
};

struct Outcome {
  std::vector<evaluate::Detection> detections;
  std::optional<Errors> errors;
  std::vector<Table> tables;
  size_t images = 0;
  double seconds = 0;
  std::vector<std::string> remarks;
  std::map<int, std::string> categories;
  std::vector<std::pair<std::string, evaluate::PrecisionCurves>> curves;  // with --html only,
  std::vector<evaluate::ReportPicture> pictures;                          // and the worst pictures
};

// Pictures of the page, and the scores of their boxes.
constexpr size_t kShownPictures = 12;
constexpr double kShownScore = 0.25;

std::vector<Table> tables_of(const evaluate::Detector& detector, const evaluate::Dataset& dataset,
                             const std::vector<evaluate::Detection>& detections) {
  using evaluate::Measure;
  const auto table = [&](const char* what, Measure measure) {
    return Table{what, measure, evaluate::evaluate(dataset, detections, measure)};
  };
  if (detector.task() == evaluate::Task::kRotatedBoxes) return {table("turned boxes", Measure::kTurnedBoxes)};
  std::vector<Table> tables = {table("boxes", Measure::kBoxes)};
  const auto has_points = [](const evaluate::GroundTruth& truth) { return !truth.points.empty(); };
  const auto has_mask = [](const evaluate::GroundTruth& truth) { return !truth.mask.counts.empty(); };
  const auto& truths = dataset.annotations;
  if (detector.task() == evaluate::Task::kKeyPoints &&
      std::any_of(truths.begin(), truths.end(), has_points)) {
    for (const evaluate::GroundTruth& truth : truths) {
      if (truth.points.empty() || truth.points.size() == static_cast<size_t>(detector.key_points())) continue;
      fail("the labels have {} key points, the model {}", truth.points.size(), detector.key_points());
    }
    tables.push_back(table("key points", Measure::kKeyPoints));
  }
  if (detector.task() == evaluate::Task::kMasks && std::any_of(truths.begin(), truths.end(), has_mask)) {
    tables.push_back(table("masks", Measure::kMasks));
  }
  return tables;
}

// What --against holds.
using Others = std::optional<std::vector<evaluate::Detection>>;

Errors errors_of(const evaluate::Dataset& dataset, evaluate::Measure measure,
                 const std::vector<evaluate::Detection>& detections, const Others& others, int draws) {
  std::vector<double> own = evaluate::redrawn_precision(dataset, detections, measure, draws);
  Errors errors{evaluate::standard_deviation(own), {}, 0};
  if (!others) return errors;
  errors.against = evaluate::evaluate(dataset, *others, measure).map();
  const std::vector<double> theirs = evaluate::redrawn_precision(dataset, *others, measure, draws);
  for (size_t i = 0; i < own.size(); ++i) own[i] -= theirs[i];
  errors.difference = evaluate::standard_deviation(own);
  return errors;
}

void require_size(const evaluate::Folder& folder, const evaluate::Picture& picture) {
  const evaluate::Dataset::ImageEntry& image = folder.dataset.images[picture.index];
  if (folder.in_shares || (image.width == picture.width && image.height == picture.height)) return;
  fail(
      "{}: the labels were made for {}x{} pixels, the picture has {}x{}; replace one of them, or leave "
      "--strict out",
      folder.paths[picture.index], image.width, image.height, picture.width, picture.height);
}

Outcome measure(evaluate::Detector& detector, const DetectOptions& options, evaluate::Folder& folder,
                const EvalArguments& arguments, const Others& others) {
  const std::vector<int> categories = evaluate::category_of_classes(folder.dataset, detector.class_names());
  Outcome outcome;
  outcome.images = folder.paths.size();
  std::vector<std::pair<int, int>> sizes(folder.paths.size());
  {
    Progress progress("eval", static_cast<int64_t>(folder.paths.size()));
    const auto start = std::chrono::steady_clock::now();
    evaluate::detect_all(detector, folder.paths, {.detect = options}, [&](evaluate::Picture picture) {
      const int64_t id = folder.dataset.images[picture.index].id;
      if (arguments.strict) require_size(folder, picture);
      sizes[picture.index] = {picture.width, picture.height};
      for (auto& found : evaluate::to_coco(picture.results.objects, id, picture.width, picture.height,
                                           categories, detector.task())) {
        outcome.detections.push_back(std::move(found));
      }
      progress.step();
    });
    outcome.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }
  evaluate::to_pixels(folder, sizes);
  outcome.tables = tables_of(detector, folder.dataset, outcome.detections);
  const int draws = arguments.draws >= 0 ? arguments.draws : others ? 200 : 0;
  if (draws > 0)
    outcome.errors = errors_of(folder.dataset, outcome.tables[0].measure, outcome.detections, others, draws);
  if (!arguments.page.empty()) {
    for (const Table& table : outcome.tables) {
      outcome.curves.emplace_back(
          table.what, evaluate::precision_curves(folder.dataset, outcome.detections, table.measure));
    }
    outcome.pictures = evaluate::worst_pictures(folder, outcome.detections, outcome.tables[0].measure,
                                                kShownScore, kShownPictures);
  }
  outcome.remarks = folder.dataset.remarks;
  outcome.categories = folder.dataset.category_names;
  return outcome;
}

const char* mode_name(DetectMode mode) {
  return mode == DetectMode::kChip ? "chip" : "evaluation";
}

nlohmann::ordered_json head_json(const EvalArguments& arguments, const evaluate::Detector& detector,
                                 size_t images, double seconds) {
  nlohmann::ordered_json json;
  json["file"] = arguments.file;
  json["data"] = arguments.data;
  json["engine"] = detector.description();
  json["mode"] = mode_name(arguments.detector.detector.mode);
  json["input"] = {{"height", detector.input().height}, {"width", detector.input().width}};
  json["images"] = images;
  json["seconds"] = seconds;
  json["images_per_second"] = static_cast<double>(images) / seconds;
  return json;
}

void print_json(const EvalArguments& arguments, const evaluate::Detector& detector, const Outcome& outcome) {
  nlohmann::ordered_json json = head_json(arguments, detector, outcome.images, outcome.seconds);
  json["detections"] = outcome.detections.size();
  for (size_t t = 0; t < outcome.tables.size(); ++t) {
    // The boxes' numbers are "metrics"; those of what comes with a box have its name.
    nlohmann::ordered_json& target = t == 0 ? json["metrics"] : json[outcome.tables[t].what];
    for (size_t i = 0; i < outcome.tables[t].metrics.values.size(); ++i) {
      target[evaluate::metric_names()[i]] = outcome.tables[t].metrics.values[i];
    }
  }
  if (outcome.errors) {
    json["errors"]["AP"] = outcome.errors->own;
    if (outcome.errors->against) {
      json["against"] = {{"file", arguments.against},
                         {"AP", *outcome.errors->against},
                         {"difference", outcome.tables[0].metrics.map() - *outcome.errors->against},
                         {"error", outcome.errors->difference}};
    }
  }
  for (const evaluate::Metrics::Category& own : outcome.tables[0].metrics.categories) {
    json["classes"].push_back({{"category", own.id},
                               {"name", outcome.categories.at(own.id)},
                               {"labels", own.truths},
                               {"AP", own.map},
                               {"AP50", own.map50}});
  }
  fmt::print("{}\n", indented_text(json));
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

void print_heading(const EvalArguments& arguments, const evaluate::Detector& detector) {
  fmt::print("{} ({}, input {}x{}, {} mode) on {}\n", arguments.file, detector.description(),
             detector.input().height, detector.input().width, mode_name(arguments.detector.detector.mode),
             arguments.data);
}

void print_table(const Table& table, bool named) {
  const bool points = table.what == "key points";
  if (named) fmt::print("{}{}\n", table.what, points ? " (similarity OKS instead of IoU, at most 20)" : "");
  for (size_t i = 0; i < table.metrics.values.size(); ++i) {
    const Line& line = kLines[i];
    const double value = table.metrics.values[i];
    fmt::print("  {:<6} {:<18} {} {:<10} area {:<7} at most {:>3}   {}\n", evaluate::metric_names()[i],
               line.what, points ? "OKS" : "IoU", line.overlap, line.area,
               points ? std::min(line.limit, 20) : line.limit,
               value < 0 ? "     -" : fmt::format("{:.4f}", value));
  }
}

void print_categories(const Outcome& outcome) {
  fmt::print("\n  {:<20} {:>7} {:>8} {:>8}\n", "class", "labels", "AP", "AP50");
  for (const evaluate::Metrics::Category& own : outcome.tables.back().metrics.categories) {
    fmt::print("  {:<20} {:>7} {:>8.4f} {:>8.4f}\n", outcome.categories.at(own.id), own.truths, own.map,
               own.map50);
  }
}

void print_errors(const EvalArguments& arguments, const Errors& errors, double precision) {
  fmt::print("\n  AP {:.4f}, standard error {:.4f} (images redrawn)\n", precision, errors.own);
  if (!errors.against) return;
  fmt::print("  {:+.4f} against the {:.4f} of {}, standard error {:.4f} (the same images redrawn for both)\n",
             precision - *errors.against, *errors.against, arguments.against, errors.difference);
}

void print_text(const EvalArguments& arguments, const evaluate::Detector& detector, const Outcome& outcome) {
  print_heading(arguments, detector);
  fmt::print("{} images, {} detections, {:.1f} s, {:.1f} images/s\n\n", outcome.images,
             outcome.detections.size(), outcome.seconds,
             static_cast<double>(outcome.images) / outcome.seconds);
  const bool named = outcome.tables.size() > 1 || detector.task() == evaluate::Task::kRotatedBoxes;
  for (const Table& table : outcome.tables) print_table(table, named);
  if (outcome.errors) print_errors(arguments, *outcome.errors, outcome.tables[0].metrics.map());
  if (arguments.per_class) print_categories(outcome);
}

evaluate::Report head_report(const EvalArguments& arguments, const evaluate::Detector& detector,
                             size_t images) {
  evaluate::Report report;
  report.file = arguments.file;
  report.engine =
      fmt::format("{}, input {}x{}", detector.description(), detector.input().height, detector.input().width);
  report.data = fmt::format("{} images of {}", images, arguments.data);
  report.mode = mode_name(arguments.detector.detector.mode);
  report.integer = detector.integer_model() != nullptr;
  return report;
}

std::string number(double value) {
  return value < 0 ? "-" : fmt::format("{:.4f}", value);
}

void write_page(const EvalArguments& arguments, const evaluate::Detector& detector, const Outcome& outcome) {
  if (arguments.page.empty()) return;
  evaluate::Report report = head_report(arguments, detector, outcome.images);
  report.remarks = outcome.remarks;
  report.curves = outcome.curves;
  report.picture_score = kShownScore;
  report.pictures = outcome.pictures;
  const Table& first = outcome.tables[0];
  for (const size_t i : {0, 1, 2, 8})
    report.figures.emplace_back(evaluate::metric_names()[i], number(first.metrics.values[i]));
  if (outcome.errors) report.figures.emplace_back("standard error of AP", number(outcome.errors->own));
  for (const Table& table : outcome.tables) {
    const bool points = table.measure == evaluate::Measure::kKeyPoints;
    evaluate::ReportTable numbers{
        "Numbers of " + table.what, {"", "", "overlap", "area", "at most", "value"}, {}};
    for (size_t i = 0; i < table.metrics.values.size(); ++i) {
      const Line& line = kLines[i];
      numbers.rows.push_back({evaluate::metric_names()[i], line.what, line.overlap, line.area,
                              std::to_string(points ? std::min(line.limit, 20) : line.limit),
                              number(table.metrics.values[i])});
    }
    report.tables.push_back(std::move(numbers));
    evaluate::ReportTable classes{"Classes, by " + table.what, {"class", "labels", "AP", "AP50"}, {}};
    for (const evaluate::Metrics::Category& own : table.metrics.categories) {
      classes.rows.push_back(
          {outcome.categories.at(own.id), std::to_string(own.truths), number(own.map), number(own.map50)});
    }
    report.tables.push_back(std::move(classes));
  }
  write_file_atomically(arguments.page, std::string_view(evaluate::to_page(report)));
}

// Top-1 and top-5 of a classifier (spec/heads.md 4.5): ties go to the lower index.
void run_classes(const EvalArguments& arguments, evaluate::Detector& detector,
                 const evaluate::ClassFolders& set) {
  const std::vector<int> class_of = evaluate::classes_of_folders(set, detector.class_names());
  DetectOptions options = detect_options(detector, arguments.detector);
  options.max_detections = 5;
  std::vector<int64_t> total(set.names.size(), 0), first(set.names.size(), 0), fifth(set.names.size(), 0);
  double seconds = 0;
  {
    Progress progress("eval", static_cast<int64_t>(set.paths.size()));
    const auto start = std::chrono::steady_clock::now();
    evaluate::detect_all(detector, set.paths, {.detect = options}, [&](evaluate::Picture picture) {
      const auto label = static_cast<size_t>(set.labels[picture.index]);
      ++total[label];
      for (size_t rank = 0; rank < picture.results.classes.size(); ++rank) {
        if (picture.results.classes[rank].category != class_of[label]) continue;
        first[label] += rank == 0;
        ++fifth[label];
      }
      progress.step();
    });
    seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }
  const auto sum = [](const std::vector<int64_t>& counts) {
    return std::accumulate(counts.begin(), counts.end(), int64_t{0});
  };
  const auto images = static_cast<double>(set.paths.size());
  const double top1 = static_cast<double>(sum(first)) / images,
               top5 = static_cast<double>(sum(fifth)) / images;
  if (!arguments.page.empty()) {
    evaluate::Report report = head_report(arguments, detector, set.paths.size());
    report.figures = {{"top-1", number(top1)}, {"top-5", number(top5)}};
    evaluate::ReportTable classes{"Classes", {"class", "images", "top-1", "top-5"}, {}};
    for (size_t i = 0; i < set.names.size(); ++i) {
      classes.rows.push_back(
          {set.names[i], std::to_string(total[i]), std::to_string(first[i]), std::to_string(fifth[i])});
    }
    report.tables = {std::move(classes)};
    write_file_atomically(arguments.page, std::string_view(evaluate::to_page(report)));
  }
  if (arguments.json) {
    nlohmann::ordered_json json = head_json(arguments, detector, set.paths.size(), seconds);
    json["metrics"] = {{"top1", top1}, {"top5", top5}};
    for (size_t i = 0; i < set.names.size(); ++i) {
      json["classes"].push_back(
          {{"name", set.names[i]}, {"images", total[i]}, {"top1", first[i]}, {"top5", fifth[i]}});
    }
    fmt::print("{}\n", indented_text(json));
    return;
  }
  print_heading(arguments, detector);
  fmt::print("{} images, {:.1f} s, {:.1f} images/s\n\n  top-1  {:.4f}\n  top-5  {:.4f}\n", set.paths.size(),
             seconds, images / seconds, top1, top5);
  if (!arguments.per_class) return;
  fmt::print("\n  {:<20} {:>7} {:>8} {:>8}\n", "class", "images", "top-1", "top-5");
  for (size_t i = 0; i < set.names.size(); ++i) {
    fmt::print("  {:<20} {:>7} {:>8} {:>8}\n", set.names[i], total[i], first[i], fifth[i]);
  }
}

void run_objects(const EvalArguments& arguments, const Others& others, evaluate::Detector& detector) {
  if (detector.task() == evaluate::Task::kClasses) {
    fail(
        "{}: the model is a classifier; --data was expected to be a folder with a sub-folder of pictures for "
        "each class",
        arguments.data);
  }
  const evaluate::Labels labels = arguments.strict ? evaluate::Labels::kStrict : evaluate::Labels::kTolerant;
  evaluate::Folder folder =
      evaluate::open_folder(arguments.data, {arguments.limit, labels, detector.key_points() > 0 ? 3 : 0});
  DetectOptions options = detect_options(detector, arguments.detector);
  // Precision over all recalls needs the unlikely boxes too, whatever the mode shows to a user.
  options.score_threshold = arguments.confidence < 0 ? 0.001f : static_cast<float>(arguments.confidence);
  const Outcome outcome = measure(detector, options, folder, arguments, others);
  if (!arguments.save_json.empty()) {
    write_file_atomically(arguments.save_json,
                          std::string_view(evaluate::detections_json(outcome.detections)));
  }
  write_page(arguments, detector, outcome);
  for (const std::string& remark : outcome.remarks) fmt::print(stderr, "note: {}\n", remark);
  if (arguments.json) {
    print_json(arguments, detector, outcome);
  } else {
    print_text(arguments, detector, outcome);
  }
}

void run(const EvalArguments& arguments) {
  if (arguments.quiet) silence_progress();
  const bool classes = evaluate::are_class_folders(arguments.data);
  // A folder that isn't there is told before the model is loaded.
  std::error_code ignored;
  if (!std::filesystem::exists(arguments.data, ignored)) evaluate::open_folder(arguments.data);
  Others others;
  if (!arguments.against.empty()) others = evaluate::load_detections(arguments.against);
  CommandFiles files{{arguments.file, arguments.data, arguments.detector.names_file, arguments.against}, {}};
  if (!arguments.save_json.empty()) files.writes.push_back({arguments.save_json, "--save-json"});
  if (!arguments.page.empty()) files.writes.push_back({arguments.page, "--html"});
  if (!files.writes.empty()) guard_outputs(files);
  for (const std::string& path : {arguments.save_json, arguments.page}) {
    if (!path.empty()) require_writable(path);
  }
  evaluate::Detector detector(arguments.file, arguments.detector.detector);
  if (detector.integer_model() != nullptr) report_on_file(*detector.integer_model());
  if (classes && detector.task() == evaluate::Task::kClasses) {
    run_classes(arguments, detector, evaluate::open_class_folders(arguments.data, arguments.limit));
  } else {
    run_objects(arguments, others, detector);
  }
  if (detector.integer_model() != nullptr) report_saturation(*detector.integer_model());
}

void add_eval(Command& app) {
  auto arguments = std::make_shared<EvalArguments>();
  Command* command = app.add_subcommand("eval",
                                        "Measure a float or integer network: COCO's numbers of boxes, key "
                                        "points and masks, or top-1 and top-5");
  command->footer(
      "Examples:\n"
      "  shrike eval yolo11n.onnx --data coco_val/ --imgsz 320\n"
      "  shrike eval yolo11n.espdl --data coco_val/ --save-json detections.json\n"
      "  shrike eval yolo11n.espdl --data coco_val/ --html report.html\n"
      "  shrike eval yolo11n.espdl --data coco_val/ --mode chip --target esp32s3\n"
      "  shrike eval yolo11n.onnx --data coco_val/ --save-json float.json\n"
      "  shrike eval yolo11n.espdl --data coco_val/ --against float.json");
  command->add_option("FILE", arguments->file, "Float model or integer model .espdl")->required();
  command
      ->add_option(
          "--data", arguments->data,
          "COCO: a folder with instances.json and images/, or _annotations.coco.json beside its pictures, or "
          "the "
          "JSON file; YOLO: data.yaml or its folder; classifiers: a folder with a sub-folder for each class")
      ->required();
  add_detector_options(*command, arguments->detector, "evaluation");
  command
      ->add_option("--conf", arguments->confidence, "Only boxes with a greater score count (default: 0.001)")
      ->check(between(0.0, 1.0));
  command->add_option("--limit", arguments->limit, "Only the first N images (default: all)")
      ->check(positive());
  command->add_option("--save-json", arguments->save_json, "Write the detections as COCO results JSON");
  command->add_option(
      "--html", arguments->page,
      "Write everything as one self-contained page: numbers, classes, curves, worst pictures");
  command->add_option("--against", arguments->against,
                      "COCO results JSON of another model on the same data: print the difference of AP");
  command
      ->add_option("--bootstrap", arguments->draws,
                   "Standard error of AP, and of the difference, from the images redrawn so many times "
                   "(default: 200 with --against, else 0)")
      ->check(between(0, 100000));
  command->add_flag("--per-class", arguments->per_class, "A line for each class too");
  command->add_flag("--strict", arguments->strict, "Refuse labels that can't be instead of leaving them out");
  command->add_flag("--json", arguments->json, "Print JSON");
  command->add_flag("--quiet", arguments->quiet, "No progress");
  command->callback([arguments] { run(*arguments); });
}

const CommandRegistration eval_registration("eval", 30, add_eval);

}  // namespace
}  // namespace shrike::cli
