// Which tensors have 8 bits and which 16.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "toolchain/formats/options.h"
#include "toolchain/graph/graph.h"

namespace shrike::quantize {

// Bits of every variable by FormatOptions::bits and the dispatching table. Where the chip has an operator at
// 8 bit only (Resize), its tensors and the one that they copy stay at 8 bit. The outputs have one width,
// because ESP-DL's postprocessors read all of them as the type of the first (spec/runtime-and-vision.md
// section 7): when one is at 16 bit, all are, as far as the chip can. `notes` receives what differs from what
// was asked. Throws Error for a name that no node has, with the nearest, and for a layer that can't have 16
// bits.
std::map<std::string, int> choose_bits(const graph::Graph& graph, const FormatOptions& options,
                                       std::vector<std::string>* notes = nullptr);

}  // namespace shrike::quantize
