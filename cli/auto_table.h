// What `shrike quantize --auto` found, as a table and as JSON.
#pragma once
#include <nlohmann/json.hpp>

#include "toolchain/search/auto_search.h"

namespace shrike::cli {

// One line a network that no other beats in error, time and size at once; the start is always shown, the
// chosen one marked.
void print_auto_table(const quantize::AutoResult& result);
// All networks, dominated ones included.
nlohmann::ordered_json auto_json(const quantize::AutoResult& result);

}  // namespace shrike::cli
