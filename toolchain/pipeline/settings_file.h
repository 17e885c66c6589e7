// One table of all settings: the command line and YAML files are made from it, so their names can't differ.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "toolchain/pipeline/settings.h"

namespace shrike::quantize {

struct SettingField {
  std::string name;                                 // "weight-refit"
  std::string help;                                 // with the possible values
  std::function<std::string(const Settings&)> get;  // lists: separated by commas
  std::function<void(Settings&, const std::string& value)>
      set;  // throws Error naming the field and what is possible
};

const std::vector<SettingField>& setting_fields();
// Sets one field by name; throws Error for an unknown name, with the nearest.
void set_field(Settings& settings, const std::string& name, const std::string& value);

// Reads a YAML file of `name: value` (values may be sequences) over the defaults. Throws Error with file and
// line.
Settings load_settings(const std::string& path);
// All settings as YAML, in the order of the table.
std::string to_yaml(const Settings& settings);

}  // namespace shrike::quantize
