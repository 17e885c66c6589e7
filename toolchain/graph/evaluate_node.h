// Internal: the value of a node whose inputs are known. Covers what exporters leave between Shape and
// Reshape, anchor grids and the like; it is no engine for networks.
#pragma once
#include <cstdint>
#include <optional>
#include <vector>

#include "toolchain/graph/inference.h"

namespace shrike::graph {

// Fills `outputs` (shapes and types are set) from `inputs` (nullptr: absent; for Shape only the shape
// counts). False: the operator is not covered, or its values are not sensible (division by zero): the node
// stays as it is.
bool evaluate_node(const RuleContext& context, const std::vector<const Tensor*>& inputs,
                   std::vector<Tensor>& outputs);

// For operators that copy elements of their first input: where in it each element of output `slot` comes
// from. Reshape, Flatten, Squeeze, Unsqueeze, Identity, Transpose, Split, Slice, Gather, Expand, Tile.
std::optional<std::vector<int64_t>> copied_from(const RuleContext& context, size_t slot, const Shape& output);

}  // namespace shrike::graph
