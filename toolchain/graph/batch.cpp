#include "toolchain/graph/batch.h"

#include <map>

namespace shrike::graph {
namespace {

// The input that holds the shape of the result, by operator.
const std::map<std::string, size_t>& shape_slots() {
  static const std::map<std::string, size_t> slots = {{"Reshape", 1}, {"Expand", 1}, {"Resize", 3}};
  return slots;
}

}  // namespace

void set_batch_to_one(Graph& graph) {
  int64_t batch = 0;
  for (const std::string& input : graph.inputs) {
    const Shape& shape = graph.tensor(input).shape;
    if (shape.size() != 4 || shape[0] <= 1 || (batch != 0 && shape[0] != batch)) return;
    batch = shape[0];
  }
  for (const std::string& input : graph.inputs) graph.tensor(input).shape[0] = 1;
  for (const Node& node : graph.nodes) {
    const auto slot = shape_slots().find(node.op);
    if (slot == shape_slots().end() || node.inputs.size() <= slot->second ||
        node.inputs[slot->second].empty())
      continue;
    Tensor& sizes = graph.tensor(node.inputs[slot->second]);
    if (sizes.constant && !sizes.integers.empty() && sizes.integers[0] == batch) sizes.integers[0] = 1;
  }
}

}  // namespace shrike::graph
