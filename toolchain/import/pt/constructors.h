// Internal to the .pt import: the few calls in a pickle that make data (spec/importers.md section A2,
// REDUCE).
#pragma once
#include <string>
#include <vector>

#include "toolchain/import/pt/pickle.h"

namespace shrike::graph::pt {

// The value of calling `symbol` ("module name") with these arguments: dictionaries, sets, tensors, sizes. Any
// other call gives an opaque value, which is refused only where the network needs it. Throws Error (what was
// found, without the place) for arguments that do not fit.
Value construct(Pickle& pickle, const std::string& symbol, const std::vector<Ref>& arguments);

// "torch HalfStorage" -> kF16. False when unknown.
bool storage_element(const std::string& symbol, Element& element);

}  // namespace shrike::graph::pt
