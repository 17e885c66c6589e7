// JSON as text. The library's parser and writer are compiled once, in json.cpp: they cost seconds a source
// file.
#pragma once
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace shrike {

// A discarded value, which is no object and has no members, where the text is no JSON.
nlohmann::json parse_json(const std::string& text);
nlohmann::ordered_json parse_ordered_json(const std::string& text);

// The same with a look at every key and value as it is read; throws nlohmann's exceptions.
nlohmann::json parse_json(const std::vector<uint8_t>& text, const nlohmann::json::parser_callback_t& look);

// In one line. Throws nlohmann's type_error for strings that are not UTF-8.
std::string compact_text(const nlohmann::json& json);
std::string compact_text(const nlohmann::ordered_json& json);

// With `indent` spaces a level, -1: in one line. Names in files and of files may be of any bytes; what is not
// UTF-8 is replaced (U+FFFD).
std::string indented_text(const nlohmann::json& json, int indent = 2);
std::string indented_text(const nlohmann::ordered_json& json, int indent = 2);

}  // namespace shrike
