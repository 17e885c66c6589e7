#include "toolchain/support/json.h"

namespace shrike {

nlohmann::json parse_json(const std::string& text) {
  return nlohmann::json::parse(text, nullptr, false);
}

nlohmann::ordered_json parse_ordered_json(const std::string& text) {
  return nlohmann::ordered_json::parse(text, nullptr, false);
}

nlohmann::json parse_json(const std::vector<uint8_t>& text, const nlohmann::json::parser_callback_t& look) {
  return nlohmann::json::parse(text.begin(), text.end(), look);
}

std::string compact_text(const nlohmann::json& json) {
  return json.dump();
}

std::string compact_text(const nlohmann::ordered_json& json) {
  return json.dump();
}

std::string indented_text(const nlohmann::json& json, int indent) {
  return json.dump(indent, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string indented_text(const nlohmann::ordered_json& json, int indent) {
  return json.dump(indent, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace shrike
