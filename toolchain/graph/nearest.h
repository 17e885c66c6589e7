// "Did you mean ...": the nearest of some names by edit distance, for messages about names that do not exist.
#pragma once
#include <string>
#include <vector>

namespace shrike {

// The candidate with the smallest Levenshtein distance to `name` (the first of equals); "" without
// candidates.
std::string nearest_name(const std::string& name, const std::vector<std::string>& candidates);

// For words that a person typed: the nearest candidate when it is so near that it was probably meant, else
// "". Near is a slip a three letters (a letter missing, too many, wrong, or two in the wrong order), or the
// beginning of one candidate only, or one candidate with more behind it (--confidence for --conf).
std::string near_name(const std::string& name, const std::vector<std::string>& candidates);

}  // namespace shrike
