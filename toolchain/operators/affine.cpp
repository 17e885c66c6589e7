#include "toolchain/operators/affine.h"

#include <cmath>

namespace shrike::operators {
namespace {

// The values of a constant that has at most one axis longer than 1, and that one is the channel axis of
// `output`.
std::optional<std::vector<double>> per_channel(const graph::Tensor& constant, const graph::Shape& output) {
  if (!constant.constant || constant.type != graph::ElementType::kFloat || output.size() < 2)
    return std::nullopt;
  const auto channels = static_cast<size_t>(output[1]);
  if (constant.shape.size() > output.size()) return std::nullopt;
  if (constant.elements() == 1) return std::vector<double>(channels, constant.values[0]);
  const size_t lead = output.size() - constant.shape.size();
  for (size_t i = 0; i < constant.shape.size(); ++i) {
    if (constant.shape[i] != 1 && lead + i != 1) return std::nullopt;
  }
  if (constant.values.size() != channels) return std::nullopt;
  return std::vector<double>(constant.values.begin(), constant.values.end());
}

// The row, where the node is a line in its input `slot` as soon as the other input is constant.
const Operator* row_of_line(const graph::Node& node, size_t slot) {
  const Operator* row = find(node.op);
  const bool is_line = row != nullptr && row->with_constant != nullptr && node.inputs.size() == 2;
  return is_line && (slot == 0 || row->commutes) ? row : nullptr;
}

}  // namespace

std::optional<Affine> affine_of(const graph::Graph& graph, const graph::Node& node, const std::string& x) {
  if (is_batch_normalization(node)) {
    return node.inputs[0] == x && node.outputs.size() == 1 ? std::optional(batch_normalization(graph, node))
                                                           : std::nullopt;
  }
  const size_t slot = node.inputs[0] == x ? 0 : 1;
  const Operator* row = row_of_line(node, slot);
  if (row == nullptr) return std::nullopt;
  const graph::Shape& shape = graph.tensor(x).shape;
  const auto values = per_channel(graph.tensor(node.inputs[1 - slot]), shape);
  if (!values || graph.tensor(node.outputs[0]).shape != shape) return std::nullopt;
  Affine affine;
  for (const double value : *values) {
    const Line line = row->with_constant(value);
    if (!std::isfinite(line.scale)) return std::nullopt;
    affine.scale.push_back(line.scale);
    affine.shift.push_back(line.shift);
  }
  return affine;
}

std::optional<Line> line_of(const graph::Graph& graph, const graph::Node& node, size_t slot) {
  const Operator* row = row_of_line(node, slot);
  if (row == nullptr) return std::nullopt;
  const graph::Tensor& number = graph.tensor(node.inputs[1 - slot]);
  const bool is_number =
      number.constant && number.type == graph::ElementType::kFloat && number.elements() == 1;
  if (!is_number) return std::nullopt;
  return row->with_constant(number.values[0]);
}

}  // namespace shrike::operators
