#include "toolchain/evaluate/run.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include "toolchain/data/classes.h"
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

}  // namespace

Folder open_folder(const std::string& folder, int64_t limit) {
  const fs::path root(folder);
  std::error_code error;
  if (!fs::is_directory(root, error)) {
    fail("{}: there is no such folder; a data folder holds instances.json and images/", folder);
  }
  const char* missing = !fs::is_regular_file(root / "instances.json", error) ? "instances.json"
                        : !fs::is_directory(root / "images", error)          ? "the folder images/"
                                                                             : nullptr;
  if (missing != nullptr)
    fail("{}: {} is missing; a data folder holds instances.json and images/", folder, missing);
  Folder result;
  result.dataset = load_coco((root / "instances.json").string());
  if (limit > 0) keep_first(result.dataset, static_cast<size_t>(limit));
  if (result.dataset.images.empty()) {
    fail("{}: the list of images is empty; there is nothing to measure", (root / "instances.json").string());
  }
  for (const auto& image : result.dataset.images) {
    const fs::path path = root / "images" / image.file_name;
    if (!fs::is_regular_file(path, error)) {
      fail("{}: the picture that instances.json names (image {}) is missing", path.string(), image.id);
    }
    result.paths.push_back(path.string());
  }
  return result;
}

std::vector<int> category_of_classes(const Dataset& dataset, size_t classes) {
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

std::vector<Detection> to_coco(const std::vector<shrike::Detection>& detections, int64_t image_id,
                               const std::vector<int>& categories) {
  std::vector<Detection> result;
  for (const shrike::Detection& d : detections) {
    result.push_back({image_id, categories.at(static_cast<size_t>(d.category)), d.x1, d.y1,
                      double{d.x2} - double{d.x1}, double{d.y2} - double{d.y1}, d.score});
  }
  return result;
}

}  // namespace shrike::evaluate
