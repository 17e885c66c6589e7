// COCO instances in, detections out, as JSON.
#include <algorithm>
#include <cmath>
#include <set>

#include <nlohmann/json.hpp>

#include "toolchain/evaluate/coco.h"
#include "toolchain/support/error.h"
#include "toolchain/support/files.h"

namespace shrike::evaluate {
namespace {

using nlohmann::json;

// An entry of one of the file's lists, with what a message needs to name it.
struct Entry {
  const std::string& path;
  const char* list;
  size_t index;
  const json& object;

  [[noreturn]] void wrong(const std::string& key, const char* expected) const {
    fail("{}: {}[{}] has no usable \"{}\": {} was expected", path, list, index, key, expected);
  }
  const json* find(const char* key) const {
    if (!object.is_object()) fail("{}: {}[{}] is not an object", path, list, index);
    const auto at = object.find(key);
    return at == object.end() ? nullptr : &*at;
  }
  int64_t integer(const char* key) const {
    const json* value = find(key);
    if (value == nullptr || !value->is_number_integer()) wrong(key, "a whole number");
    return value->get<int64_t>();
  }
  int small_integer(const char* key) const {
    const int64_t value = integer(key);
    if (value < 0 || value > INT32_MAX) wrong(key, "a whole number from 0 to 2147483647");
    return static_cast<int>(value);
  }
  std::string text(const char* key) const {
    const json* value = find(key);
    if (value == nullptr || !value->is_string()) wrong(key, "a text");
    return value->get<std::string>();
  }
};

const json& list_of(const json& root, const std::string& path, const char* key) {
  if (!root.is_object()) fail("{}: a COCO instances file is a JSON object, this is not", path);
  const auto at = root.find(key);
  if (at == root.end() || !at->is_array()) {
    fail("{}: the list \"{}\" is missing; a COCO instances file has images, annotations and categories", path,
         key);
  }
  return *at;
}

json parse(const std::string& path) {
  const std::vector<uint8_t> bytes = read_file(path);
  try {
    return json::parse(bytes.begin(), bytes.end());
  } catch (const json::exception& error) {
    fail("{}: the file is not valid JSON: {}", path, error.what());
  }
}

void read_images(const json& root, const std::string& path, Dataset& dataset, std::set<int64_t>& ids) {
  const json& list = list_of(root, path, "images");
  for (size_t i = 0; i < list.size(); ++i) {
    const Entry entry{path, "images", i, list[i]};
    Dataset::ImageEntry image{entry.integer("id"), entry.text("file_name"), entry.small_integer("width"),
                              entry.small_integer("height")};
    if (!ids.insert(image.id).second) fail("{}: images[{}] repeats the id {}", path, i, image.id);
    dataset.images.push_back(std::move(image));
  }
}

void read_categories(const json& root, const std::string& path, Dataset& dataset) {
  const json& list = list_of(root, path, "categories");
  for (size_t i = 0; i < list.size(); ++i) {
    const Entry entry{path, "categories", i, list[i]};
    const int id = entry.small_integer("id");
    if (!dataset.category_names.emplace(id, entry.text("name")).second) {
      fail("{}: categories[{}] repeats the id {}", path, i, id);
    }
    dataset.category_ids.push_back(id);
  }
  std::sort(dataset.category_ids.begin(), dataset.category_ids.end());
}

GroundTruth read_annotation(const Entry& entry) {
  GroundTruth truth;
  truth.image_id = entry.integer("image_id");
  truth.category_id = entry.small_integer("category_id");
  const json* box = entry.find("bbox");
  const auto is_number = [](const json& value) {
    return value.is_number() && std::isfinite(value.get<double>());
  };
  if (box == nullptr || !box->is_array() || box->size() != 4 ||
      !std::all_of(box->begin(), box->end(), is_number)) {
    entry.wrong("bbox", "a list of four numbers [x, y, width, height]");
  }
  truth.x = (*box)[0].get<double>();
  truth.y = (*box)[1].get<double>();
  truth.width = (*box)[2].get<double>();
  truth.height = (*box)[3].get<double>();
  const json* area = entry.find("area");
  if (area != nullptr && !is_number(*area)) entry.wrong("area", "a number");
  truth.area = area != nullptr ? area->get<double>() : truth.width * truth.height;
  const json* crowd = entry.find("iscrowd");
  if (crowd != nullptr && crowd->is_boolean()) {
    truth.crowd = crowd->get<bool>();
  } else if (crowd != nullptr) {
    truth.crowd = entry.integer("iscrowd") != 0;
  }
  return truth;
}

}  // namespace

Dataset load_coco(const std::string& json_path) {
  const json root = parse(json_path);
  Dataset dataset;
  std::set<int64_t> image_ids;
  read_images(root, json_path, dataset, image_ids);
  read_categories(root, json_path, dataset);
  const json& list = list_of(root, json_path, "annotations");
  for (size_t i = 0; i < list.size(); ++i) {
    const GroundTruth truth = read_annotation({json_path, "annotations", i, list[i]});
    if (!image_ids.contains(truth.image_id)) {
      fail("{}: annotations[{}] names image {}, which is not in the list of images", json_path, i,
           truth.image_id);
    }
    if (!dataset.category_names.contains(truth.category_id)) {
      fail("{}: annotations[{}] names category {}, which is not in the list of categories", json_path, i,
           truth.category_id);
    }
    dataset.annotations.push_back(truth);
  }
  return dataset;
}

std::string detections_json(const std::vector<Detection>& detections) {
  // One detection a line. Shortest texts that give the same doubles back: a reader gets exactly what was
  // evaluated.
  std::string text = "[";
  const char* separator = "\n";
  for (const Detection& d : detections) {
    text += fmt::format("{}{{\"image_id\":{},\"category_id\":{},\"bbox\":[{},{},{},{}],\"score\":{}}}",
                        separator, d.image_id, d.category_id, d.x, d.y, d.width, d.height, d.score);
    separator = ",\n";
  }
  return text + "\n]\n";
}

}  // namespace shrike::evaluate
