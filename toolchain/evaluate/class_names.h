// What the class indices of a detector are called.
#pragma once
#include <optional>
#include <string>
#include <vector>

namespace shrike::evaluate {

// The "names" entry that Ultralytics writes into exported models: {0: 'person', 1: 'bicycle', ...}, keys in
// order. Nothing when the text is of another form.
std::optional<std::vector<std::string>> parse_names(const std::string& text);

// Names for `count` classes: from the model's metadata when it has that many, the COCO names for 80, else
// "class 0", "class 1", ...
std::vector<std::string> class_names(int count, const std::string& metadata);

}  // namespace shrike::evaluate
