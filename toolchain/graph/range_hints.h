// Ranges of activations that an imported file knows because it was quantised before: a hint for calibration,
// kept in the graph's metadata. Keys that begin with "hint." stay in the tool chain; the model file does not
// carry them.
#pragma once
#include <map>
#include <string>

#include "toolchain/graph/graph.h"

namespace shrike::graph {

inline constexpr char kHintPrefix[] = "hint.";

struct RangeHint {
  float lowest = 0;
  float highest = 0;
  bool operator==(const RangeHint&) const = default;
};

// `tensor` is a name in the graph as imported; passes may rename or remove it later.
void add_range_hint(Graph& graph, const std::string& tensor, const RangeHint& range);
std::map<std::string, RangeHint> range_hints(const Graph& graph);

}  // namespace shrike::graph
