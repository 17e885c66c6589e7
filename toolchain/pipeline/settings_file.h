// Settings as YAML files.
#pragma once
#include <string>

#include "toolchain/pipeline/setting_fields.h"

namespace shrike::quantize {

// Reads a YAML file of `name: value` over the defaults; the items of a sequence are taken as they are, commas
// included. Throws Error with file and line, also for a name that stands there twice and a second document.
Settings load_settings(const std::string& path);
// All settings as YAML, in the order of the table.
std::string to_yaml(const Settings& settings);

}  // namespace shrike::quantize
