#include "toolchain/operators/operator.h"

#include <map>

#include "toolchain/graph/activation.h"

namespace shrike::operators {
namespace {

struct Table {
  std::map<std::string, Operator> rows;
  std::vector<const Operator*> list;

  Table() {
    for (auto family : {activation_rows, arithmetic_rows, weighted_rows, window_rows, mover_rows, join_rows,
                        reduction_rows, host_rows}) {
      for (Operator& row : family()) rows.emplace(row.name, std::move(row));
    }
    for (const auto& [name, row] : rows) list.push_back(&row);
  }
};

const Table& table() {
  static const Table kTable;
  return kTable;
}

// Whatever the function reads besides x is one constant number each.
bool is_function_of_one(const graph::Graph& graph, const graph::Node& node) {
  for (size_t i = 1; i < node.inputs.size(); ++i) {
    if (node.inputs[i].empty()) continue;
    const graph::Tensor& constant = graph.tensor(node.inputs[i]);
    if (!constant.constant || constant.elements() != 1) return false;
  }
  return true;
}

bool carries_scale(const graph::Node& node) {
  return node.attributes.contains(graph::kInputScale);
}

}  // namespace

const Operator* find(const std::string& op) {
  const auto found = table().rows.find(op);
  return found == table().rows.end() ? nullptr : &found->second;
}

const std::vector<const Operator*>& all() {
  return table().list;
}

bool has_role(const std::string& op, Role role) {
  const Operator* row = find(op);
  return row != nullptr && row->role == role;
}

bool is_convolution(const graph::Node& node) {
  const Operator* row = find(node.op);
  return row != nullptr && row->role == Role::kWeighted && row->layout == Layout::kChannelsLast &&
         output_channel_axis(node) == 0;
}

bool is_weighted(const graph::Graph& graph, const graph::Node& node) {
  const Operator* row = find(node.op);
  if (row == nullptr) return false;
  return row->role == Role::kWeighted ||
         (row->role == Role::kMatrix && graph.tensor(node.inputs[1]).constant);
}

Operand operand(const graph::Graph& graph, const graph::Node& node, size_t index) {
  const Operator* row = find(node.op);
  if (row == nullptr || graph.tensor(node.inputs[index]).type == graph::ElementType::kInt64)
    return Operand::kPlain;
  return row->operands[std::min(index, row->operands.size() - 1)];
}

bool is_quantized_constant(const graph::Graph& graph, const graph::Node& node, size_t index) {
  if (node.inputs[index].empty() || !graph.tensor(node.inputs[index]).constant) return false;
  if (index == 1 && has_role(node.op, Role::kMatrix)) return false;  // its filter
  const Operator* row = find(node.op);
  if (row != nullptr && row->role == Role::kFloatResult) return false;
  return operand(graph, node, index) == Operand::kData;
}

bool is_function(const graph::Graph& graph, const graph::Node& node) {
  return is_table(node.op) && is_function_of_one(graph, node);
}

bool is_written_as_table(const graph::Graph& graph, const graph::Node& node, int bits) {
  if (!is_function(graph, node)) return false;
  return bits == 8 || (bits == 16 && (find(node.op)->table16 != Table16::kNone || carries_scale(node)));
}

bool takes_scale(const graph::Graph& graph, const graph::Node& node, int bits) {
  if (!is_written_as_table(graph, node, bits)) return false;
  const Operator& row = *find(node.op);
  return !row.homogeneous && row.formula_on_grid == nullptr;
}

std::string runtime_operator(const Operator& row, int bits) {
  if (bits == 16 && row.role == Role::kTable && row.table16 != Table16::kNone) return "LUT";
  return row.becomes != nullptr ? row.becomes : row.name;
}

}  // namespace shrike::operators
