#include "toolchain/import/onnx/write.h"

#include <algorithm>
#include <map>
#include <type_traits>

#include "toolchain/graph/activation.h"
#include "toolchain/import/onnx/proto.h"
#include "toolchain/support/error.h"

namespace shrike::graph {
namespace {

constexpr int64_t kOpset = 13, kIrVersion = 8;

// Operators that came after opset 13, or that are not ONNX's own (0).
int64_t opset_of(const std::string& op) {
  static const std::map<std::string, int64_t> later = {{"HardSwish", 14},
                                                       {"BatchNormalization", 13},
                                                       {"LayerNormalization", 17},
                                                       {"Mish", 18},
                                                       {"Gelu", 20},
                                                       {"RequantizeLinear", 0},
                                                       {"QuantizeLinear", 0},
                                                       {"DequantizeLinear", 0},
                                                       {"RMSNormalization", 23},
                                                       {"InsertZeros", 0}};
  const auto found = later.find(op);
  return found == later.end() ? kOpset : found->second;
}

void describe(const Tensor& tensor, onnx::ValueInfoProto& info) {
  info.set_name(tensor.name);
  auto* type = info.mutable_type()->mutable_tensor_type();
  type->set_elem_type(tensor.type == ElementType::kFloat ? onnx::TensorProto::FLOAT
                                                         : onnx::TensorProto::INT64);
  auto* shape = type->mutable_shape();
  for (const int64_t dim : tensor.shape) shape->add_dim()->set_dim_value(dim);
}

void write_attribute(const std::string& key, const Attribute& value, onnx::NodeProto& node) {
  onnx::AttributeProto& proto = *node.add_attribute();
  proto.set_name(key);
  std::visit(
      [&](const auto& held) {
        using Held = std::decay_t<decltype(held)>;
        if constexpr (std::is_same_v<Held, int64_t>) {
          proto.set_type(onnx::AttributeProto::INT);
          proto.set_i(held);
        } else if constexpr (std::is_same_v<Held, float>) {
          proto.set_type(onnx::AttributeProto::FLOAT);
          proto.set_f(held);
        } else if constexpr (std::is_same_v<Held, std::string>) {
          proto.set_type(onnx::AttributeProto::STRING);
          proto.set_s(held);
        } else if constexpr (std::is_same_v<Held, std::vector<int64_t>>) {
          proto.set_type(onnx::AttributeProto::INTS);
          for (const int64_t number : held) proto.add_ints(number);
        } else {
          proto.set_type(onnx::AttributeProto::FLOATS);
          for (const float number : held) proto.add_floats(number);
        }
      },
      value);
}

onnx::NodeProto& begin_node(onnx::GraphProto& graph, const std::string& name, const std::string& op) {
  onnx::NodeProto& node = *graph.add_node();
  node.set_name(name);
  node.set_op_type(op);
  return node;
}

void write_swish(const Graph& graph, const Node& node, onnx::GraphProto& target) {
  const std::string gate = graph.fresh_name(node.outputs[0] + "_sigmoid");
  onnx::NodeProto& sigmoid = begin_node(target, node.name + "/Sigmoid", "Sigmoid");
  sigmoid.add_input(node.inputs[0]);
  sigmoid.add_output(gate);
  onnx::NodeProto& product = begin_node(target, node.name, "Mul");
  product.add_input(node.inputs[0]);
  product.add_input(gate);
  product.add_output(node.outputs[0]);
}

void write_node(const Graph& graph, const Node& node, onnx::GraphProto& target) {
  if (node.attributes.contains(kInputScale))
    fail("node '{}' ({}): a rescaled activation can't be written as ONNX", node.name, node.op);
  if (node.op == "Swish") return write_swish(graph, node, target);
  onnx::NodeProto& proto = begin_node(target, node.name, node.op);
  for (const std::string& input : node.inputs) proto.add_input(input);
  for (const std::string& output : node.outputs) proto.add_output(output);
  for (const auto& [key, value] : node.attributes) write_attribute(key, value, proto);
}

void write_constant(const Tensor& tensor, onnx::GraphProto& target) {
  onnx::TensorProto& proto = *target.add_initializer();
  proto.set_name(tensor.name);
  for (const int64_t dim : tensor.shape) proto.add_dims(dim);
  if (tensor.type == ElementType::kFloat) {
    proto.set_data_type(onnx::TensorProto::FLOAT);
    proto.set_raw_data(tensor.values.data(), tensor.values.size() * sizeof(float));
  } else {
    proto.set_data_type(onnx::TensorProto::INT64);
    proto.set_raw_data(tensor.integers.data(), tensor.integers.size() * sizeof(int64_t));
  }
}

}  // namespace

std::string onnx_bytes(const Graph& graph) {
  onnx::ModelProto model;
  model.set_ir_version(kIrVersion);
  model.set_producer_name("shrike");
  onnx::GraphProto& target = *model.mutable_graph();
  target.set_name(graph.name.empty() ? "network" : graph.name);
  int64_t opset = kOpset;
  for (const Node& node : graph.nodes) {
    const int64_t needed = opset_of(node.op);
    if (needed == 0) {
      fail("node '{}' ({}): this operator is not one of ONNX's; write the float graph before it is quantised",
           node.name, node.op);
    }
    opset = std::max(opset, needed);
    write_node(graph, node, target);
  }
  model.add_opset_import()->set_version(opset);
  for (const std::string& name : graph.inputs) describe(graph.tensor(name), *target.add_input());
  for (const std::string& name : graph.outputs) describe(graph.tensor(name), *target.add_output());
  for (const auto& [name, tensor] : graph.tensors) {
    if (tensor.constant) write_constant(tensor, target);
  }
  for (const auto& [key, value] : graph.metadata) {
    onnx::StringStringEntryProto& entry = *model.add_metadata_props();
    entry.set_key(key);
    entry.set_value(value);
  }
  std::string bytes;
  if (!model.SerializeToString(&bytes)) fail("the network is too large for an ONNX file (2 GiB)");
  return bytes;
}

}  // namespace shrike::graph
