#include "toolchain/graph/range_hints.h"

#include <fmt/format.h>

#include <charconv>
#include <string_view>

namespace shrike::graph {
namespace {

// One line a tensor: lowest, highest, name.
constexpr char kKey[] = "hint.activation_ranges";

}  // namespace

void add_range_hint(Graph& graph, const std::string& tensor, const RangeHint& range) {
  graph.metadata[kKey] += fmt::format("{} {} {}\n", range.lowest, range.highest, tensor);
}

std::map<std::string, RangeHint> range_hints(const Graph& graph) {
  std::map<std::string, RangeHint> hints;
  const auto found = graph.metadata.find(kKey);
  if (found == graph.metadata.end()) return hints;
  std::string_view text = found->second;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    RangeHint range;
    const char* end = line.data() + line.size();
    const auto low = std::from_chars(line.data(), end, range.lowest);
    if (low.ec != std::errc() || low.ptr == end) continue;
    const auto high = std::from_chars(low.ptr + 1, end, range.highest);
    if (high.ec != std::errc() || high.ptr == end) continue;
    hints[std::string(high.ptr + 1, end)] = range;
  }
  return hints;
}

}  // namespace shrike::graph
