#include "cli/model_description.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <nlohmann/json.hpp>

namespace shrike::cli {
namespace {

nlohmann::ordered_json picture_json(const data::InputSpec& picture) {
  const auto channels = [&](const std::array<float, 3>& values) {
    return std::vector<float>(values.begin(), values.begin() + picture.channels);
  };
  return {{"width", picture.width},
          {"height", picture.height},
          {"channels", picture.channels},
          {"color", data::name_of(picture.color)},
          {"mean", channels(picture.mean)},
          {"std", channels(picture.std)},
          {"fit", data::name_of(picture.geometry)},
          {"padding", picture.padding}};
}

nlohmann::ordered_json head_json(const heads::Head& head) {
  nlohmann::ordered_json json = {{"name", head.row->name},
                                 {"description", heads::describe(head)},
                                 {"classes", head.classes},
                                 {"outputs", head.outputs()},
                                 {"esp_dl_postprocessor", heads::espdl_postprocessor(head)}};
  for (const heads::Level& level : head.levels) json["strides"].push_back(level.stride);
  return json;
}

}  // namespace

std::string description_text(const ModelDescription& description) {
  std::string text;
  if (const auto& picture = description.picture)
    text +=
        fmt::format("picture input {}x{}, {}\n", picture->width, picture->height, data::describe(*picture));
  if (description.head) text += fmt::format("head {}\n", heads::describe(*description.head));
  if (!description.names.empty())
    text += fmt::format("classes ({}) {}\n", description.names.size(), fmt::join(description.names, ", "));
  return text;
}

void add_description(nlohmann::ordered_json& json, const ModelDescription& description) {
  json["picture"] = description.picture ? picture_json(*description.picture) : nullptr;
  json["head"] = description.head ? head_json(*description.head) : nullptr;
  json["class_names"] = description.names;
}

}  // namespace shrike::cli
