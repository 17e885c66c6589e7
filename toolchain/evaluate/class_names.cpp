#include "toolchain/evaluate/class_names.h"

#include <cctype>
#include <cstdlib>
#include <sstream>

#include <fmt/format.h>

#include "toolchain/data/classes.h"
#include "toolchain/data/yolo_set.h"
#include "toolchain/support/error.h"
#include "toolchain/support/files.h"

namespace shrike::evaluate {

std::vector<std::string> load_names(const std::string& path) {
  std::vector<std::string> names;
  if (path.ends_with(".yaml") || path.ends_with(".yml")) {
    for (const auto& [id, name] : data::load_yolo_yaml(path).names) names.push_back(name);
    return names;
  }
  std::istringstream lines(read_text(path));
  for (std::string line; std::getline(lines, line);) {
    while (!line.empty() && std::isspace(static_cast<unsigned char>(line.back())) != 0) line.pop_back();
    if (!line.empty()) names.push_back(line);
  }
  if (names.empty()) fail("{}: a class name a line was expected, the file is empty", path);
  return names;
}

ClassNames class_names(int count, const std::string& metadata, const std::vector<std::string>& given) {
  if (!given.empty()) {
    if (given.size() != static_cast<size_t>(count)) {
      fail("--names: {} names were expected, as many as the model has classes, found {}", count,
           given.size());
    }
    return {given, NameSource::kGiven};
  }
  if (auto names = parse_names(metadata); names && names->size() == static_cast<size_t>(count)) {
    return {*names, NameSource::kGiven};
  }
  ClassNames result;
  const bool coco = static_cast<size_t>(count) == data::kCocoClasses.size();
  if (coco) result.source = NameSource::kGuessed;
  for (int i = 0; i < count; ++i) {
    result.names.push_back(coco ? std::string(data::kCocoClasses[static_cast<size_t>(i)].name)
                                : fmt::format("class {}", i));
  }
  return result;
}

}  // namespace shrike::evaluate
