// Internal: the value of a node whose inputs are known. Covers what exporters leave between Shape and
// Reshape, anchor grids and the like; it is no engine for networks.
#pragma once
#include <cstdint>
#include <optional>
#include <vector>

#include "toolchain/graph/inference.h"
#include "toolchain/operators/operator.h"

namespace shrike::operators {

// Fills `outputs` (shapes and types are set) from `inputs`; where only a shape counts (Shape) they need no
// values. False: the operator is not covered, or its values are not sensible (division by zero): the node
// stays as it is.
bool evaluate_node(const graph::RuleContext& context, const Inputs& inputs,
                   std::vector<graph::Tensor>& outputs);

// For operators that copy elements of their first input: where in it each element of output `slot` comes
// from (Reshape, Transpose, Split, Slice, Gather, ...).
std::optional<std::vector<int64_t>> copied_from(const graph::RuleContext& context, size_t slot,
                                                const graph::Shape& output);

// Positions in row-major order.
std::vector<int64_t> row_major_strides(const graph::Shape& shape);
// Element i of `output` is at offset + sum(i_axis * stride_axis).
std::vector<int64_t> strided(const graph::Shape& output, int64_t offset, const std::vector<int64_t>& strides);
// Where in `input` each element of `output` comes from when it is broadcast.
std::vector<int64_t> broadcast_source(const graph::Shape& input, const graph::Shape& output);

// Calls visit(flat, index) for every element of `shape` in row-major order.
template <typename Visit>
void for_each_index(const graph::Shape& shape, Visit visit) {
  std::vector<int64_t> index(shape.size(), 0);
  const int64_t count = graph::element_count(shape);
  for (int64_t flat = 0; flat < count; ++flat) {
    visit(flat, index);
    for (size_t axis = shape.size(); axis-- > 0;) {
      if (++index[axis] < shape[axis]) break;
      index[axis] = 0;
    }
  }
}

}  // namespace shrike::operators
