// What the class indices of a network are called.
#pragma once
#include <optional>
#include <string>
#include <vector>

namespace shrike::evaluate {

// The "names" entry that Ultralytics writes into exported models: {0: 'person', 1: 'bicycle', ...}, keys in
// order. Nothing when the text is of another form.
std::optional<std::vector<std::string>> parse_names(const std::string& text);

// A file with a name a line, or a YAML file with `names:` (a list or numbers with names). Throws Error.
std::vector<std::string> load_names(const std::string& path);

// kGiven: by the user or the model. kGuessed: COCO's, because there are 80 classes. kNumbers: "class 0", ...
enum class NameSource { kGiven, kGuessed, kNumbers };
struct ClassNames {
  std::vector<std::string> names;
  NameSource source = NameSource::kNumbers;
};

// Names for `count` classes: the user's (`given`, a wrong number of them is an Error), from the model's
// metadata when it has that many, the COCO names for 80, else numbers.
ClassNames class_names(int count, const std::string& metadata, const std::vector<std::string>& given = {});

}  // namespace shrike::evaluate
