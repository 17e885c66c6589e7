// Internal to the import: names and texts of model files end up in messages, JSON and the written model.
#pragma once
#include <string>

namespace shrike::graph {

bool is_utf8(const std::string& text);
// UTF-8 without control characters.
bool is_printable(const std::string& text);

}  // namespace shrike::graph
