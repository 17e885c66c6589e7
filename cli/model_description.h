// What a model takes and what comes out of it, for people and for programs: the same words for files of every
// kind.
#pragma once
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "toolchain/data/input_spec.h"
#include "toolchain/heads/head.h"

namespace shrike::cli {

struct ModelDescription {
  std::optional<data::InputSpec> picture;  // nothing: not fed with one picture
  std::optional<heads::Head> head;         // nothing: none that is known
  std::vector<std::string> names;          // of the classes
};

// "picture input ...", "head ..." and "classes ..." lines, those that there are.
std::string description_text(const ModelDescription& description);
// "picture", "head" and "class_names"; null where there is nothing.
void add_description(nlohmann::ordered_json& json, const ModelDescription& description);

}  // namespace shrike::cli
