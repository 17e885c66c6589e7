#include "toolchain/pipeline/setting_fields.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <type_traits>
#include <utility>

#include "toolchain/graph/nearest.h"
#include "toolchain/host/integer_model.h"
#include "toolchain/support/error.h"

namespace shrike::quantize {
namespace {

// Items are separated by commas; a backslash makes the next character part of the name.
std::vector<std::string> split_list(const std::string& field, const std::string& text) {
  std::vector<std::string> items(1);
  size_t kept = 0;  // of the item: up to here spaces belong to it
  const auto end_item = [&] {
    std::string& item = items.back();
    while (item.size() > kept && item.back() == ' ') item.pop_back();
    if (item.empty())
      fail("{}: names separated by commas were expected, found an empty one in '{}'", field, text);
  };
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == ',') {
      end_item();
      items.emplace_back();
      kept = 0;
    } else if (text[i] == '\\') {
      if (++i == text.size())
        fail("{}: a character was expected behind the backslash that ends '{}'", field, text);
      items.back() += text[i];
      kept = items.back().size();
    } else if (text[i] != ' ' || !items.back().empty()) {
      items.back() += text[i];
    }
  }
  if (items.size() == 1 && items[0].empty()) return {};
  end_item();
  return items;
}

std::string join(const std::vector<std::string>& parts) {
  std::string text;
  for (const std::string& part : parts) text += (text.empty() ? "" : ",") + list_item(part);
  return text;
}

template <typename Number>
Number parse_number(const std::string& field, const std::string& text, Number lowest, Number highest) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !(lowest <= value && value <= highest)) {
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
SettingField choice_field(std::string name, std::string help, std::type_identity_t<Enum> Settings::*member,
                          Choices<Enum> choices) {
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

// A list of names; set_list is the way of YAML sequences, whose items are taken as they are.
SettingField list_field(std::string name, std::string help, std::vector<std::string> Settings::*member) {
  SettingField field;
  field.name = name;
  field.help = std::move(help);
  field.get = [member](const Settings& s) { return join(s.*member); };
  field.set = [member, name](Settings& s, const std::string& value) { s.*member = split_list(name, value); };
  field.get_list = [member](const Settings& s) { return s.*member; };
  field.set_list = [member](Settings& s, const std::vector<std::string>& items) { s.*member = items; };
  return field;
}

void set_exponents(Settings& settings, const std::vector<std::string>& items) {
  settings.fixed_exponents.clear();
  for (const std::string& item : items) {
    const size_t equals = item.rfind('=');
    if (equals == std::string::npos) fail("exponents: expected TENSOR=EXPONENT, got '{}'", item);
    const std::string tensor = item.substr(0, equals);
    const int exponent = parse_number<int>("exponents", item.substr(equals + 1), -30, 30);
    if (!settings.fixed_exponents.emplace(tensor, exponent).second)
      fail("exponents: one exponent was expected for each tensor, '{}' has two", tensor);
  }
}

SettingField exponents_field() {
  SettingField field;
  field.name = "exponents";
  field.help = "exponents set by hand: TENSOR=E,TENSOR=E";
  field.get_list = [](const Settings& s) {
    std::vector<std::string> items;
    for (const auto& [tensor, exponent] : s.fixed_exponents)
      items.push_back(fmt::format("{}={}", tensor, exponent));
    return items;
  };
  field.get = [get = field.get_list](const Settings& s) { return join(get(s)); };
  field.set_list = set_exponents;
  field.set = [](Settings& s, const std::string& value) { set_exponents(s, split_list("exponents", value)); };
  return field;
}

graph::ImageSize parse_size(const std::string& text) {
  const size_t cross = text.find('x');
  graph::ImageSize size;
  size.height = parse_number<int64_t>("imgsz", text.substr(0, cross), 0, 8192);
  size.width = cross == std::string::npos ? size.height
                                          : parse_number<int64_t>("imgsz", text.substr(cross + 1), 0, 8192);
  if ((size.height == 0) != (size.width == 0))
    fail("imgsz: expected a height and a width above 0, or 0 for the model's own, got '{}'", text);
  return size;
}

// What the tutorial's ESP-PPQ did (spec/quantizer.md section 7), so that its files can be compared with.
void emulate_esp_ppq(Settings& settings) {
  settings.calibration = Calibration::kKl;
  settings.rescaling = false;
  settings.channel_groups = false;
  settings.add_alignment = settings.concat_alignment = Alignment::kOutput;
  settings.weight_exponents = WeightExponents::kLayer;
  settings.weight_calibration = WeightCalibration::kPercentile;
  settings.weight_refit = settings.bias_correction = false;
}

// A preset: set before all other fields, so that these can depart from it.
SettingField emulate_field() {
  return {kEmulate, "another quantiser's recipe, from which other settings may depart (none, esp-ppq)",
          [](const Settings&) { return std::string("none"); },
          [](Settings& settings, const std::string& value) {
            if (value == "esp-ppq") return emulate_esp_ppq(settings);
            if (value != "none") fail("{}: expected none or esp-ppq, got '{}'", kEmulate, value);
          }};
}

// A preset too: libraries without exponents per channel get one a layer, unless the user insists.
SettingField library_field() {
  return {kLibrary,
          fmt::format("version of ESP-DL that the file is written for, {} to {}",
                      espdl::to_string(espdl::oldest_library()), espdl::to_string(espdl::newest_library())),
          [](const Settings& s) { return espdl::to_string(s.library); },
          [](Settings& s, const std::string& value) {
            s.library = espdl::parse_library_version(value);
            if (!espdl::row_of(s.library).channel_exponents) s.weight_exponents = WeightExponents::kLayer;
          }};
}

std::string numbers_text(const std::vector<double>& numbers) {
  return fmt::format("{}", fmt::join(numbers, ","));
}

// What a picture becomes for the network (data/input_spec.h). Empty: as the model says.
std::vector<SettingField> input_fields() {
  std::vector<SettingField> fields;
  fields.push_back(
      {"mean", "mean of the network's input, one number or one a channel in its order",
       [](const Settings& s) { return numbers_text(s.input.mean); },
       [](Settings& s, const std::string& value) { s.input.mean = data::parse_numbers("mean", value); }});
  fields.push_back(
      {"std", "its standard deviation: a channel is (pixel * scale - mean) / std",
       [](const Settings& s) { return numbers_text(s.input.std); },
       [](Settings& s, const std::string& value) { s.input.std = data::parse_numbers("std", value); }});
  fields.push_back(
      {"scale",
       "factor of pixels of 0..255 before mean and std; empty: 1 where mean or std exceed 1, else 1/255",
       [](const Settings& s) { return s.input.scale ? fmt::format("{}", *s.input.scale) : ""; },
       [](Settings& s, const std::string& value) {
         s.input.scale.reset();
         if (!value.empty()) s.input.scale = parse_number<double>("scale", value, 1e-9, 1e9);
       }});
  fields.push_back(
      {"color", "order of the channels that the network wants (rgb,bgr,gray)",
       [](const Settings& s) { return std::string(s.input.color ? data::name_of(*s.input.color) : ""); },
       [](Settings& s, const std::string& value) {
         s.input.color.reset();
         if (!value.empty()) s.input.color = data::parse_color(value);
       }});
  fields.push_back(
      {"layout",
       "order of the axes of the model's picture input (nchw,nhwc); empty: by the count of channels",
       [](const Settings& s) {
         return std::string(!s.input.channels_last ? "" : *s.input.channels_last ? "nhwc" : "nchw");
       },
       [](Settings& s, const std::string& value) {
         s.input.channels_last.reset();
         if (value.empty()) return;
         if (value != "nchw" && value != "nhwc") fail("layout: expected one of nchw, nhwc, got '{}'", value);
         s.input.channels_last = value == "nhwc";
       }});
  fields.push_back({"preprocess",
                    "how pictures are fitted to the input (letterbox,stretch,center-crop); empty: letterbox",
                    [](const Settings& s) {
                      return std::string(s.input.geometry ? data::name_of(*s.input.geometry) : "");
                    },
                    [](Settings& s, const std::string& value) {
                      s.input.geometry.reset();
                      if (!value.empty()) s.input.geometry = data::parse_geometry(value);
                    }});
  fields.push_back({"calibration-fit",
                    "how calibration pictures are fitted where that differs from use "
                    "(letterbox,stretch,center-crop); empty: as "
                    "preprocess says",
                    [](const Settings& s) {
                      return std::string(s.calibration_fit ? data::name_of(*s.calibration_fit) : "");
                    },
                    [](Settings& s, const std::string& value) {
                      s.calibration_fit.reset();
                      if (!value.empty()) s.calibration_fit = data::parse_geometry(value);
                    }});
  return fields;
}

std::vector<SettingField> make_fields() {
  const Choices<Alignment> alignments = {{"joint", Alignment::kJoint},
                                         {"output", Alignment::kOutput},
                                         {"input", Alignment::kInput},
                                         {"large", Alignment::kLarge}};
  std::vector<SettingField> fields = {emulate_field()};
  fields.push_back({"target", "chip: " + host::target_names(),
                    [](const Settings& s) { return host::target_name(s.target); },
                    [](Settings& s, const std::string& value) { s.target = host::parse_target(value); }});
  fields.push_back(library_field());
  fields.push_back({"bits", "bits of activations and weights (8, 16)",
                    [](const Settings& s) { return std::to_string(s.bits); },
                    [](Settings& s, const std::string& value) {
                      if (value != "8" && value != "16") fail("bits: expected 8 or 16, got '{}'", value);
                      s.bits = value == "8" ? 8 : 16;
                    }});
  fields.push_back({"imgsz", "input size N or HxW that the model accepts; 0: the model's own",
                    [](const Settings& s) { return fmt::format("{}x{}", s.size.height, s.size.width); },
                    [](Settings& s, const std::string& value) { s.size = parse_size(value); }});
  fields.push_back(list_field("outputs",
                              "tensors or nodes that become the outputs; empty: those of the head in which "
                              "the graph ends, or its own; NAME=NODE names one",
                              &Settings::outputs));
  for (SettingField& field : input_fields()) fields.push_back(std::move(field));
  fields.push_back(list_field("split-layers", "layers whose large weights are shared with a clone",
                              &Settings::split_layers));
  fields.push_back(choice_field(
      "split-method", "part of a large weight that the clone gets: half, or a random share",
      &Settings::split_method,
      Choices<SplitMethod>{{"balance", SplitMethod::kBalance}, {"random", SplitMethod::kRandom}}));
  fields.push_back(real_field("split-threshold", "weights of split layers above this are divided",
                              &Settings::split_threshold, 0.0, 1e6));
  fields.push_back(switch_field("channel-groups",
                                "convolutions divided into groups of channels with exponents of their own, "
                                "where a layer's weights share one (not on esp32p4) and that is worth its "
                                "time on the chip",
                                &Settings::channel_groups));
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
  fields.push_back(switch_field("explicit-pads",
                                "offsets also before convolutions that pad, whose padding a Pad takes over "
                                "where that is worth its time on the chip",
                                &Settings::explicit_pads));
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
  fields.push_back(exponents_field());
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

namespace {

const SettingField& field_of(const std::string& name) {
  std::vector<std::string> names;
  for (const SettingField& field : setting_fields()) {
    if (field.name == name) return field;
    names.push_back(field.name);
  }
  fail("there is no setting '{}'; did you mean '{}'?", name, nearest_name(name, names));
}

}  // namespace

void set_field(Settings& settings, const std::string& name, const std::string& value) {
  field_of(name).set(settings, value);
}

void set_field(Settings& settings, const std::string& name, const std::vector<std::string>& items) {
  const SettingField& field = field_of(name);
  if (!field.set_list) fail("{}: one value was expected, found a list of {}", name, items.size());
  field.set_list(settings, items);
}

void require_possible(const Settings& settings) {
  if (has_channel_exponents(settings, settings.target) &&
      !espdl::row_of(settings.library).channel_exponents) {
    fail(
        "weight-exponents: 'layer' was expected for ESP-DL {}, got 'channel', which needs {} or newer; leave "
        "it out "
        "or name a newer version (esp-dl)",
        espdl::to_string(settings.library), espdl::to_string(espdl::oldest_library_with(true, false)));
  }
}

std::string without_effect(const Settings& settings, const std::string& name) {
  const bool percentile = settings.calibration == Calibration::kPercentile ||
                          settings.weight_calibration == WeightCalibration::kPercentile;
  struct Condition {
    const char* name;
    bool holds;
    const char* otherwise;
  };
  const Condition conditions[] = {
      {"split-method", !settings.split_layers.empty(), "split-layers is empty"},
      {"split-threshold", !settings.split_layers.empty(), "split-layers is empty"},
      {"equalization-iterations", settings.equalization, "equalization is off"},
      {"equalization-threshold", settings.equalization, "equalization is off"},
      {"percentile", percentile, "neither calibration nor weight-calibration is percentile"},
      {"refit-images", settings.weight_refit, "weight-refit is off"},
      {"bias-images", settings.bias_correction, "bias-correction is off"},
      {"search-images", settings.exponent_search, "exponent-search is off"},
      {"channel-groups", settings.bits == 8, "bits is 16 for all layers"},
      {"int16-layers", settings.bits == 8, "bits is 16 for all layers"},
  };
  for (const Condition& condition : conditions) {
    if (name == condition.name && !condition.holds) return condition.otherwise;
  }
  return "";
}

std::string list_item(const std::string& name) {
  std::string text;
  for (size_t i = 0; i < name.size(); ++i) {
    const bool outer_space = name[i] == ' ' && (i == 0 || i + 1 == name.size());
    if (name[i] == ',' || name[i] == '\\' || outer_space) text += '\\';
    text += name[i];
  }
  return text;
}

}  // namespace shrike::quantize
