#include "toolchain/graph/nearest.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <utility>

namespace shrike {
namespace {

size_t edit_distance(const std::string& a, const std::string& b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[b.size()];
}

// One slip less for neighbours in the wrong order, which the edit distance counts twice.
size_t slips(std::string a, const std::string& b) {
  size_t least = edit_distance(a, b);
  for (size_t i = 0; i + 1 < a.size(); ++i) {
    std::swap(a[i], a[i + 1]);
    least = std::min(least, edit_distance(a, b) + 1);
    std::swap(a[i], a[i + 1]);
  }
  return least;
}

}  // namespace

std::string nearest_name(const std::string& name, const std::vector<std::string>& candidates) {
  std::string best;
  size_t best_distance = std::numeric_limits<size_t>::max();
  for (const std::string& candidate : candidates) {
    const size_t distance = edit_distance(name, candidate);
    if (distance < best_distance) {
      best_distance = distance;
      best = candidate;
    }
  }
  return best;
}

std::string near_name(const std::string& name, const std::vector<std::string>& candidates) {
  constexpr size_t kLongest = 64, kLettersASlip = 3;
  if (name.empty() || name.size() > kLongest) return "";
  std::string best;
  size_t least = std::max<size_t>(1, name.size() / kLettersASlip) + 1;
  for (const std::string& candidate : candidates) {
    const size_t count = slips(name, candidate);
    if (count >= least || count >= candidate.size()) continue;
    least = count;
    best = candidate;
  }
  if (!best.empty()) return best;
  const auto begins = [&](const std::string& candidate) {
    return candidate.starts_with(name) || (candidate.size() >= kLettersASlip && name.starts_with(candidate));
  };
  if (name.size() < kLettersASlip || std::count_if(candidates.begin(), candidates.end(), begins) != 1)
    return "";
  return *std::find_if(candidates.begin(), candidates.end(), begins);
}

}  // namespace shrike
