#include "toolchain/data/yolo_set.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <sstream>

#include "toolchain/data/image.h"
#include "toolchain/data/yaml_file.h"
#include "toolchain/support/error.h"
#include "toolchain/support/files.h"

namespace shrike::data {
namespace {

namespace fs = std::filesystem;

// Where an entry of the file is: beside the YAML file, below its `path`, or as it stands.
std::string resolve(const fs::path& yaml, const std::string& root, const std::string& entry) {
  const fs::path folder = yaml.parent_path();
  std::error_code ignored;
  for (const fs::path& candidate :
       {folder / root / entry, fs::path(root) / entry, folder / entry, fs::path(entry)}) {
    if (fs::exists(candidate, ignored)) return candidate.lexically_normal().generic_string();
  }
  fail("{}: it names '{}' (path: '{}'), and there is no such folder or list", yaml.generic_string(), entry,
       root);
}

std::vector<std::string> pictures(const fs::path& yaml, const std::string& root, const YAML::Node& node) {
  std::vector<std::string> all;
  if (!node || node.IsNull()) return all;
  const auto add = [&](const std::string& entry) {
    const std::vector<std::string> some = list_images(resolve(yaml, root, entry));
    all.insert(all.end(), some.begin(), some.end());
  };
  if (node.IsSequence()) {
    for (const YAML::Node& entry : node) add(entry.as<std::string>());
  } else {
    add(node.as<std::string>());
  }
  return all;
}

// .../images/a.jpg -> .../labels/a.txt, by the last folder of that name.
std::string label_path(const std::string& picture) {
  const std::string from = "/images/", to = "/labels/";
  std::string path = "/" + picture;
  const size_t at = path.rfind(from);
  if (at != std::string::npos) path.replace(at, from.size(), to);
  return fs::path(path.substr(1)).replace_extension(".txt").generic_string();
}

YoloLabel parse_line(const std::string& line, int key_point_values, const std::string& where) {
  std::istringstream stream(line);
  std::vector<double> numbers;
  for (std::string word; stream >> word;) {
    char* end = nullptr;
    const double value = std::strtod(word.c_str(), &end);
    if (*end != '\0' || !std::isfinite(value)) fail("{}: numbers were expected, found '{}'", where, word);
    numbers.push_back(value);
  }
  const auto expected = [&] {
    fail("{}: a class and four numbers (centre, size), a polygon, or key points were expected, found '{}'",
         where, line);
  };
  if (numbers.size() < 5 || numbers[0] != std::floor(numbers[0]) || numbers[0] < 0 || numbers[0] > 1e6)
    expected();
  YoloLabel label;
  label.category = static_cast<int>(numbers[0]);
  const size_t rest = numbers.size() - 5;
  const bool is_polygon = key_point_values == 0 && rest > 0;
  if (is_polygon && numbers.size() % 2 == 1 && numbers.size() >= 7) {
    label.polygon.assign(numbers.begin() + 1, numbers.end());
    double right = -INFINITY, bottom = -INFINITY;
    label.x = label.y = INFINITY;
    for (size_t i = 0; i < label.polygon.size(); i += 2) {
      label.x = std::min(label.x, label.polygon[i]);
      label.y = std::min(label.y, label.polygon[i + 1]);
      right = std::max(right, label.polygon[i]);
      bottom = std::max(bottom, label.polygon[i + 1]);
    }
    label.width = right - label.x;
    label.height = bottom - label.y;
    return label;
  }
  if (is_polygon) expected();
  label.x = numbers[1] - numbers[3] / 2;
  label.y = numbers[2] - numbers[4] / 2;
  label.width = numbers[3];
  label.height = numbers[4];
  if (key_point_values > 0) {
    if (rest % static_cast<size_t>(key_point_values) != 0) expected();
    for (size_t i = 5; i < numbers.size(); i += static_cast<size_t>(key_point_values)) {
      label.points.insert(label.points.end(),
                          {numbers[i], numbers[i + 1], key_point_values == 3 ? numbers[i + 2] : 2.0});
    }
  }
  return label;
}

}  // namespace

YoloYaml load_yolo_yaml(const std::string& path) {
  YoloYaml set;
  try {
    const YAML::Node root = read_yaml(path);
    if (!root.IsMap() || !root["names"]) fail("{}: a YOLO data.yaml with `names:` was expected", path);
    const YAML::Node names = root["names"];
    int next = 0;
    if (names.IsSequence()) {
      for (const YAML::Node& name : names) set.names[next++] = name.as<std::string>();
    } else {
      for (const auto& entry : names) set.names[entry.first.as<int>()] = entry.second.as<std::string>();
    }
    const std::string base = root["path"] ? root["path"].as<std::string>() : "";
    set.val = pictures(path, base, root["val"] ? root["val"] : root["test"]);
    set.train = root["train"] ? pictures(path, base, root["train"]) : set.val;
  } catch (const YAML::Exception& error) {
    fail(
        "{} line {}: not a YOLO data.yaml; `names:` with a name each class (a list, or `NUMBER: NAME` lines) "
        "was "
        "expected, and paths as text",
        path, error.mark.line + 1);
  }
  return set;
}

std::vector<YoloLabel> load_yolo_labels(const std::string& picture, int key_point_values) {
  const std::string path = label_path(picture);
  std::vector<YoloLabel> labels;
  std::error_code ignored;
  if (!fs::is_regular_file(path, ignored)) return labels;
  std::istringstream lines(read_text(path));
  int number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    labels.push_back(parse_line(line, key_point_values, fmt::format("{} line {}", path, number)));
  }
  return labels;
}

}  // namespace shrike::data
