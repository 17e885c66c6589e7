#include "toolchain/import/onnx/import.h"

#include <google/protobuf/stubs/logging.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <map>
#include <set>
#include <utility>

#include "toolchain/graph/edit.h"
#include "toolchain/graph/passes.h"
#include "toolchain/graph/topological_sort.h"
#include "toolchain/import/onnx/arity.h"
#include "toolchain/import/onnx/dequantize.h"
#include "toolchain/import/onnx/normalize.h"
#include "toolchain/import/onnx/tensor.h"
#include "toolchain/import/text.h"
#include "toolchain/support/error.h"
#include "toolchain/support/files.h"
#include "toolchain/support/model_limits.h"

namespace shrike::graph {
namespace {

using onnx::AttributeProto;

// Between these the operators of the shape rules mean the same, apart from what normalize() translates.
constexpr int64_t kOldestOpset = 7;
constexpr int64_t kNewestOpset = 24;

class Importer {
 public:
  Importer(const onnx::ModelProto& model, const std::string& file, const std::string& folder)
      : model_(model), file_(file), files_(folder) {}

  Graph run() {
    if (!model_.has_graph() || model_.graph().node_size() == 0) {
      fail("{}: an ONNX model was expected, found no graph with nodes in it; export the model again", file_);
    }
    if (model_.graph().node_size() > model_limits::kNodes) {
      fail("{}: at most {} nodes were expected, found {}; is this a detector?", file_, model_limits::kNodes,
           model_.graph().node_size());
    }
    const int64_t opset = read_opset();
    reject_shadowing();
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
    normalize(graph_, opset, file_);
    sort_topologically(graph_, file_);
    dequantize(graph_, integer_ranges_, file_);
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
    int64_t opset = 0;
    for (const auto& entry : model_.opset_import()) {
      if (!is_standard(entry.domain())) continue;
      if (opset != 0 && opset != entry.version())
        fail("{}: one ONNX opset was expected, found {} and {}; export the model again", file_, opset,
             entry.version());
      opset = entry.version();
      if (opset >= kOldestOpset && opset <= kNewestOpset) continue;
      fail("{}: opset {} to {} was expected, found {}; export the model with opset 13", file_, kOldestOpset,
           kNewestOpset, opset);
    }
    if (opset == 0) {
      for (const auto& entry : model_.opset_import()) {
        if (entry.domain() == "ai.onnx.ml")
          fail("{}: a neural network was expected, found trees or a linear model (domain ai.onnx.ml)", file_);
      }
      fail("{}: the ONNX opset version is missing; the file is damaged or incomplete", file_);
    }
    return opset;
  }

  static bool is_standard(const std::string& domain) { return domain.empty() || domain == "ai.onnx"; }

  // A function of the model with the name of a standard operator would change what that operator means.
  void reject_shadowing() const {
    for (const auto& function : model_.functions()) {
      if (!is_standard(function.domain())) continue;
      fail("{}: it defines the standard operator '{}' anew; export the model without functions of its own",
           file_, printable(function.name(), "a function's name"));
    }
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
      tensor = read_tensor(proto, fmt::format("{}: initializer '{}'", file_, proto.name()), files_);
      note_range(proto.data_type(), proto.name());
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
      // Pixels as they come; what pictures become is in the metadata (data/input_spec.h).
      if (type.elem_type() == onnx::TensorProto::UINT8) graph_.metadata.emplace("input", "mean=0 std=1");
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
      case TensorProto::UINT8:  // pixels, which the network converts itself
      case TensorProto::INT8:
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
    int& next = next_name_.try_emplace(name, 1).first->second;
    while (!node_names_.insert(unique).second) unique = fmt::format("{}_{}", name, next++);
    return unique;
  }

  // What ONNX Runtime's optimiser makes of activations that exporters write in parts.
  static bool take_contributed(const onnx::NodeProto& proto, Node& node) {
    struct Standard {
      const char* op;
      std::map<std::string, Attribute> attributes;
    };
    static const std::map<std::string, Standard> kKnown = {
        {"FastGelu", {"Gelu", {{"approximate", std::string("tanh")}}}},
        {"Gelu", {"Gelu", {}}},
        {"QuickGelu", {"QuickGelu", {}}},
    };
    const auto known = kKnown.find(proto.op_type());
    if (proto.domain() != "com.microsoft" || known == kKnown.end()) return false;
    node.op = known->second.op;
    node.attributes = known->second.attributes;
    return true;
  }

  void read_node(const onnx::NodeProto& proto) {
    Node node;
    node.op = printable(proto.op_type(), "an operator's name");
    node.name = node_name(proto, index_++);
    if (!is_standard(proto.domain()) && !take_contributed(proto, node)) {
      fail(
          "{}: node '{}' is an operator of the domain '{}', only standard ONNX operators are supported; "
          "export "
          "the model without custom operators",
          file_, node.name, printable(proto.domain(), "an operator's domain"));
    }
    if (node.op == "Constant") return read_constant(proto, node.name);
    for (const std::string& input : proto.input()) node.inputs.push_back(printable(input, "a tensor's name"));
    while (!node.inputs.empty() && node.inputs.back().empty()) node.inputs.pop_back();
    check_inputs(node);
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

  void check_inputs(const Node& node) const {
    const Arity arity = input_arity(node.op);
    const auto count = static_cast<int>(node.inputs.size());
    if (count < arity.least || (arity.most > 0 && count > arity.most)) {
      fail("{}: node '{}' ({}) has {} inputs, {} were expected; export the model again", file_, node.name,
           node.op, count,
           arity.most == arity.least ? fmt::format("{}", arity.least)
           : arity.most == 0         ? fmt::format("{} or more", arity.least)
                                     : fmt::format("{} to {}", arity.least, arity.most));
    }
    if (node.inputs[0].empty())
      fail("{}: node '{}' ({}) lacks its first input; export the model again", file_, node.name, node.op);
  }

  // Types that QuantizeLinear makes; all integers are int64 from here on.
  void note_range(int type, const std::string& name) {
    using onnx::TensorProto;
    if (type == TensorProto::INT8) integer_ranges_[name] = {-128, 127};
    if (type == TensorProto::UINT8) integer_ranges_[name] = {0, 255};
    if (type == TensorProto::INT16) integer_ranges_[name] = {-32768, 32767};
    if (type == TensorProto::UINT16) integer_ranges_[name] = {0, 65535};
  }

  void read_constant(const onnx::NodeProto& proto, const std::string& name) {
    if (proto.output_size() != 1 || proto.attribute_size() != 1) {
      fail("{}: Constant node '{}' was expected to have one output and one value", file_, name);
    }
    Tensor& tensor = define(proto.output(0), "a tensor's name");
    tensor.constant = true;
    const AttributeProto& value = proto.attribute(0);
    if (value.name() == "value" && value.has_t()) {
      tensor = read_tensor(value.t(), fmt::format("{}: Constant node '{}'", file_, name), files_);
      note_range(value.t().data_type(), proto.output(0));
      tensor.name = proto.output(0);
    } else if (value.name() == "value_float" && !std::isnan(value.f())) {
      tensor.values = {value.f()};
    } else if (value.name() == "value_int") {
      tensor.type = ElementType::kInt64;
      tensor.integers = {value.i()};
    } else if (value.name() == "value_floats") {
      tensor.values.assign(value.floats().begin(), value.floats().end());
      if (std::any_of(tensor.values.begin(), tensor.values.end(),
                      [](float number) { return std::isnan(number); }))
        fail("{}: Constant node '{}' holds NaN; export the model again", file_, name);
      tensor.shape = {value.floats_size()};
    } else if (value.name() == "value_ints") {
      tensor.type = ElementType::kInt64;
      tensor.integers.assign(value.ints().begin(), value.ints().end());
      tensor.shape = {value.ints_size()};
    } else {
      fail("{}: Constant node '{}' holds '{}', a dense tensor of numbers was expected", file_, name,
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
        if (std::isnan(proto.f()))
          fail("{}: node '{}' ({}): the attribute '{}' is NaN; export the model again", file_, node.name,
               node.op, key);
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
      case AttributeProto::STRINGS: {  // activations of recurrent layers
        std::string list;
        for (const std::string& text : proto.strings())
          list += (list.empty() ? "" : ",") + printable(text, "an attribute's text");
        node.attributes[key] = list;
        break;
      }
      case AttributeProto::TENSOR: {
        if (node.op != "ConstantOfShape")
          fail("{}: node '{}' ({}): attribute '{}' has a type that is not supported", file_, node.name,
               node.op, key);
        // Only ConstantOfShape has one (a single element); it is kept as a constant second input.
        Tensor tensor =
            read_tensor(proto.t(), fmt::format("{}: node '{}', '{}'", file_, node.name, key), files_);
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
  ExternalData files_;
  Graph graph_;
  int index_ = 0;
  std::set<std::string> defined_;
  std::set<std::string> node_names_;
  std::map<std::string, int> next_name_;
  std::map<std::string, IntegerRange> integer_ranges_;
};

}  // namespace

Graph import_onnx_bytes(const std::string& bytes, const std::string& name_for_messages,
                        const std::string& folder) {
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
  return Importer(model, name_for_messages, folder).run();
}

std::string folder_of(const std::string& path) {
  const std::string folder = std::filesystem::path(path).parent_path().generic_string();
  return folder.empty() ? "." : folder;
}

Graph import_onnx(const std::string& path) {
  const std::vector<uint8_t> bytes = read_file(path);
  return import_onnx_bytes(std::string(bytes.begin(), bytes.end()), path, folder_of(path));
}

}  // namespace shrike::graph
