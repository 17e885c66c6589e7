#include "toolchain/import/onnx/import.h"

#include <google/protobuf/stubs/logging.h>

#include <algorithm>
#include <limits>
#include <set>
#include <utility>

#include "toolchain/graph/edit.h"
#include "toolchain/graph/passes.h"
#include "toolchain/graph/topological_sort.h"
#include "toolchain/import/onnx/normalize.h"
#include "toolchain/import/onnx/tensor.h"
#include "toolchain/support/error.h"
#include "toolchain/support/files.h"

namespace shrike::graph {
namespace {

using onnx::AttributeProto;

constexpr int64_t kOldestOpset = 11;
constexpr int64_t kNewestOpset = 20;

bool is_utf8(const std::string& text) {
  for (size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    const int extra = lead < 0x80   ? 0
                      : lead < 0xc2 ? -1
                      : lead < 0xe0 ? 1
                      : lead < 0xf0 ? 2
                      : lead < 0xf5 ? 3
                                    : -1;
    if (extra < 0 || i + static_cast<size_t>(extra) >= text.size()) return false;
    for (int k = 1; k <= extra; ++k) {
      if ((static_cast<unsigned char>(text[i + static_cast<size_t>(k)]) & 0xc0) != 0x80) return false;
    }
    i += 1 + static_cast<size_t>(extra);
  }
  return true;
}

// Names end up in messages, JSON and the model file: they must be UTF-8 without control characters.
bool is_printable(const std::string& text) {
  const auto is_control = [](unsigned char byte) { return byte < 0x20 || byte == 0x7f; };
  return is_utf8(text) && std::none_of(text.begin(), text.end(), is_control);
}

class Importer {
 public:
  Importer(const onnx::ModelProto& model, const std::string& file) : model_(model), file_(file) {}

  Graph run() {
    if (!model_.has_graph() || model_.graph().node_size() == 0) {
      fail("{}: an ONNX model was expected, found no graph with nodes in it; export the model again", file_);
    }
    opset_ = read_opset();
    graph_.name = printable(model_.graph().name(), "the graph's name");
    for (const auto& entry : model_.metadata_props()) {
      if (!is_utf8(entry.value()))
        fail("{}: metadata were expected to be UTF-8 text; the file is damaged", file_);
      graph_.metadata[printable(entry.key(), "a metadata key")] = entry.value();
    }
    read_initializers();
    read_inputs();
    for (const auto& proto : model_.graph().node()) read_node(proto);
    read_outputs();
    reject_undefined();
    for (Node& node : graph_.nodes) normalize_node(graph_, node, opset_);
    sort_topologically(graph_, file_);
    split_shared_constants(graph_);
    check(graph_);
    return std::move(graph_);
  }

 private:
  const std::string& printable(const std::string& text, const char* what) const {
    if (is_printable(text)) return text;
    fail("{}: printable UTF-8 was expected for {}, found other bytes; the file is damaged", file_, what);
  }

  int64_t read_opset() const {
    for (const auto& entry : model_.opset_import()) {
      if (!entry.domain().empty() && entry.domain() != "ai.onnx") continue;
      if (entry.version() >= kOldestOpset && entry.version() <= kNewestOpset) return entry.version();
      fail("{}: opset {} to {} was expected, found {}; export the model with opset 13", file_, kOldestOpset,
           kNewestOpset, entry.version());
    }
    fail("{}: the ONNX opset version is missing; the file is damaged or incomplete", file_);
  }

  Tensor& define(const std::string& name, const char* what) {
    printable(name, what);
    if (!defined_.insert(name).second) {
      fail("{}: the tensor '{}' is defined twice; export the model again", file_, name);
    }
    Tensor& tensor = graph_.tensors[name];
    tensor.name = name;
    return tensor;
  }

  void read_initializers() {
    if (model_.graph().sparse_initializer_size() > 0) {
      fail("{}: sparse initializers are not supported; export the model with dense weights", file_);
    }
    for (const auto& proto : model_.graph().initializer()) {
      if (proto.name().empty()) fail("{}: an initializer has no name; the file is damaged", file_);
      Tensor& tensor = define(proto.name(), "an initializer's name");
      tensor = read_tensor(proto, fmt::format("{}: initializer '{}'", file_, proto.name()));
    }
  }

  void read_inputs() {
    for (const auto& info : model_.graph().input()) {
      if (info.name().empty()) fail("{}: a graph input has no name; the file is damaged", file_);
      // Before IR version 4 initializers were listed among the inputs.
      const auto initializer = graph_.tensors.find(info.name());
      if (initializer != graph_.tensors.end() && initializer->second.constant) continue;
      Tensor& tensor = define(info.name(), "an input's name");
      if (!info.type().has_tensor_type() || !info.type().tensor_type().has_shape()) {
        fail(
            "{}: input '{}' was expected to be a tensor with a shape; export the model with a fixed input "
            "size",
            file_, info.name());
      }
      const auto& type = info.type().tensor_type();
      tensor.type = input_type(type.elem_type(), info.name());
      for (const auto& dim : type.shape().dim()) tensor.shape.push_back(read_dim(dim, info.name()));
      // One image at a time on the device; an unknown batch is a batch of one.
      if (!tensor.shape.empty() && tensor.shape[0] == kUnknownDim) tensor.shape[0] = 1;
      graph_.inputs.push_back(info.name());
    }
    if (graph_.inputs.empty()) fail("{}: at least one graph input was expected, found none", file_);
  }

  ElementType input_type(int type, const std::string& name) const {
    using onnx::TensorProto;
    switch (type) {
      case TensorProto::FLOAT:
      case TensorProto::FLOAT16:
      case TensorProto::DOUBLE:
      case TensorProto::BFLOAT16:
        return ElementType::kFloat;
      case TensorProto::INT64:
      case TensorProto::INT32:
      case TensorProto::BOOL:
        return ElementType::kInt64;
      default:
        fail("{}: input '{}' was expected to hold floats, found {}; export the model with a float input",
             file_, name, element_type_name(type));
    }
  }

  int64_t read_dim(const onnx::TensorShapeProto_Dimension& dim, const std::string& name) const {
    if (!dim.has_dim_value()) return kUnknownDim;
    if (dim.dim_value() == 0 || dim.dim_value() == -1) return kUnknownDim;
    if (dim.dim_value() < 0 || dim.dim_value() > std::numeric_limits<int32_t>::max()) {
      fail("{}: input '{}' was expected to have positive sizes, found {}; the file is damaged", file_, name,
           dim.dim_value());
    }
    return dim.dim_value();
  }

  void read_outputs() {
    for (const auto& info : model_.graph().output()) {
      if (defined_.count(info.name()) == 0) {
        fail("{}: graph output '{}' is made by no node; export the model again", file_, info.name());
      }
      graph_.outputs.push_back(info.name());
    }
    if (graph_.outputs.empty()) fail("{}: at least one graph output was expected, found none", file_);
  }

  std::string node_name(const onnx::NodeProto& proto, int index) {
    std::string name = proto.name();
    if (name.empty()) name = fmt::format("{}_{}", proto.op_type(), index);
    std::string unique = printable(name, "a node's name");
    for (int i = 1; !node_names_.insert(unique).second; ++i) unique = fmt::format("{}_{}", name, i);
    return unique;
  }

  void read_node(const onnx::NodeProto& proto) {
    Node node;
    node.op = printable(proto.op_type(), "an operator's name");
    node.name = node_name(proto, index_++);
    if (!proto.domain().empty() && proto.domain() != "ai.onnx") {
      fail(
          "{}: node '{}' is an operator of the domain '{}', only standard ONNX operators are supported; "
          "export "
          "the model without custom operators",
          file_, node.name, printable(proto.domain(), "an operator's domain"));
    }
    if (node.op == "Constant") return read_constant(proto, node.name);
    for (const std::string& input : proto.input()) node.inputs.push_back(printable(input, "a tensor's name"));
    while (!node.inputs.empty() && node.inputs.back().empty()) node.inputs.pop_back();
    if (proto.output_size() == 0) fail("{}: node '{}' ({}) makes no output", file_, node.name, node.op);
    for (const std::string& output : proto.output()) {
      if (!output.empty()) define(output, "a tensor's name");
      node.outputs.push_back(output);
    }
    while (!node.outputs.empty() && node.outputs.back().empty()) node.outputs.pop_back();
    if (node.outputs.empty()) fail("{}: node '{}' ({}) makes no output", file_, node.name, node.op);
    for (const auto& attribute : proto.attribute()) read_attribute(node, attribute);
    graph_.nodes.push_back(std::move(node));
  }

  void read_constant(const onnx::NodeProto& proto, const std::string& name) {
    if (proto.output_size() != 1 || proto.attribute_size() != 1) {
      fail("{}: Constant node '{}' was expected to have one output and one value", file_, name);
    }
    Tensor& tensor = define(proto.output(0), "a tensor's name");
    tensor.constant = true;
    const AttributeProto& value = proto.attribute(0);
    if (value.name() == "value" && value.has_t()) {
      tensor = read_tensor(value.t(), fmt::format("{}: Constant node '{}'", file_, name));
      tensor.name = proto.output(0);
    } else if (value.name() == "value_float") {
      tensor.values = {value.f()};
    } else if (value.name() == "value_int") {
      tensor.type = ElementType::kInt64;
      tensor.integers = {value.i()};
    } else if (value.name() == "value_floats") {
      tensor.values.assign(value.floats().begin(), value.floats().end());
      tensor.shape = {value.floats_size()};
    } else if (value.name() == "value_ints") {
      tensor.type = ElementType::kInt64;
      tensor.integers.assign(value.ints().begin(), value.ints().end());
      tensor.shape = {value.ints_size()};
    } else {
      fail("{}: Constant node '{}' holds a '{}', a dense tensor was expected", file_, name,
           printable(value.name(), "an attribute's name"));
    }
  }

  void read_attribute(Node& node, const AttributeProto& proto) {
    const std::string& key = printable(proto.name(), "an attribute's name");
    switch (proto.type()) {
      case AttributeProto::INT:
        node.attributes[key] = int64_t{proto.i()};
        break;
      case AttributeProto::FLOAT:
        node.attributes[key] = proto.f();
        break;
      case AttributeProto::STRING:
        node.attributes[key] = printable(proto.s(), "an attribute's text");
        break;
      case AttributeProto::INTS:
        node.attributes[key] = std::vector<int64_t>(proto.ints().begin(), proto.ints().end());
        break;
      case AttributeProto::FLOATS:
        node.attributes[key] = std::vector<float>(proto.floats().begin(), proto.floats().end());
        break;
      case AttributeProto::TENSOR: {
        // Only ConstantOfShape has one (a single element); it is kept as a constant second input.
        Tensor tensor = read_tensor(proto.t(), fmt::format("{}: node '{}', '{}'", file_, node.name, key));
        const bool is_float = tensor.type == ElementType::kFloat;
        node.inputs.push_back(
            is_float ? add_constant(graph_, node.name + "/" + key, tensor.shape, tensor.values)
                     : add_constant(graph_, node.name + "/" + key, tensor.shape, tensor.integers));
        defined_.insert(node.inputs.back());
        break;
      }
      case AttributeProto::GRAPH:
      case AttributeProto::GRAPHS:
        fail(
            "{}: node '{}' ({}) contains a subgraph, which is not supported; export the model without "
            "control flow",
            file_, node.name, node.op);
      default:
        fail("{}: node '{}' ({}): attribute '{}' has a type that is not supported", file_, node.name, node.op,
             key);
    }
  }

  void reject_undefined() const {
    for (const Node& node : graph_.nodes) {
      for (const std::string& input : node.inputs) {
        if (input.empty() || graph_.tensors.count(input) > 0) continue;
        fail("{}: node '{}' ({}) reads the tensor '{}', which nothing provides; export the model again",
             file_, node.name, node.op, input);
      }
    }
  }

  const onnx::ModelProto& model_;
  const std::string& file_;
  Graph graph_;
  int64_t opset_ = 0;
  int index_ = 0;
  std::set<std::string> defined_;
  std::set<std::string> node_names_;
};

}  // namespace

Graph import_onnx_bytes(const std::string& bytes, const std::string& name_for_messages) {
  if (bytes.empty()) fail("{}: an ONNX model was expected, found an empty file", name_for_messages);
  if (bytes.size() > static_cast<size_t>(std::numeric_limits<int>::max())) {
    fail("{}: at most 2 GiB were expected, found {} bytes; is this a detector?", name_for_messages,
         bytes.size());
  }
  // Protobuf would write its own lines about damaged files to the terminal.
  const google::protobuf::LogSilencer silence;
  onnx::ModelProto model;
  if (!model.ParseFromString(bytes)) {
    fail("{}: an ONNX model was expected, found something else or a truncated file; export or copy it again",
         name_for_messages);
  }
  return Importer(model, name_for_messages).run();
}

Graph import_onnx(const std::string& path) {
  const std::vector<uint8_t> bytes = read_file(path);
  return import_onnx_bytes(std::string(bytes.begin(), bytes.end()), path);
}

}  // namespace shrike::graph
