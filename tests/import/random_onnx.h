// ONNX files that are well formed and mean harm: operators put together at random, with attributes, constants
// and shapes of odd kinds and sizes.
#pragma once
#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "tests/import/onnx_builder.h"

namespace shrike::tests {

class RandomOnnx {
 public:
  // `below(n)` decides: a number from 0 to n - 1.
  explicit RandomOnnx(std::function<int64_t(int64_t)> below) : below_(std::move(below)), builder_(opset()) {}

  std::string bytes() {
    builder_.input("x0", shape());
    tensors_.emplace_back("x0");
    for (int64_t i = below(3); i >= 0; --i) constant();
    for (int64_t i = below(8); i >= 0; --i) node();
    builder_.output(tensors_.back());
    if (below(4) == 0) builder_.output(any());
    if (below(16) == 0) oddity();
    return builder_.bytes();
  }

 private:
  int64_t below(int64_t limit) { return below_(limit); }
  int64_t opset() {
    static const Ints opsets = {7, 9, 11, 12, 13, 18, 21, 24};
    return opsets[static_cast<size_t>(below(8))];
  }

  int64_t size() {
    static const Ints sizes = {1, 1, 2, 3, 4, 8, 0, -1, 1 << 20, std::numeric_limits<int64_t>::max()};
    return sizes[static_cast<size_t>(below(below(4) == 0 ? 10 : 6))];
  }
  Ints shape() {
    Ints result(static_cast<size_t>(below(6)));
    for (int64_t& dim : result) dim = size();
    return result;
  }
  float number() {
    static const Floats numbers = {0, 1, -1, 0.5f, 6, 1e38f, -1e38f, INFINITY, 1e-45f};
    return numbers[static_cast<size_t>(below(9))];
  }
  Ints integers() {
    Ints result(static_cast<size_t>(below(9)));
    for (int64_t& value : result) value = below(4) == 0 ? size() : below(7) - 3;
    return result;
  }
  Floats floats() {
    Floats result(static_cast<size_t>(below(5)));
    for (float& value : result) value = number();
    return result;
  }

  void constant() {
    const std::string name = "c" + std::to_string(tensors_.size());
    if (below(2) == 0) {
      builder_.integers(name, integers());
    } else {
      Ints small(static_cast<size_t>(below(5)));
      int64_t count = 1;
      for (int64_t& dim : small) count *= dim = below(4);
      Floats values(static_cast<size_t>(count));
      for (float& value : values) value = number();
      builder_.floats(name, small, values);
    }
    tensors_.push_back(name);
  }

  // What the format allows, or nearly, and exporters do not write.
  void oddity() {
    switch (below(6)) {
      case 0:  // a second version of the operators
        builder_.model.add_opset_import()->set_version(opset());
        break;
      case 1:  // an initializer that is an input, too
        builder_.input("c1", shape());
        break;
      case 2:  // the same name twice
        builder_.node("Relu", {any()}, {tensors_.back()});
        break;
      case 3: {  // a cycle
        const std::string later = "later" + std::to_string(next_++);
        builder_.node("Add", {any(), later}, {"earlier"}).node("Relu", {"earlier"}, {later}).output(later);
        break;
      }
      case 4: {  // a function that shadows an operator
        auto* function = builder_.model.add_functions();
        function->set_name("Relu");
        function->add_input("a");
        function->add_output("b");
        auto* inner = function->add_node();
        inner->set_op_type("Relu");
        inner->add_input("a");
        inner->add_output("b");
        break;
      }
      default: {  // a graph inside a node
        builder_.node("If", {any()}, {"branch"});
        auto* nodes = builder_.model.mutable_graph()->mutable_node();
        auto* attribute = nodes->Mutable(nodes->size() - 1)->add_attribute();
        attribute->set_name("then_branch");
        attribute->set_type(onnx::AttributeProto::GRAPH);
        attribute->mutable_g()->add_output()->set_name(any());
        builder_.output("branch");
      }
    }
  }

  const std::string& any() {
    return tensors_[static_cast<size_t>(below(static_cast<int64_t>(tensors_.size())))];
  }

  void node() {
    static const std::vector<std::string> ops = {"Add",
                                                 "Sub",
                                                 "Mul",
                                                 "Div",
                                                 "Pow",
                                                 "Mod",
                                                 "Max",
                                                 "Sum",
                                                 "Mean",
                                                 "Relu",
                                                 "Cos",
                                                 "Identity",
                                                 "Cast",
                                                 "Clip",
                                                 "Conv",
                                                 "ConvTranspose",
                                                 "MaxPool",
                                                 "AveragePool",
                                                 "GlobalAveragePool",
                                                 "Gemm",
                                                 "MatMul",
                                                 "Reshape",
                                                 "Flatten",
                                                 "Transpose",
                                                 "Squeeze",
                                                 "Unsqueeze",
                                                 "Concat",
                                                 "Split",
                                                 "Slice",
                                                 "Gather",
                                                 "GatherElements",
                                                 "Expand",
                                                 "Tile",
                                                 "Pad",
                                                 "Resize",
                                                 "Upsample",
                                                 "DepthToSpace",
                                                 "SpaceToDepth",
                                                 "Shape",
                                                 "Range",
                                                 "ConstantOfShape",
                                                 "Where",
                                                 "Equal",
                                                 "Softmax",
                                                 "BatchNormalization",
                                                 "LayerNormalization",
                                                 "ReduceMean",
                                                 "ReduceProd",
                                                 "ReduceSum",
                                                 "ArgMax",
                                                 "TopK",
                                                 "Dropout",
                                                 "QuantizeLinear",
                                                 "DequantizeLinear",
                                                 "PRelu",
                                                 "GRU",
                                                 "LSTM",
                                                 "Not",
                                                 "Neg",
                                                 "CumSum"};
    static const std::vector<std::string> keys = {
        "axis",  "axes",  "perm",     "pads",      "strides", "dilations",      "kernel_shape",
        "group", "to",    "keepdims", "blocksize", "transB",  "scales",         "starts",
        "ends",  "split", "k",        "min",       "max",     "output_padding", "hidden_size"};
    std::vector<std::string> inputs(static_cast<size_t>(below(5)));
    for (std::string& input : inputs) input = below(12) == 0 ? "" : any();
    std::vector<std::string> outputs;
    for (int64_t i = below(5) == 0 ? 2 : 1; i > 0; --i) outputs.push_back("t" + std::to_string(next_++));
    std::vector<Attribute> attributes;
    for (int64_t i = below(4); i > 0; --i)
      attributes.push_back(attribute(keys[static_cast<size_t>(below(static_cast<int64_t>(keys.size())))]));
    builder_.node(ops[static_cast<size_t>(below(static_cast<int64_t>(ops.size())))], inputs, outputs,
                  attributes);
    tensors_.insert(tensors_.end(), outputs.begin(), outputs.end());
  }

  Attribute attribute(const std::string& key) {
    switch (below(4)) {
      case 0:
        return {key, below(3) == 0 ? size() : below(5) - 2};
      case 1:
        return {key, integers()};
      case 2:
        return {key, number()};
      default:
        return {key, floats()};
    }
  }

  std::function<int64_t(int64_t)> below_;
  OnnxBuilder builder_;
  std::vector<std::string> tensors_;
  int next_ = 0;
};

// What import and the passes behind it make of a model file, whose shapes may be anything. Throws Error.
inline graph::Graph import_and_pass(const std::string& bytes) {
  graph::Graph graph = graph::import_onnx_bytes(bytes, "random.onnx");
  graph::fold_constants(graph);
  graph::remove_identities(graph);
  graph::remove_dead_nodes(graph);
  graph::infer_shapes(graph);
  graph::make_attributes_explicit(graph);
  graph::check(graph);
  return graph;
}

}  // namespace shrike::tests
