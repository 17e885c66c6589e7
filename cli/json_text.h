// JSON as commands print it.
#pragma once
#include <nlohmann/json.hpp>
#include <string>

#include "shrike/inspect.h"

namespace shrike::cli {

// Names in files and of files may be of any bytes; what is not UTF-8 is replaced (U+FFFD).
inline std::string json_text(const nlohmann::ordered_json& json) {
  return json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

// Without the arena itself.
inline nlohmann::ordered_json memory_json(const MemoryReport& memory) {
  return {{"activation_bytes", memory.activation_bytes},
          {"lower_bound", memory.lower_bound},
          {"internal_bytes", memory.internal_bytes},
          {"scratch_bytes", memory.scratch_bytes},
          {"table_bytes", memory.table_bytes}};
}

}  // namespace shrike::cli
