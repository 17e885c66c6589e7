// One table of all settings: the command line and YAML files are made from it, so their names can't differ.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "toolchain/pipeline/settings.h"

namespace shrike::quantize {

// Fields that set others: whoever sets several fields sets these first, in the order of setting_fields().
inline constexpr const char* kEmulate = "emulate";
inline constexpr const char* kLibrary = "esp-dl";
inline bool is_preset(const std::string& name) {
  return name == kEmulate || name == kLibrary;
}

struct SettingField {
  std::string name;  // "weight-refit"
  std::string help;  // with the possible values
  // Lists: items separated by commas, written as list_item() does.
  std::function<std::string(const Settings&)> get;
  std::function<void(Settings&, const std::string& value)>
      set;  // throws Error naming the field and what is possible
  // Lists only: the items as they are.
  std::function<std::vector<std::string>(const Settings&)> get_list = nullptr;
  std::function<void(Settings&, const std::vector<std::string>& items)> set_list = nullptr;
};

// A name as it stands in a list on the command line: commas and backslashes have a backslash before them.
std::string list_item(const std::string& name);

const std::vector<SettingField>& setting_fields();
// Sets one field by name; throws Error for an unknown name, with the nearest.
void set_field(Settings& settings, const std::string& name, const std::string& value);
// Sets a list field; throws Error when the field holds one value.
void set_field(Settings& settings, const std::string& name, const std::vector<std::string>& items);

// Throws Error for values that exclude each other.
void require_possible(const Settings& settings);

// Why a setting changes nothing beside the others ("weight-refit is off"); empty when it has an effect. For
// values that a user gives one by one: a saved file holds all of them.
std::string without_effect(const Settings& settings, const std::string& name);

}  // namespace shrike::quantize
