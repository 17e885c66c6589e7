#include "toolchain/integer/stored.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <set>
#include <sstream>

#include "toolchain/host/tensors.h"

namespace shrike::quantize {
namespace {

using espdl::Dims;
using espdl::Permutation;

// Operators that work on images and leave channels last, whatever came in.
const std::set<std::string> kSpatial = {"Conv",        "ConvTranspose",     "MaxPool",
                                        "AveragePool", "GlobalAveragePool", "GlobalMaxPool",
                                        "Resize",      "DepthToSpace",      "SpaceToDepth"};
// Operators whose result is stored as ONNX orders it.
const std::set<std::string> kLogical = {"Reshape", "Flatten", "Squeeze", "Unsqueeze",
                                        "MatMul",  "Gemm",    "Gather",  "ReverseSequence"};

Dims dims_of(const Shape& shape) {
  return {shape.dims, shape.dims + shape.rank};
}

bool is_permutation(Permutation axes) {
  std::sort(axes.begin(), axes.end());
  return espdl::is_identity(axes);
}

// The attribute `perm` of a Transpose; without it the axes are reversed. Empty when it is no permutation.
Permutation transpose_perm(const host::IntegerModel& file, int32_t node, size_t rank) {
  const std::vector<int64_t> stored = file.node_integers(node, "perm");
  Permutation perm(stored.begin(), stored.end());
  if (perm.empty()) {
    perm = espdl::identity_order(rank);
    std::reverse(perm.begin(), perm.end());
  }
  return perm.size() == rank && is_permutation(perm) ? perm : Permutation{};
}

// Of a name what no file says, and no permutation, counts for nothing.
std::map<std::string, Permutation> noted_orders(const host::IntegerModel& file) {
  std::map<std::string, Permutation> orders;
  std::istringstream lines(host::to_string(file.model().metadata(kOrdersKey)));
  for (std::string line; std::getline(lines, line);) {
    const size_t space = line.find(' ');
    if (space == std::string::npos) continue;
    Permutation order;
    std::istringstream axes(line.substr(0, space));
    for (std::string axis; std::getline(axes, axis, ',');)
      order.push_back(axis.size() == 1 ? axis[0] - '0' : -1);
    if (is_permutation(order)) orders[line.substr(space + 1)] = order;
  }
  return orders;
}

class Walk {
 public:
  Walk(const host::IntegerModel& file, const graph::Graph& graph)
      : file_(file), graph_(graph), links_(graph), noted_(noted_orders(file)) {
    const InspectableModel& model = file.model();
    for (int32_t i = 0; i < model.variable_count(); ++i)
      variables_.emplace(host::to_string(model.variable(i).name), StoredVariable{});
    for (int32_t i = 0; i < model.input_count(); ++i) {
      const TensorView view = model.input(i);
      const size_t rank = static_cast<size_t>(view.shape.rank);
      settle(view, {espdl::channels_last(rank), espdl::identity_order(rank)}, host::to_string(view.name));
    }
    for (int32_t node = 0; node < model.node_count(); ++node) visit(node);
  }

  StoredVariables take() { return std::move(variables_); }

 private:
  void visit(int32_t node) {
    const InspectableModel& model = file_.model();
    const std::string op = host::to_string(model.node_type(node));
    for (int32_t i = 0; i < model.node_output_count(node); ++i) {
      const TensorView output = model.node_output(node, i);
      const std::string name = host::to_string(output.name);
      if (!variables_.contains(name)) continue;
      variables_.at(name).producer = node;
      remember_joined(node, op, name);
      std::vector<Permutation> orders = candidates(node, op, output);
      if (op != "Transpose") {
        for (Permutation& order : orders) order = behind_transposes(name, std::move(order));
      }
      settle(output, orders, logical_name(node, op, name));
    }
  }

  const StoredVariable* variable_input(int32_t node, int32_t index) const {
    const auto found = variables_.find(host::to_string(file_.model().node_input(node, index).name));
    return found == variables_.end() ? nullptr : &found->second;
  }

  // Requantisation and changes of order hold the tensor that their input holds.
  std::string logical_name(int32_t node, const std::string& op, const std::string& name) const {
    if (graph_.tensors.contains(name)) return name;
    if (!is_requantization(op) && op != "Transpose") return "";
    const StoredVariable* input = variable_input(node, 0);
    return input == nullptr ? "" : input->logical;
  }

  // Orders that the output may have, the most likely first.
  std::vector<Permutation> candidates(int32_t node, const std::string& op, const TensorView& output) const {
    const size_t rank = static_cast<size_t>(output.shape.rank);
    if (kSpatial.contains(op)) return {espdl::channels_last(rank)};
    if (op == "Transpose") return {transposed_order(node, host::to_string(output.name), rank)};
    const bool in_graph = graph_.tensors.contains(host::to_string(output.name));
    if (kLogical.contains(op)) {
      // A Reshape that the graph does not know moves no byte, but says nothing about the order either.
      if (!in_graph) return {};
      std::vector<Permutation> orders = {espdl::identity_order(rank)};
      const auto joined = joined_.find(host::to_string(file_.model().node_input(node, 0).name));
      if (joined != joined_.end() && !is_logical_in_graph(host::to_string(output.name)))
        orders.insert(orders.begin(), joined->second);
      return orders;
    }
    std::vector<Permutation> orders;
    for (int32_t i = 0; i < file_.model().node_input_count(node); ++i) {
      const StoredVariable* input = variable_input(node, i);
      if (input != nullptr && input->order.size() == rank && rank > 0) orders.push_back(input->order);
    }
    if (in_graph) {
      orders.push_back(espdl::channels_last(rank));
      orders.push_back(espdl::identity_order(rank));
    }
    return orders;
  }

  // Axes are joined for one node and taken apart behind it (a Pad of height and width): what comes out has
  // the order that went in.
  void remember_joined(int32_t node, const std::string& op, const std::string& output) {
    if (graph_.tensors.contains(output)) return;
    const std::string input = host::to_string(file_.model().node_input(node, 0).name);
    const auto joined = joined_.find(input);
    if (joined != joined_.end()) {
      joined_[output] = joined->second;
    } else if (const auto from = variables_.find(input); op == "Reshape" && from != variables_.end()) {
      joined_[output] = from->second.order;
    }
  }

  bool is_logical_in_graph(const std::string& tensor) const {
    const auto producer = links_.producer.find(tensor);
    return producer == links_.producer.end() || producer->second < 0 ||
           kLogical.contains(graph_.nodes[static_cast<size_t>(producer->second)].op);
  }

  Permutation transposed_order(int32_t node, const std::string& output, size_t rank) const {
    const StoredVariable* input = variable_input(node, 0);
    const Permutation perm = transpose_perm(file_, node, rank);
    if (input == nullptr || input->order.size() != rank || perm.size() != rank) return {};
    // Stored axis i of the output is logical axis moved[i] of the input.
    Permutation moved;
    for (const int axis : perm) moved.push_back(input->order[static_cast<size_t>(axis)]);
    const auto producer = links_.producer.find(output);
    if (producer == links_.producer.end() || producer->second < 0) return moved;
    const graph::Node& transposition = graph_.nodes[static_cast<size_t>(producer->second)];
    // Transposes that met were merged: what is left gives the logical order.
    if (transposition.op != "Transpose" || transposition.inputs[0] != input->logical)
      return espdl::identity_order(rank);
    return behind_transpose(transposition, moved);
  }

  // The order of what a Transpose of the graph gives, when no byte of what it reads, stored in `order`,
  // moves.
  static Permutation behind_transpose(const graph::Node& transposition, const Permutation& order) {
    Permutation logical;
    for (const int64_t axis : transposition.integers("perm")) logical.push_back(static_cast<int>(axis));
    if (logical.empty()) {
      logical = espdl::identity_order(order.size());
      std::reverse(logical.begin(), logical.end());
    }
    Permutation behind;
    for (const int axis : order) behind.push_back(espdl::position_of(logical, axis));
    return behind;
  }

  // A node of the file may give what Transposes behind it give in the graph: what they read is in no variable
  // then. `order` is the node's own result's.
  Permutation behind_transposes(const std::string& tensor, Permutation order) const {
    std::vector<const graph::Node*> transposes;  // the last one first
    std::string made = tensor;
    for (;;) {
      const auto producer = links_.producer.find(made);
      if (producer == links_.producer.end() || producer->second < 0) break;
      const graph::Node& node = graph_.nodes[static_cast<size_t>(producer->second)];
      if (node.op != "Transpose" || variables_.contains(node.inputs[0])) break;
      transposes.push_back(&node);
      made = node.inputs[0];
    }
    if (transposes.empty() || order.size() != graph_.tensor(tensor).shape.size()) return order;
    std::reverse(transposes.begin(), transposes.end());
    for (const graph::Node* transposition : transposes) order = behind_transpose(*transposition, order);
    return order;
  }

  void settle(const TensorView& view, const std::vector<Permutation>& orders, const std::string& logical) {
    const auto found = variables_.find(host::to_string(view.name));
    if (found == variables_.end()) return;
    StoredVariable& variable = found->second;
    const auto tensor = graph_.tensors.find(logical);
    const bool has_values =
        view.type == DataType::kInt8 || view.type == DataType::kInt16 || view.type == DataType::kFloat32;
    if (tensor == graph_.tensors.end() || !has_values) {
      if (!orders.empty()) variable.order = orders[0];
      return;
    }
    variable.logical = logical;
    const auto take_over = [&](const Permutation& order) {
      const bool fits = order.size() == tensor->second.shape.size() &&
                        espdl::permuted(tensor->second.shape, order) == dims_of(view.shape);
      if (fits) variable.order = order;
      return fits;
    };
    if (const auto noted = noted_.find(found->first); noted != noted_.end() && take_over(noted->second))
      return;
    for (const Permutation& order : orders) {
      if (take_over(order)) return;
    }
  }

  const host::IntegerModel& file_;
  const graph::Graph& graph_;
  graph::Links links_;
  std::map<std::string, Permutation> noted_;
  StoredVariables variables_;
  std::map<std::string, Permutation>
      joined_;  // of variables that the graph does not know, before the Reshape
};

}  // namespace

bool is_requantization(const std::string& op) {
  return op == "RequantizeLinear" || op == "QuantizeLinear";
}

StoredVariables stored_variables(const espdl::Program& program) {
  StoredVariables variables;
  for (const espdl::StoredValue& value : program.values) {
    StoredVariable variable;
    variable.logical = value.name;
    variable.order = value.permutation;
    variables[value.name] = std::move(variable);
  }
  for (size_t node = 0; node < program.nodes.size(); ++node) {
    for (const std::string& output : program.nodes[node].outputs) {
      if (const auto made = variables.find(output); made != variables.end())
        made->second.producer = static_cast<int32_t>(node);
    }
  }
  for (const espdl::HeldValue& held : program.held)
    variables[held.name] = {variables.at(held.holder).producer, held.name, held.permutation, held.holder};
  return variables;
}

StoredVariables stored_variables(const host::IntegerModel& file, const graph::Graph& graph) {
  return Walk(file, graph).take();
}

void note_orders(espdl::Program& program, const graph::Graph& graph) {
  program.metadata.erase(kOrdersKey);
  const auto file = host::IntegerModel::from_bytes(espdl::serialize(program), "the new file", {});
  const StoredVariables found = Walk(file, graph).take();
  std::string lines;
  for (const auto& [name, told] : stored_variables(program)) {
    const auto variable = found.find(name);
    if (variable == found.end() || !graph.tensors.contains(name) || variable->second.order == told.order)
      continue;
    lines += fmt::format("{} {}\n", fmt::join(told.order, ","), name);
  }
  if (!lines.empty()) program.metadata[kOrdersKey] = lines;
}

Permutation order_of_alike_dims(const host::IntegerModel& file, const TensorView& input) {
  const Dims dims = dims_of(input.shape);
  const Permutation usual = espdl::channels_last(dims.size());
  if (espdl::is_identity(usual) || espdl::permuted(dims, usual) != dims) return {};
  const std::map<std::string, Permutation> noted = noted_orders(file);
  const auto order = noted.find(host::to_string(input.name));
  return order != noted.end() && order->second.size() == dims.size() ? order->second : usual;
}

}  // namespace shrike::quantize
