// "Did you mean ...": the nearest of some names by edit distance, for messages about names that do not exist.
#pragma once
#include <string>
#include <vector>

namespace shrike {

// The candidate with the smallest Levenshtein distance to `name` (the first of equals); "" without
// candidates.
std::string nearest_name(const std::string& name, const std::vector<std::string>& candidates);

}  // namespace shrike
