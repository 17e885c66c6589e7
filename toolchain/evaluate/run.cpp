#include "toolchain/evaluate/run.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>

#include "toolchain/data/classes.h"
#include "toolchain/data/yolo_set.h"
#include "toolchain/support/error.h"

namespace shrike::evaluate {
namespace {

namespace fs = std::filesystem;

void keep_first(Dataset& dataset, size_t limit) {
  if (dataset.images.size() <= limit) return;
  dataset.images.resize(limit);
  std::set<int64_t> kept;
  for (const auto& image : dataset.images) kept.insert(image.id);
  std::erase_if(dataset.annotations,
                [&](const GroundTruth& truth) { return !kept.contains(truth.image_id); });
}

bool is_file(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}
bool is_folder(const fs::path& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

Folder open_coco(const fs::path& json, const fs::path& pictures, const FolderOptions& options) {
  Folder result;
  result.dataset = load_coco(json.generic_string(), options.labels);
  if (options.limit > 0) keep_first(result.dataset, static_cast<size_t>(options.limit));
  if (result.dataset.images.empty()) {
    fail("{}: the list of images is empty; there is nothing to measure", json.generic_string());
  }
  for (const auto& image : result.dataset.images) {
    const fs::path path = pictures / image.file_name;
    if (!is_file(path)) {
      fail("{}: the picture that {} names (image {}) is missing", path.generic_string(),
           json.filename().generic_string(), image.id);
    }
    result.paths.push_back(path.generic_string());
  }
  return result;
}

GroundTruth truth_of(const data::YoloLabel& label, int64_t image) {
  GroundTruth truth;
  truth.image_id = image;
  truth.category_id = label.category;
  truth.x = label.x;
  truth.y = label.y;
  truth.width = label.width;
  truth.height = label.height;
  for (size_t i = 0; i + 2 < label.points.size(); i += 3) {
    truth.points.push_back({label.points[i], label.points[i + 1], static_cast<int>(label.points[i + 2])});
  }
  truth.polygon = label.polygon;
  return truth;
}

Folder open_yolo(const std::string& yaml, const FolderOptions& options) {
  const data::YoloYaml set = data::load_yolo_yaml(yaml);
  const std::vector<std::string>& paths = options.training ? set.train : set.val;
  if (paths.empty()) {
    fail("{}: it names no pictures to {}; `{}:` was expected", yaml,
         options.training ? "train on" : "measure on", options.training ? "train" : "val");
  }
  Folder result;
  result.in_shares = true;
  for (const auto& [id, name] : set.names) {
    result.dataset.category_ids.push_back(id);
    result.dataset.category_names[id] = name;
  }
  for (const std::string& path : paths) {
    const auto id = static_cast<int64_t>(result.paths.size());
    if (options.limit > 0 && id >= options.limit) break;
    result.paths.push_back(path);
    result.dataset.images.push_back({id, path, 0, 0});
    for (const data::YoloLabel& label : data::load_yolo_labels(path, options.key_point_values)) {
      if (!set.names.contains(label.category)) {
        fail("{}: a label names class {}, and {} has names for {}", path, label.category, yaml,
             set.names.size());
      }
      result.dataset.annotations.push_back(truth_of(label, id));
    }
  }
  if (result.dataset.annotations.empty()) {
    fail(
        "{}: none of the {} pictures has a label; beside a folder images, a folder labels with .txt files "
        "was expected",
        yaml, result.paths.size());
  }
  return result;
}

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

}  // namespace

Folder open_folder(const std::string& place, const FolderOptions& options) {
  const fs::path root(place);
  const std::string extension = lower(root.extension().generic_string());
  if (is_file(root) && (extension == ".yaml" || extension == ".yml")) return open_yolo(place, options);
  if (is_file(root) && extension == ".json") {
    const fs::path beside = root.parent_path();
    return open_coco(root, is_folder(beside / "images") ? beside / "images" : beside, options);
  }
  if (!is_folder(root)) {
    fail("{}: there is no such folder; a data folder holds instances.json and images/, or a YOLO data.yaml",
         place);
  }
  if (is_file(root / "_annotations.coco.json"))
    return open_coco(root / "_annotations.coco.json", root, options);
  if (is_file(root / "data.yaml") && !is_file(root / "instances.json")) {
    return open_yolo((root / "data.yaml").generic_string(), options);
  }
  const char* missing = !is_file(root / "instances.json") ? "instances.json"
                        : !is_folder(root / "images")     ? "the folder images/"
                                                          : nullptr;
  if (missing != nullptr)
    fail("{}: {} is missing; a data folder holds instances.json and images/", place, missing);
  return open_coco(root / "instances.json", root / "images", options);
}

void to_pixels(Folder& folder, const std::vector<std::pair<int, int>>& sizes) {
  std::map<int64_t, std::pair<int, int>> size_of;
  int64_t different = 0;
  for (size_t i = 0; i < folder.dataset.images.size(); ++i) {
    Dataset::ImageEntry& image = folder.dataset.images[i];
    size_of[image.id] = sizes.at(i);
    if (!folder.in_shares && (image.width != sizes[i].first || image.height != sizes[i].second)) ++different;
  }
  if (different > 0) {
    folder.dataset.remarks.push_back(fmt::format("{} picture{} not of the size that the labels were made for",
                                                 different, different == 1 ? " is" : "s are"));
  }
  if (!folder.in_shares) return;
  for (GroundTruth& truth : folder.dataset.annotations) {
    const auto [width, height] = size_of.at(truth.image_id);
    truth.x *= width;
    truth.width *= width;
    truth.y *= height;
    truth.height *= height;
    truth.area = truth.width * truth.height;
    for (LabelledPoint& point : truth.points) {
      point.x *= width;
      point.y *= height;
    }
    if (truth.polygon.empty()) continue;
    for (size_t i = 0; i < truth.polygon.size(); ++i) truth.polygon[i] *= i % 2 == 0 ? width : height;
    truth.mask = from_polygon(truth.polygon, height, width);
    truth.area = static_cast<double>(truth.mask.area());
  }
  folder.in_shares = false;
}

bool are_class_folders(const std::string& place) {
  const fs::path root(place);
  if (!is_folder(root) || is_file(root / "instances.json") || is_file(root / "data.yaml")) return false;
  std::error_code ignored;
  int folders = 0;
  for (const auto& entry : fs::directory_iterator(root, ignored)) {
    if (entry.path().filename().generic_string().starts_with('.')) continue;
    if (!entry.is_directory(ignored)) return false;
    ++folders;
  }
  return folders > 1;
}

ClassFolders open_class_folders(const std::string& place, int64_t limit) {
  ClassFolders result;
  std::vector<fs::path> folders;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(place, ignored)) {
    if (!entry.path().filename().generic_string().starts_with('.')) folders.push_back(entry.path());
  }
  std::sort(folders.begin(), folders.end());
  std::vector<std::vector<std::string>> pictures;
  for (const fs::path& folder : folders) {
    result.names.push_back(folder.filename().generic_string());
    pictures.push_back(data::list_images(folder.generic_string()));
  }
  // With a limit every class has its share.
  const size_t each = limit > 0 ? std::max<size_t>(1, static_cast<size_t>(limit) / folders.size()) : SIZE_MAX;
  for (size_t i = 0; i < pictures.size(); ++i) {
    for (size_t k = 0; k < std::min(each, pictures[i].size()); ++k) {
      result.paths.push_back(pictures[i][k]);
      result.labels.push_back(static_cast<int>(i));
    }
  }
  return result;
}

std::vector<int> classes_of_folders(const ClassFolders& folders, const ClassNames& model) {
  std::map<std::string, int> by_name;
  for (size_t i = 0; i < model.names.size(); ++i) by_name[lower(model.names[i])] = static_cast<int>(i);
  std::vector<int> classes;
  for (const std::string& name : folders.names) {
    const auto found = by_name.find(lower(name));
    if (found != by_name.end()) classes.push_back(found->second);
  }
  if (classes.size() == folders.names.size()) return classes;
  if (model.source != NameSource::kGiven && folders.names.size() == model.names.size()) {
    classes.clear();
    for (size_t i = 0; i < model.names.size(); ++i) classes.push_back(static_cast<int>(i));
    return classes;
  }
  fail(
      "the data set has {} class folders ('{}', ...), and the model {} classes ('{}', ...) that are not "
      "called so; name "
      "the model's classes with --names FILE",
      folders.names.size(), folders.names[0], model.names.size(), model.names[0]);
}

std::vector<int> category_of_classes(const Dataset& dataset, const ClassNames& model) {
  const size_t classes = model.names.size();
  std::map<std::string, int> by_name;
  for (const auto& [id, name] : dataset.category_names) by_name[lower(name)] = id;
  std::vector<int> paired;
  std::set<int> used;
  for (const std::string& name : model.names) {
    const auto found = by_name.find(lower(name));
    paired.push_back(found == by_name.end() ? -1 : found->second);
    if (found != by_name.end()) used.insert(found->second);
  }
  // Every category has its class: which else the model knows does not matter.
  const bool all = used.size() == dataset.category_ids.size();
  if (model.source != NameSource::kNumbers && all) return paired;
  if (model.source == NameSource::kGiven) {
    for (const int id : dataset.category_ids) {
      if (used.contains(id)) continue;
      fail(
          "the data set's category '{}' is none of the model's {} classes ('{}', ...); if it is called "
          "otherwise there, "
          "name the model's classes with --names FILE",
          dataset.category_names.at(id), classes, model.names[0]);
    }
  }
  if (dataset.category_ids.size() == classes) return dataset.category_ids;
  if (classes == data::kCocoClasses.size()) {
    std::vector<int> ids;
    for (const data::CocoClass& known : data::kCocoClasses) ids.push_back(known.category_id);
    const bool within = std::all_of(dataset.category_ids.begin(), dataset.category_ids.end(), [&](int id) {
      return std::find(ids.begin(), ids.end(), id) != ids.end();
    });
    if (within) return ids;
  }
  fail(
      "the model has {} classes but the data set has {} categories; they must be the same, in the same order",
      classes, dataset.category_ids.size());
}

namespace {

// A mask in its place on the whole picture.
Rle on_picture(const Found& object, int width, int height) {
  std::vector<uint8_t> pixels(static_cast<size_t>(width) * height, 0);
  for (int y = 0; y < object.area.height; ++y) {
    for (int x = 0; x < object.area.width; ++x) {
      const int column = object.area.x + x, row = object.area.y + y;
      if (column < 0 || row < 0 || column >= width || row >= height) continue;
      pixels[static_cast<size_t>(row) * width + column] =
          object.mask[static_cast<size_t>(y) * object.area.width + x];
    }
  }
  return encode(pixels.data(), height, width);
}

}  // namespace

namespace {

void turn(const Found& found, Detection& one) {
  const Corners corners = turned_corners(found.x1, found.y1, found.x2, found.y2, found.angle);
  one.turned = corners;
  const auto [left, right] = std::minmax({corners[0], corners[2], corners[4], corners[6]});
  const auto [top, bottom] = std::minmax({corners[1], corners[3], corners[5], corners[7]});
  one.x = left;
  one.y = top;
  one.width = right - left;
  one.height = bottom - top;
}

}  // namespace

std::vector<Detection> to_coco(const std::vector<Found>& objects, int64_t image_id, int width, int height,
                               const std::vector<int>& categories, Task task) {
  std::vector<Detection> result;
  for (const Found& d : objects) {
    const int category = categories.at(static_cast<size_t>(d.category));
    if (category < 0) continue;
    Detection one{image_id, category, d.x1, d.y1, double{d.x2} - double{d.x1}, double{d.y2} - double{d.y1},
                  d.score};
    for (const KeyPoint& point : d.points) one.points.push_back({point.x, point.y});
    if (!d.mask.empty()) one.mask = on_picture(d, width, height);
    if (task == Task::kRotatedBoxes) turn(d, one);
    result.push_back(std::move(one));
  }
  return result;
}

}  // namespace shrike::evaluate
