// A YAML file of one document, as settings and data sets are.
#pragma once
#include <yaml-cpp/yaml.h>

#include <string>

namespace shrike::data {

// Null of an empty file. Throws Error naming file and line for a second document, and for a file that can't
// be read; YAML::Exception for what is not YAML: callers say what they expected.
YAML::Node read_yaml(const std::string& path);

}  // namespace shrike::data
