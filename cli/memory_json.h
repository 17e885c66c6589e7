// What several commands print as JSON.
#pragma once
#include "shrike/inspect.h"
#include "toolchain/support/json.h"

namespace shrike::cli {

// Without the arena itself.
inline nlohmann::ordered_json memory_json(const MemoryReport& memory) {
  return {{"activation_bytes", memory.activation_bytes},
          {"lower_bound", memory.lower_bound},
          {"internal_bytes", memory.internal_bytes},
          {"scratch_bytes", memory.scratch_bytes},
          {"table_bytes", memory.table_bytes}};
}

}  // namespace shrike::cli
