#include "toolchain/operators/replacement.h"
#include "toolchain/operators/rewrites.h"

namespace shrike::operators {
namespace {

using graph::Graph;
using graph::Node;
using graph::Shape;
using Ints = std::vector<int64_t>;

std::string repeat(Replacement& nodes, const std::string& source, int64_t axis, int64_t times) {
  return nodes.add("Concat", std::vector<std::string>(static_cast<size_t>(times), source), {{"axis", axis}});
}

}  // namespace

Nodes rewrite_tile(Graph& graph, const Node& node) {
  if (!graph.tensor(node.inputs[1]).constant) return {};
  const Ints times = graph.tensor(node.inputs[1]).integers;
  Replacement nodes(graph, node);
  std::string result = node.inputs[0];
  for (size_t axis = 0; axis < times.size(); ++axis) {
    if (times[axis] > 1) result = repeat(nodes, result, static_cast<int64_t>(axis), times[axis]);
  }
  if (result == node.inputs[0]) nodes.add("Identity", {result});
  return nodes.finish();
}

Nodes rewrite_expand(Graph& graph, const Node& node) {
  const Shape &from = graph.tensor(node.inputs[0]).shape, &to = graph.tensor(node.outputs[0]).shape;
  Replacement nodes(graph, node);
  std::string result = node.inputs[0];
  if (from.size() < to.size()) {
    Shape wider(to.size() - from.size(), 1);
    wider.insert(wider.end(), from.begin(), from.end());
    result = nodes.add("Reshape", {result, nodes.constant("shape", wider)});
  }
  for (size_t axis = 0; axis < to.size(); ++axis) {
    const size_t missing = to.size() - from.size();
    const int64_t size = axis < missing ? 1 : from[axis - missing];
    if (size != to[axis]) result = repeat(nodes, result, static_cast<int64_t>(axis), to[axis]);
  }
  if (result == node.inputs[0]) nodes.add("Identity", {result});
  return nodes.finish();
}

}  // namespace shrike::operators
