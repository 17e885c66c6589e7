#include "toolchain/pipeline/settings_file.h"

#include <map>

#include "toolchain/data/yaml_file.h"
#include "toolchain/support/error.h"

namespace shrike::quantize {
namespace {

constexpr char kBinary[] = "tag:yaml.org,2002:binary";

std::string text_of(const YAML::Node& value) {
  if (value.Tag() != kBinary) return value.as<std::string>();
  const auto bytes = value.as<YAML::Binary>();
  return {bytes.data(), bytes.data() + bytes.size()};
}

// Names of tensors are any bytes; what is no text to YAML is written as bytes.
void write_text(YAML::Emitter& out, const std::string& text) {
  YAML::Emitter alone;
  alone << text;
  if (YAML::Load(alone.c_str()).Scalar() == text) {
    out << text;
  } else {
    out << YAML::Binary(reinterpret_cast<const unsigned char*>(text.data()), text.size());
  }
}

void read_entry(Settings& settings, const std::string& name, const YAML::Node& value) {
  if (value.IsSequence()) {
    std::vector<std::string> items;
    for (const YAML::Node& item : value) items.push_back(text_of(item));
    set_field(settings, name, items);
  } else if (value.IsMap()) {
    fail("{}: a value or a list of values was expected, found `name: value` lines", name);
  } else {
    set_field(settings, name, value.IsNull() ? std::string() : text_of(value));
  }
}

}  // namespace

Settings load_settings(const std::string& path) {
  Settings settings;
  try {
    const YAML::Node root = data::read_yaml(path);
    if (!root.IsMap()) fail("{}: expected lines of `setting: value`", path);
    std::map<std::string, int> line_of;
    const auto read = [&](const auto& entry, const std::string& name) {
      const int line = entry.first.Mark().line + 1;
      const auto [earlier, is_new] = line_of.emplace(name, line);
      if (!is_new) fail("{} line {}: '{}' is set in line {} already", path, line, name, earlier->second);
      try {
        read_entry(settings, name, entry.second);
      } catch (const Error& error) {
        fail("{} line {}: {}", path, line, error.what());
      }
    };
    for (const bool preset : {true, false}) {  // wherever it stands, the others depart from it
      for (const auto& entry : root) {
        const std::string name = entry.first.as<std::string>();
        if (is_preset(name) == preset) read(entry, name);
      }
    }
  } catch (const YAML::Exception& error) {
    fail("{} line {}: not valid YAML; lines of `setting: value` were expected", path, error.mark.line + 1);
  }
  try {
    require_possible(settings);
  } catch (const Error& error) {
    fail("{}: {}", path, error.what());
  }
  return settings;
}

std::string to_yaml(const Settings& settings) {
  YAML::Emitter out;
  out << YAML::BeginMap;
  for (const SettingField& field : setting_fields()) {
    if (field.name == kEmulate) continue;  // the others tell
    out << YAML::Key << field.name << YAML::Value;
    const std::vector<std::string> items =
        field.get_list ? field.get_list(settings) : std::vector<std::string>();
    if (items.empty()) {
      out << field.get(settings);
      continue;
    }
    out << YAML::BeginSeq;
    for (const std::string& item : items) write_text(out, item);
    out << YAML::EndSeq;
  }
  out << YAML::EndMap;
  return std::string(out.c_str()) + "\n";
}

}  // namespace shrike::quantize
