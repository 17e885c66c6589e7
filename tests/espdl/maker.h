// Small quantised graphs for tests: formats chosen by hand, constants drawn from a fixed random sequence.
#pragma once
#include <cmath>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "toolchain/graph/graph.h"

namespace shrike::espdl::tests {

using graph::Attribute;
using graph::Format;
using graph::Graph;
using graph::Node;
using graph::Shape;
using graph::Tensor;

class Maker {
 public:
  explicit Maker(int bits, bool per_channel = false) : bits_(bits), per_channel_(per_channel) {
    graph.name = "test";
  }

  Graph graph;

  // Exponents that keep real values near 1 at either width.
  int grid(int offset = 0) const { return (bits_ == 8 ? -5 : -12) + offset; }

  std::string variable(const std::string& name, const Shape& shape, int exponent, int bits) {
    Tensor tensor;
    tensor.name = name;
    tensor.shape = shape;
    tensor.format.bits = bits;
    tensor.format.exponent = bits == 0 ? 0 : exponent;
    graph.tensors[name] = tensor;
    return name;
  }

  std::string input(const std::string& name, const Shape& shape) {
    graph.inputs.push_back(variable(name, shape, grid(), bits_));
    return name;
  }

  std::string constant(const std::string& name, const Shape& shape, int exponent, int bits, int64_t limit) {
    variable(name, shape, exponent, bits);
    Tensor& tensor = graph.tensors[name];
    tensor.constant = true;
    for (int64_t i = 0; i < tensor.elements(); ++i) tensor.integers.push_back(draw(limit));
    for (const int64_t q : tensor.integers) {
      tensor.values.push_back(std::ldexp(static_cast<float>(q), exponent));
    }
    return name;
  }

  std::string int64s(const std::string& name, const std::vector<int64_t>& values) {
    Tensor tensor;
    tensor.name = name;
    tensor.shape = {static_cast<int64_t>(values.size())};
    tensor.type = graph::ElementType::kInt64;
    tensor.constant = true;
    tensor.integers = values;
    graph.tensors[name] = tensor;
    return name;
  }

  std::string floats(const std::string& name, const Shape& shape, const std::vector<float>& values) {
    variable(name, shape, 0, 0);
    graph.tensors[name].constant = true;
    graph.tensors[name].values = values;
    return name;
  }

  // A node of the graph's width whose output has `shape` and `exponent`; returns the output's name.
  std::string node(const std::string& op, const std::vector<std::string>& inputs, const Shape& shape,
                   int exponent, const std::map<std::string, Attribute>& attributes = {}, int bits = -1) {
    Node node;
    node.op = op;
    node.name = op + std::to_string(graph.nodes.size());
    node.inputs = inputs;
    node.outputs = {variable(node.name + ":0", shape, exponent, bits < 0 ? bits_ : bits)};
    node.attributes = attributes;
    graph.nodes.push_back(node);
    return node.outputs[0];
  }

  int exponent(const std::string& name) const { return graph.tensor(name).format.exponent; }
  const Shape& shape(const std::string& name) const { return graph.tensor(name).shape; }

  struct ConvOptions {
    int64_t kernel_height = 3, kernel_width = 3, stride = 1, pad = 1, dilation = 1;
    bool depthwise = false, bias = true;
    int output_exponent = 100;  // 100: the graph's grid
  };

  std::string conv(const std::string& input, int64_t outputs, const ConvOptions& options) {
    const Shape in = shape(input);
    const bool flat = in.size() == 3;
    const int64_t channels = in[1];
    Shape kernel = {options.kernel_height, options.kernel_width};
    if (flat) kernel = {options.kernel_width};
    Shape filter = {outputs, options.depthwise ? 1 : channels};
    Shape out = {in[0], outputs};
    for (size_t i = 0; i < kernel.size(); ++i) {
      filter.push_back(kernel[i]);
      out.push_back((in[i + 2] + 2 * options.pad - options.dilation * (kernel[i] - 1) - 1) / options.stride +
                    1);
    }
    std::vector<std::string> inputs = {input};
    add_weights(inputs, "conv" + std::to_string(graph.nodes.size()), filter, outputs, options.bias);
    const size_t axes = kernel.size();
    return node("Conv", inputs, out, options.output_exponent == 100 ? grid() : options.output_exponent,
                {{"strides", Shape(axes, options.stride)},
                 {"dilations", Shape(axes, options.dilation)},
                 {"pads", Shape(2 * axes, options.pad)},
                 {"kernel_shape", kernel},
                 {"group", options.depthwise ? channels : int64_t{1}}});
  }

  // Filter (and bias) constants of a Conv, ConvTranspose or Gemm, appended to `inputs`.
  void add_weights(std::vector<std::string>& inputs, const std::string& stem, const Shape& filter,
                   int64_t outputs, bool bias) {
    const int exponent = bits_ == 8 ? -7 : -14;
    // Small enough that no 20-bit lane of esp32s3 meets its limit.
    inputs.push_back(constant(stem + ".weight", filter, exponent, bits_, bits_ == 8 ? 40 : 3000));
    Format format{bits_, exponent, {}};
    if (per_channel_) {
      for (int64_t n = 0; n < outputs; ++n)
        format.channel_exponents.push_back(exponent - static_cast<int>(n % 3));
    }
    graph.tensors[inputs[1]].format = format;
    if (!bias) return;
    inputs.push_back(constant(stem + ".bias", {outputs}, exponent + grid(), bits_ == 8 ? 32 : 40, 5000));
    Format& bias_format = graph.tensors[inputs[2]].format;
    bias_format.exponent = format.exponent + this->exponent(inputs[0]);
    for (const int e : format.channel_exponents) {
      bias_format.channel_exponents.push_back(e + this->exponent(inputs[0]));
    }
  }

  int64_t draw(int64_t limit) { return std::uniform_int_distribution<int64_t>(-limit, limit)(random_); }
  int64_t full_scale() const { return bits_ == 8 ? 127 : 32767; }
  int bits() const { return bits_; }

 private:
  int bits_;
  bool per_channel_;
  std::mt19937_64 random_{20240607};
};

}  // namespace shrike::espdl::tests
