#include <algorithm>

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

Nodes rewrite_pad(Graph& graph, const Node& node) {
  if (node.inputs.size() < 2 || node.inputs.size() > 3 || !graph.tensor(node.inputs[1]).constant) return {};
  const Shape shape = graph.tensor(node.inputs[0]).shape;
  const size_t rank = shape.size();
  Ints pads = graph.tensor(node.inputs[1]).integers;
  const bool cuts = std::any_of(pads.begin(), pads.end(), [](int64_t amount) { return amount < 0; });
  const bool wraps = node.text("mode", "constant") == "wrap";
  if (!cuts && !wraps) return {};
  Replacement nodes(graph, node);
  std::string result = node.inputs[0];
  const auto part = [&](const std::string& of, size_t axis, int64_t from, int64_t to) {
    return nodes.add("Slice", {of, nodes.constant("starts", Ints{from}), nodes.constant("ends", Ints{to}),
                               nodes.constant("axes", Ints{static_cast<int64_t>(axis)})});
  };
  for (size_t axis = 0; axis < rank; ++axis) {
    int64_t &before = pads[axis], &after = pads[rank + axis], size = shape[axis];
    if (wraps && (before > size || after > size)) return {};
    if (wraps && (before > 0 || after > 0)) {
      std::vector<std::string> parts = {result};
      if (before > 0) parts.insert(parts.begin(), part(result, axis, size - before, size));
      if (after > 0) parts.push_back(part(result, axis, 0, after));
      result = nodes.add("Concat", parts, {{"axis", static_cast<int64_t>(axis)}});
      size += std::max<int64_t>(0, before) + std::max<int64_t>(0, after);
      before = std::min<int64_t>(0, before);
      after = std::min<int64_t>(0, after);
    }
    if (before >= 0 && after >= 0) continue;
    const int64_t front = std::max<int64_t>(0, -before), back = std::max<int64_t>(0, -after);
    if (size - front - back < 1) return {};
    result = part(result, axis, front, size - back);
    before = std::max<int64_t>(0, before);
    after = std::max<int64_t>(0, after);
  }
  if (std::any_of(pads.begin(), pads.end(), [](int64_t amount) { return amount > 0; })) {
    std::vector<std::string> inputs = node.inputs;
    inputs[0] = result;
    inputs[1] = nodes.constant("pads", pads);
    nodes.add("Pad", inputs, node.attributes);
  }
  if (result == node.inputs[0]) nodes.add("Identity", {result});
  return nodes.finish();
}

Nodes rewrite_softmax(Graph& graph, const Node& node) {
  if (node.integer("flattens", 0) == 0) return {};
  const Shape shape = graph.tensor(node.inputs[0]).shape;
  const auto axis = shape.begin() + node.integer("axis", 0);
  Replacement nodes(graph, node);
  const Shape rows = {graph::element_count(Shape(shape.begin(), axis)),
                      graph::element_count(Shape(axis, shape.end()))};
  const std::string flat = nodes.add("Reshape", {node.inputs[0], nodes.constant("rows", rows)});
  const std::string result = nodes.add(node.op, {flat}, {{"axis", int64_t{1}}});
  nodes.add("Reshape", {result, nodes.constant("shape", shape)});
  return nodes.finish();
}

}  // namespace shrike::operators
