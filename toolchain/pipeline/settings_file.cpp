#include "toolchain/pipeline/settings_file.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <charconv>
#include <sstream>
#include <utility>

#include "toolchain/graph/nearest.h"
#include "toolchain/host/integer_model.h"
#include "toolchain/support/error.h"
#include "toolchain/support/files.h"

namespace shrike::quantize {
namespace {

std::vector<std::string> split_list(const std::string& text) {
  std::vector<std::string> parts;
  std::stringstream stream(text);
  for (std::string part; std::getline(stream, part, ',');) {
    const size_t begin = part.find_first_not_of(' '), end = part.find_last_not_of(' ');
    if (begin != std::string::npos) parts.push_back(part.substr(begin, end - begin + 1));
  }
  return parts;
}

std::string join(const std::vector<std::string>& parts) {
  std::string text;
  for (const std::string& part : parts) text += (text.empty() ? "" : ",") + part;
  return text;
}

template <typename Number>
Number parse_number(const std::string& field, const std::string& text, Number lowest, Number highest) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < lowest || value > highest) {
    fail("{}: expected a number from {} to {}, got '{}'", field, lowest, highest, text);
  }
  return value;
}

SettingField integer_field(std::string name, std::string help, int Settings::*member, int lowest,
                           int highest) {
  return {name, std::move(help), [member](const Settings& s) { return std::to_string(s.*member); },
          [name, member, lowest, highest](Settings& s, const std::string& value) {
            s.*member = parse_number<int>(name, value, lowest, highest);
          }};
}

SettingField real_field(std::string name, std::string help, double Settings::*member, double lowest,
                        double highest) {
  return {name, std::move(help), [member](const Settings& s) { return fmt::format("{}", s.*member); },
          [name, member, lowest, highest](Settings& s, const std::string& value) {
            s.*member = parse_number<double>(name, value, lowest, highest);
          }};
}

SettingField switch_field(std::string name, std::string help, bool Settings::*member) {
  return {name, std::move(help) + " (on, off)",
          [member](const Settings& s) { return std::string(s.*member ? "on" : "off"); },
          [name, member](Settings& s, const std::string& value) {
            if (value == "on" || value == "true" || value == "1") {
              s.*member = true;
            } else if (value == "off" || value == "false" || value == "0") {
              s.*member = false;
            } else {
              fail("{}: expected on or off, got '{}'", name, value);
            }
          }};
}

template <typename Enum>
using Choices = std::vector<std::pair<std::string, Enum>>;

template <typename Enum>
SettingField choice_field(std::string name, std::string help, Enum Settings::*member, Choices<Enum> choices) {
  std::vector<std::string> names;
  for (const auto& choice : choices) names.push_back(choice.first);
  return {name, help + " (" + join(names) + ")",
          [member, choices](const Settings& s) {
            for (const auto& [text, value] : choices) {
              if (value == s.*member) return text;
            }
            return std::string();
          },
          [name, member, choices, names](Settings& s, const std::string& value) {
            for (const auto& [text, choice] : choices) {
              if (text == value) {
                s.*member = choice;
                return;
              }
            }
            fail("{}: expected one of {}, got '{}'", name, join(names), value);
          }};
}

SettingField list_field(std::string name, std::string help, std::vector<std::string> Settings::*member) {
  return {std::move(name), std::move(help), [member](const Settings& s) { return join(s.*member); },
          [member](Settings& s, const std::string& value) { s.*member = split_list(value); }};
}

graph::ImageSize parse_size(const std::string& text) {
  const size_t cross = text.find('x');
  graph::ImageSize size;
  size.height = parse_number<int64_t>("imgsz", text.substr(0, cross), 0, 8192);
  size.width = cross == std::string::npos ? size.height
                                          : parse_number<int64_t>("imgsz", text.substr(cross + 1), 0, 8192);
  if (size.height % 32 != 0 || size.width % 32 != 0) {
    fail("imgsz: expected multiples of 32, as 320 or 480x640 (height x width), got '{}'", text);
  }
  return size;
}

std::vector<SettingField> make_fields() {
  const Choices<Alignment> alignments = {{"joint", Alignment::kJoint},
                                         {"output", Alignment::kOutput},
                                         {"input", Alignment::kInput},
                                         {"large", Alignment::kLarge}};
  std::vector<SettingField> fields;
  fields.push_back({"target", "chip: " + host::target_names(),
                    [](const Settings& s) { return host::target_name(s.target); },
                    [](Settings& s, const std::string& value) { s.target = host::parse_target(value); }});
  fields.push_back({"bits", "bits of activations and weights (8, 16)",
                    [](const Settings& s) { return std::to_string(s.bits); },
                    [](Settings& s, const std::string& value) {
                      if (value != "8" && value != "16") fail("bits: expected 8 or 16, got '{}'", value);
                      s.bits = value == "8" ? 8 : 16;
                    }});
  fields.push_back({"imgsz", "input size N or HxW, multiples of 32; 0: the model's own",
                    [](const Settings& s) { return fmt::format("{}x{}", s.size.height, s.size.width); },
                    [](Settings& s, const std::string& value) { s.size = parse_size(value); }});
  fields.push_back(list_field(
      "outputs", "tensors or nodes that become the outputs; empty: those of the head in which the graph ends, or its own; NAME=NODE names one", &Settings::outputs));
  fields.push_back(choice_field("preprocess", "how calibration images are fitted to the input",
                                &Settings::geometry,
                                Choices<data::Geometry>{{"letterbox", data::Geometry::kLetterbox},
                                                        {"stretch", data::Geometry::kStretch}}));
  fields.push_back(list_field("split-layers", "layers whose large weights are shared with a clone",
                              &Settings::split_layers));
  fields.push_back(choice_field(
      "split-method", "part of a large weight that the clone gets: half, or a random share",
      &Settings::split_method,
      Choices<SplitMethod>{{"balance", SplitMethod::kBalance}, {"random", SplitMethod::kRandom}}));
  fields.push_back(real_field("split-threshold", "weights of split layers above this are divided",
                              &Settings::split_threshold, 0.0, 1e6));
  fields.push_back(switch_field("equalization",
                                "layerwise equalisation of weights across Relu, pooling and q.k",
                                &Settings::equalization));
  fields.push_back(integer_field("equalization-iterations", "rounds of equalisation at most",
                                 &Settings::equalization_iterations, 1, 1000));
  fields.push_back(real_field("equalization-threshold",
                              "channels whose largest weights add up to less are not equalised",
                              &Settings::equalization_threshold, 0.0, 1e6));
  fields.push_back(switch_field("rescaling",
                                "free scales and offsets around activations that are evaluated by a table",
                                &Settings::rescaling));
  fields.push_back(choice_field("calibration", "how activation exponents are found", &Settings::calibration,
                                Choices<Calibration>{{"direct", Calibration::kDirect},
                                                     {"minmax", Calibration::kMinMax},
                                                     {"percentile", Calibration::kPercentile},
                                                     {"kl", Calibration::kKl},
                                                     {"mse", Calibration::kMse}}));
  fields.push_back(real_field(
      "percentile", "share of values that percentile calibration of activations or weights keeps, 0.5 to 1",
      &Settings::percentile, 0.5, 1.0));
  fields.push_back(integer_field("calibration-images", "images to calibrate on, evenly spread; 0: all",
                                 &Settings::calibration_images, 0, 1'000'000));
  fields.push_back(
      choice_field("add-alignment", "exponent of Add and Sub", &Settings::add_alignment, alignments));
  fields.push_back(
      choice_field("concat-alignment", "exponent of Concat", &Settings::concat_alignment, alignments));
  fields.push_back(list_field("int16-layers", "nodes computed at 16 bit", &Settings::int16_layers));
  fields.push_back({"exponents", "exponents set by hand: TENSOR=E,TENSOR=E",
                    [](const Settings& s) {
                      std::vector<std::string> parts;
                      for (const auto& [tensor, exponent] : s.fixed_exponents)
                        parts.push_back(fmt::format("{}={}", tensor, exponent));
                      return join(parts);
                    },
                    [](Settings& s, const std::string& value) {
                      s.fixed_exponents.clear();
                      for (const std::string& part : split_list(value)) {
                        const size_t equals = part.rfind('=');
                        if (equals == std::string::npos)
                          fail("exponents: expected TENSOR=EXPONENT, got '{}'", part);
                        s.fixed_exponents[part.substr(0, equals)] =
                            parse_number<int>("exponents", part.substr(equals + 1), -30, 30);
                      }
                    }});
  fields.push_back(choice_field(
      "weight-exponents", "one weight exponent per output channel (esp32p4 only) or per layer",
      &Settings::weight_exponents,
      Choices<WeightExponents>{{"channel", WeightExponents::kChannel}, {"layer", WeightExponents::kLayer}}));
  fields.push_back(choice_field("weight-calibration",
                                "how weight exponents are found; weight-refit chooses those of channels anew",
                                &Settings::weight_calibration,
                                Choices<WeightCalibration>{{"direct", WeightCalibration::kDirect},
                                                           {"minmax", WeightCalibration::kMinMax},
                                                           {"percentile", WeightCalibration::kPercentile}}));
  fields.push_back(switch_field("weight-refit", "second-order weight rounding", &Settings::weight_refit));
  fields.push_back(
      switch_field("bias-correction", "exact mean correction of biases", &Settings::bias_correction));
  fields.push_back(
      integer_field("refit-images", "images for weight refit", &Settings::refit_images, 1, 100000));
  fields.push_back(
      integer_field("bias-images", "images for bias correction", &Settings::bias_images, 1, 100000));
  fields.push_back(switch_field("exponent-search", "trial of neighbouring exponents in the integer runtime",
                                &Settings::exponent_search));
  fields.push_back(
      integer_field("search-images", "images that judge a trial", &Settings::search_images, 1, 100000));
  return fields;
}

}  // namespace

const std::vector<SettingField>& setting_fields() {
  static const std::vector<SettingField> fields = make_fields();
  return fields;
}

void set_field(Settings& settings, const std::string& name, const std::string& value) {
  std::vector<std::string> names;
  for (const SettingField& field : setting_fields()) {
    if (field.name == name) {
      field.set(settings, value);
      return;
    }
    names.push_back(field.name);
  }
  fail("there is no setting '{}'; did you mean '{}'?", name, nearest_name(name, names));
}

Settings load_settings(const std::string& path) {
  Settings settings;
  try {
    const YAML::Node root = YAML::Load(read_text(path));
    if (!root.IsMap()) fail("{}: expected lines of `setting: value`", path);
    for (const auto& entry : root) {
      const std::string name = entry.first.as<std::string>();
      std::string value;
      if (entry.second.IsSequence()) {
        std::vector<std::string> parts;
        for (const YAML::Node& part : entry.second) parts.push_back(part.as<std::string>());
        value = join(parts);
      } else if (!entry.second.IsNull()) {
        value = entry.second.as<std::string>();
      }
      try {
        set_field(settings, name, value);
      } catch (const Error& error) {
        fail("{} line {}: {}", path, entry.first.Mark().line + 1, error.what());
      }
    }
  } catch (const YAML::Exception& error) {
    fail("{} line {}: not valid YAML ({})", path, error.mark.line + 1, error.msg);
  }
  return settings;
}

std::string to_yaml(const Settings& settings) {
  YAML::Emitter out;
  out << YAML::BeginMap;
  for (const SettingField& field : setting_fields()) {
    const std::string value = field.get(settings);
    out << YAML::Key << field.name << YAML::Value;
    if (value.find(',') == std::string::npos) {
      out << value;
      continue;
    }
    out << YAML::BeginSeq;
    for (const std::string& part : split_list(value)) out << part;
    out << YAML::EndSeq;
  }
  out << YAML::EndMap;
  return std::string(out.c_str()) + "\n";
}

}  // namespace shrike::quantize
