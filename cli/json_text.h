// JSON as commands print it.
#pragma once
#include <nlohmann/json.hpp>
#include <string>

namespace shrike::cli {

// Names in files and of files may be of any bytes; what is not UTF-8 is replaced (U+FFFD).
inline std::string json_text(const nlohmann::ordered_json& json) {
  return json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace shrike::cli
