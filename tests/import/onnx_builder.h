// Small ONNX models for tests, written as a list of nodes.
#pragma once
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "toolchain/graph/passes.h"
#include "toolchain/import/onnx/import.h"
#include "toolchain/import/onnx/proto.h"
#include "toolchain/support/error.h"

namespace shrike::tests {

using Ints = std::vector<int64_t>;
using Floats = std::vector<float>;

struct Attribute {
  std::string name;
  std::variant<int64_t, float, std::string, Ints, Floats> value;
};

class OnnxBuilder {
 public:
  explicit OnnxBuilder(int64_t opset = 13) {
    model.set_ir_version(8);
    model.mutable_graph()->set_name("test");
    model.add_opset_import()->set_version(opset);
  }

  // A dimension of -1 is left open, as exporters do for dynamic axes.
  OnnxBuilder& input(const std::string& name, const Ints& shape) {
    auto* info = model.mutable_graph()->add_input();
    info->set_name(name);
    auto* type = info->mutable_type()->mutable_tensor_type();
    type->set_elem_type(onnx::TensorProto::FLOAT);
    for (const int64_t dim : shape) {
      auto* added = type->mutable_shape()->add_dim();
      if (dim < 0) added->set_dim_param("dynamic");
      if (dim >= 0) added->set_dim_value(dim);
    }
    return *this;
  }

  OnnxBuilder& output(const std::string& name) {
    model.mutable_graph()->add_output()->set_name(name);
    return *this;
  }

  onnx::TensorProto& initializer(const std::string& name, int type, const Ints& shape) {
    auto* tensor = model.mutable_graph()->add_initializer();
    tensor->set_name(name);
    tensor->set_data_type(type);
    for (const int64_t dim : shape) tensor->add_dims(dim);
    return *tensor;
  }

  OnnxBuilder& floats(const std::string& name, const Ints& shape, const Floats& values) {
    auto& tensor = initializer(name, onnx::TensorProto::FLOAT, shape);
    for (const float value : values) tensor.add_float_data(value);
    return *this;
  }

  OnnxBuilder& filled(const std::string& name, const Ints& shape, float value) {
    int64_t count = 1;
    for (const int64_t dim : shape) count *= dim;
    return floats(name, shape, Floats(static_cast<size_t>(count), value));
  }

  OnnxBuilder& integers(const std::string& name, const Ints& values) {
    auto& tensor = initializer(name, onnx::TensorProto::INT64, {static_cast<int64_t>(values.size())});
    for (const int64_t value : values) tensor.add_int64_data(value);
    return *this;
  }

  // Named after its first output, "n_<output>".
  OnnxBuilder& node(const std::string& op, const std::vector<std::string>& inputs,
                    const std::vector<std::string>& outputs, const std::vector<Attribute>& attributes = {}) {
    auto* added = model.mutable_graph()->add_node();
    added->set_op_type(op);
    added->set_name("n_" + outputs.at(0));
    for (const auto& name : inputs) added->add_input(name);
    for (const auto& name : outputs) added->add_output(name);
    for (const Attribute& attribute : attributes) set(*added->add_attribute(), attribute);
    return *this;
  }

  // A 1x1 convolution with all weights 0.5 and a bias of zeros.
  OnnxBuilder& conv(const std::string& x, int64_t in, int64_t out, const std::string& y, int64_t stride = 1) {
    filled(y + ".weight", {out, in, 1, 1}, 0.5f);
    filled(y + ".bias", {out}, 0.0f);
    return node("Conv", {x, y + ".weight", y + ".bias"}, {y}, {{"strides", Ints{stride, stride}}});
  }

  std::string bytes() const { return model.SerializeAsString(); }
  graph::Graph graph() const { return graph::import_onnx_bytes(bytes(), "test.onnx"); }

  onnx::ModelProto model;

 private:
  static void set(onnx::AttributeProto& proto, const Attribute& attribute) {
    proto.set_name(attribute.name);
    if (const auto* i = std::get_if<int64_t>(&attribute.value)) {
      proto.set_type(onnx::AttributeProto::INT);
      proto.set_i(*i);
    } else if (const auto* f = std::get_if<float>(&attribute.value)) {
      proto.set_type(onnx::AttributeProto::FLOAT);
      proto.set_f(*f);
    } else if (const auto* s = std::get_if<std::string>(&attribute.value)) {
      proto.set_type(onnx::AttributeProto::STRING);
      proto.set_s(*s);
    } else if (const auto* ints = std::get_if<Ints>(&attribute.value)) {
      proto.set_type(onnx::AttributeProto::INTS);
      for (const int64_t value : *ints) proto.add_ints(value);
    } else {
      proto.set_type(onnx::AttributeProto::FLOATS);
      for (const float value : std::get<Floats>(attribute.value)) proto.add_floats(value);
    }
  }
};

// A float initializer whose data lie in the file `location`.
inline onnx::TensorProto external_tensor(const std::string& name, const Ints& shape,
                                         const std::string& location) {
  onnx::TensorProto tensor;
  tensor.set_name(name);
  tensor.set_data_type(onnx::TensorProto::FLOAT);
  for (const int64_t dim : shape) tensor.add_dims(dim);
  tensor.set_data_location(onnx::TensorProto::EXTERNAL);
  auto* entry = tensor.add_external_data();
  entry->set_key("location");
  entry->set_value(location);
  return tensor;
}

// The sentence with which `work` fails; a test failure when it does not.
template <typename Work>
std::string error_of(Work work) {
  try {
    work();
  } catch (const Error& error) {
    return error.what();
  }
  ADD_FAILURE() << "an Error was expected";
  return "";
}

inline int count_op(const graph::Graph& graph, const std::string& op) {
  int count = 0;
  for (const graph::Node& node : graph.nodes) count += node.op == op ? 1 : 0;
  return count;
}

}  // namespace shrike::tests
