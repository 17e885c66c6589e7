// What the search may change: layers that move to 16 bit, and settings with other values.
#pragma once
#include <string>
#include <utility>
#include <vector>

#include "toolchain/graph/graph.h"
#include "toolchain/pipeline/settings.h"

namespace shrike::quantize {

// Nodes that move to 16 bit together: one that computes and, where nothing else reads it, the activation
// behind it. Apart they would meet at a RequantizeLinear that throws the gained bits away.
struct WideUnit {
  std::vector<std::string> nodes;  // as int16-layers takes them
};

// Every unit that is at 8 bit now, in the order of the graph. Left out: units whose result is an output of
// the graph, because ESP-DL's postprocessors read all outputs as one type, and those that feed a Resize,
// which the chip has at 8 bit only (spec/runtime-and-vision.md, section 7 and Table 2).
std::vector<WideUnit> wide_units(const graph::Graph& graph, const Settings& settings);

// Name and value as on the command line.
using Option = std::pair<std::string, std::string>;

// Settings that cost nothing on the chip, or almost: for each, the values other than the one in force.
std::vector<std::vector<Option>> option_alternatives(const Settings& settings);

}  // namespace shrike::quantize
