// COCO instances in, detections out, as JSON.
#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <tuple>

#include <fmt/ranges.h>

#include "toolchain/evaluate/coco.h"
#include "toolchain/support/error.h"
#include "toolchain/support/files.h"
#include "toolchain/support/json.h"

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

// A list that stands twice in the file: JSON readers take the last and say nothing.
json parse(const std::string& path) {
  const std::vector<uint8_t> bytes = read_file(path);
  std::set<std::string> keys;
  const auto read = [&](int depth, json::parse_event_t event, const json& parsed) {
    if (depth == 1 && event == json::parse_event_t::key && !keys.insert(parsed.get<std::string>()).second)
      fail("{}: \"{}\" is there twice; leave one of them out", path, parsed.get<std::string>());
    return true;
  };
  try {
    return parse_json(bytes, read);
  } catch (const json::parse_error& error) {
    fail("{}: the file is not valid JSON from byte {} on", path, error.byte);
  } catch (const json::exception&) {
    fail("{}: the file is not valid JSON: it holds a number beyond all bounds", path);
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

bool is_number(const json& value) {
  return value.is_number() && std::isfinite(value.get<double>());
}

bool are_numbers(const json& list) {
  return list.is_array() && std::all_of(list.begin(), list.end(), is_number);
}

void read_points(const Entry& entry, GroundTruth& truth) {
  const json* list = entry.find("keypoints");
  if (list == nullptr) return;
  if (!are_numbers(*list) || list->size() % 3 != 0)
    entry.wrong("keypoints", "a list of x, y, visibility for each point");
  for (size_t i = 0; i + 2 < list->size(); i += 3) {
    truth.points.push_back({(*list)[i].get<double>(), (*list)[i + 1].get<double>(),
                            static_cast<int>(std::clamp((*list)[i + 2].get<double>(), 0.0, 2.0))});
  }
}

// Polygons, or runs as a list or as text.
Rle read_mask(const Entry& entry, int height, int width) {
  const json* mask = entry.find("segmentation");
  if (mask == nullptr || mask->empty() || height < 1 || width < 1) return {};
  if (mask->is_object()) {
    const auto counts = mask->find("counts"), size = mask->find("size");
    const bool fits = size != mask->end() && size->is_array() && size->size() == 2 && (*size)[0] == height &&
                      (*size)[1] == width;
    if (counts == mask->end() || !fits)
      entry.wrong("segmentation", "\"counts\" and the picture's \"size\" [height, width]");
    if (counts->is_string()) return from_text(counts->get<std::string>(), height, width);
    if (!are_numbers(*counts)) entry.wrong("segmentation", "a list of runs");
    Rle rle{height, width, {}};
    uint64_t pixels = 0;
    for (const json& run : *counts) {
      const double length = run.get<double>();
      if (length < 0 || length > 4e9) entry.wrong("segmentation", "runs of pixels");
      rle.counts.push_back(static_cast<uint32_t>(length));
      pixels += rle.counts.back();
    }
    if (pixels != static_cast<uint64_t>(height) * static_cast<uint64_t>(width))
      entry.wrong("segmentation", "runs that fill the picture");
    return rle;
  }
  if (!mask->is_array()) entry.wrong("segmentation", "polygons");
  std::vector<Rle> parts;
  for (const json& polygon : *mask) {
    if (!are_numbers(polygon)) entry.wrong("segmentation", "polygons of x, y, x, y, ...");
    parts.push_back(from_polygon(polygon.get<std::vector<double>>(), height, width));
  }
  return united(parts, height, width);
}

// What a label and a detection have in common.
template <typename Box>
void read_box(const Entry& entry, Box& result) {
  result.image_id = entry.integer("image_id");
  result.category_id = entry.small_integer("category_id");
  const json* box = entry.find("bbox");
  if (box == nullptr || !are_numbers(*box) || box->size() != 4)
    entry.wrong("bbox", "a list of four numbers [x, y, width, height]");
  result.x = (*box)[0].get<double>();
  result.y = (*box)[1].get<double>();
  result.width = (*box)[2].get<double>();
  result.height = (*box)[3].get<double>();
}

GroundTruth read_annotation(const Entry& entry) {
  GroundTruth truth;
  read_box(entry, truth);
  const json* area = entry.find("area");
  if (area != nullptr && !is_number(*area)) entry.wrong("area", "a number");
  truth.area = area != nullptr ? area->get<double>() : truth.width * truth.height;
  const json* crowd = entry.find("iscrowd");
  if (crowd != nullptr && crowd->is_boolean()) {
    truth.crowd = crowd->get<bool>();
  } else if (crowd != nullptr) {
    truth.crowd = entry.integer("iscrowd") != 0;
  }
  read_points(entry, truth);
  return truth;
}

// Boxes that can't be: none of their area is in the picture, or a side is negative. Those without size count,
// as COCO's own tool has it.
class Checker {
 public:
  Checker(const std::string& path, Labels labels) : path_(path), labels_(labels) {}

  // False: leave it out.
  bool keep(GroundTruth& truth, const Dataset::ImageEntry& image, size_t index) {
    const auto broken = [&](const char* what, int64_t& counter) {
      if (labels_ == Labels::kStrict)
        fail("{}: annotations[{}] {}; mend it, or leave --strict out", path_, index, what);
      ++counter;
    };
    const auto key =
        std::make_tuple(truth.image_id, truth.category_id, truth.x, truth.y, truth.width, truth.height);
    if (truth.width < 0 || truth.height < 0) {
      broken("has a box of negative size", negative_);
      return false;
    }
    if (!truth.crowd && !seen_.insert(key).second) {
      broken("is there twice", repeated_);
      return false;
    }
    const bool sized = image.width > 0 && image.height > 0;
    if (sized &&
        (truth.x >= image.width || truth.y >= image.height || truth.x + truth.width <= 0 ||
         truth.y + truth.height <= 0) &&
        truth.width > 0 && truth.height > 0) {
      broken("lies outside its picture", outside_);
      return false;
    }
    if (truth.width == 0 || truth.height == 0) broken("has a box without size", empty_);
    if (truth.area < 0) {
      broken("has a negative area", area_);
      truth.area = truth.width * truth.height;
    }
    return true;
  }

  std::vector<std::string> remarks() const {
    std::vector<std::string> parts;
    if (negative_ > 0) parts.push_back(fmt::format("{} of negative size", negative_));
    if (outside_ > 0) parts.push_back(fmt::format("{} outside their pictures", outside_));
    if (repeated_ > 0) parts.push_back(fmt::format("{} there twice", repeated_));
    std::vector<std::string> kept;
    if (empty_ > 0) kept.push_back(fmt::format("{} without size, which nothing can meet", empty_));
    if (area_ > 0) kept.push_back(fmt::format("{} with the box's area for a negative one", area_));
    std::string remark;
    if (!parts.empty()) remark = fmt::format("boxes left out: {}", fmt::join(parts, ", "));
    if (!kept.empty())
      remark += fmt::format("{}boxes kept: {}", remark.empty() ? "" : "; ", fmt::join(kept, ", "));
    if (remark.empty()) return {};
    return {fmt::format("{}: {} (--strict refuses them)", path_, remark)};
  }

 private:
  const std::string& path_;
  Labels labels_;
  int64_t negative_ = 0, outside_ = 0, repeated_ = 0, empty_ = 0, area_ = 0;
  std::set<std::tuple<int64_t, int, double, double, double, double>> seen_;
};

// Roboflow's exports list the parent of all classes as a class of its own, which no label uses.
void drop_unused_parents(const json& root, Dataset& dataset) {
  std::set<std::string> parents;
  for (const json& category : root["categories"]) {
    const auto parent = category.find("supercategory");
    if (parent != category.end() && parent->is_string()) parents.insert(parent->get<std::string>());
  }
  std::set<int> used;
  for (const GroundTruth& truth : dataset.annotations) used.insert(truth.category_id);
  std::erase_if(dataset.category_ids, [&](int id) {
    const bool drop = used.count(id) == 0 && parents.count(dataset.category_names.at(id)) > 0 &&
                      dataset.category_ids.size() > 1;
    if (drop) dataset.category_names.erase(id);
    return drop;
  });
}

}  // namespace

Dataset load_coco(const std::string& json_path, Labels labels) {
  const json root = parse(json_path);
  Dataset dataset;
  std::set<int64_t> image_ids;
  read_images(root, json_path, dataset, image_ids);
  read_categories(root, json_path, dataset);
  std::map<int64_t, const Dataset::ImageEntry*> images;
  for (const Dataset::ImageEntry& image : dataset.images) images[image.id] = &image;
  const json& list = list_of(root, json_path, "annotations");
  Checker checker(json_path, labels);
  for (size_t i = 0; i < list.size(); ++i) {
    const Entry entry{json_path, "annotations", i, list[i]};
    GroundTruth truth = read_annotation(entry);
    if (!image_ids.contains(truth.image_id)) {
      fail("{}: annotations[{}] names image {}, which is not in the list of images", json_path, i,
           truth.image_id);
    }
    if (!dataset.category_names.contains(truth.category_id)) {
      fail("{}: annotations[{}] names category {}, which is not in the list of categories", json_path, i,
           truth.category_id);
    }
    const Dataset::ImageEntry& image = *images.at(truth.image_id);
    if (!checker.keep(truth, image, i)) continue;
    truth.mask = read_mask(entry, image.height, image.width);
    dataset.annotations.push_back(std::move(truth));
  }
  drop_unused_parents(root, dataset);
  dataset.remarks = checker.remarks();
  return dataset;
}

std::vector<Detection> load_detections(const std::string& json_path) {
  const json root = parse(json_path);
  if (!root.is_array())
    fail("{}: a list of detections was expected, as shrike eval --save-json writes it", json_path);
  std::vector<Detection> detections;
  for (size_t i = 0; i < root.size(); ++i) {
    const Entry entry{json_path, "", i, root[i]};
    Detection& detection = detections.emplace_back();
    read_box(entry, detection);
    const json* score = entry.find("score");
    if (score == nullptr || !is_number(*score)) entry.wrong("score", "a number");
    detection.score = score->get<double>();
  }
  return detections;
}

std::string detections_json(const std::vector<Detection>& detections) {
  // One detection a line. Shortest texts that give the same doubles back: a reader gets exactly what was
  // evaluated.
  std::string text = "[";
  const char* separator = "\n";
  for (const Detection& d : detections) {
    text += fmt::format("{}{{\"image_id\":{},\"category_id\":{},\"bbox\":[{},{},{},{}],\"score\":{}",
                        separator, d.image_id, d.category_id, d.x, d.y, d.width, d.height, d.score);
    if (!d.points.empty()) {
      text += ",\"keypoints\":[";
      for (size_t i = 0; i < d.points.size(); ++i)
        text += fmt::format("{}{},{},1", i == 0 ? "" : ",", d.points[i][0], d.points[i][1]);
      text += "]";
    }
    if (!d.mask.counts.empty()) {
      text += fmt::format(",\"segmentation\":{{\"size\":[{},{}],\"counts\":{}}}", d.mask.height, d.mask.width,
                          compact_text(json(to_text(d.mask))));
    }
    text += "}";
    separator = ",\n";
  }
  return text + "\n]\n";
}

}  // namespace shrike::evaluate
