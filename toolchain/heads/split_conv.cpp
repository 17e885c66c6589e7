#include "toolchain/heads/split_conv.h"

#include "toolchain/graph/edit.h"
#include "toolchain/support/error.h"

namespace shrike::heads {
namespace {

std::string chosen_rows(graph::Graph& graph, const std::string& constant, const std::vector<int64_t>& rows) {
  const graph::Tensor& all = graph.tensor(constant);
  graph::Shape shape = all.shape;
  const int64_t row = all.elements() / shape[0];
  shape[0] = static_cast<int64_t>(rows.size());
  std::vector<float> values;
  for (const int64_t r : rows) {
    values.insert(values.end(), all.values.begin() + r * row, all.values.begin() + (r + 1) * row);
  }
  return graph::add_constant(graph, constant, shape, std::move(values));
}

}  // namespace

std::vector<std::string> split_conv(graph::Graph& graph, const std::string& tensor,
                                    const std::vector<std::vector<int64_t>>& channels) {
  const int index = graph.producer(tensor);
  const graph::Node whole = graph.nodes[static_cast<size_t>(index)];
  for (size_t i = 1; i < whole.inputs.size(); ++i) {
    if (!graph.tensor(whole.inputs[i]).constant || graph.tensor(whole.inputs[i]).values.empty()) return {};
  }
  if (whole.integer("group", 1) != 1) return {};
  std::vector<std::string> results;
  std::vector<graph::Node> parts;
  for (const std::vector<int64_t>& rows : channels) {
    graph::Node part = whole;
    part.name = graph.fresh_name(fmt::format("{}_part{}", whole.name, parts.size()));
    for (size_t i = 1; i < part.inputs.size(); ++i) part.inputs[i] = chosen_rows(graph, part.inputs[i], rows);
    part.outputs[0] = graph::add_variable(graph, tensor, fmt::format("{}_part{}", tensor, parts.size()));
    if (graph.tensor(part.outputs[0]).shape.size() == 4) {
      graph.tensor(part.outputs[0]).shape[1] = static_cast<int64_t>(rows.size());
    }
    results.push_back(part.outputs[0]);
    parts.push_back(std::move(part));
  }
  graph.nodes.insert(graph.nodes.begin() + index + 1, parts.begin(), parts.end());
  return results;
}

}  // namespace shrike::heads
