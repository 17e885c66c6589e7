#include "toolchain/formats/materialize.h"

#include <map>
#include <utility>

#include "runtime/chips/chip.h"
#include "toolchain/graph/edit.h"
#include "toolchain/measure/grid.h"
#include "toolchain/operators/formats.h"
#include "toolchain/operators/operator.h"
#include "toolchain/rounding/round_weights.h"
#include "toolchain/rounding/weights.h"
#include "toolchain/support/error.h"

namespace shrike::quantize {
namespace {

class Materializer {
 public:
  Materializer(const graph::Graph& source, const Plan& plan, Target target)
      : plan_(plan), target_(target), rounding_(rounding_of(target)), graph_(source) {}

  graph::Graph run() {
    for (auto& [name, tensor] : graph_.tensors) {
      if (const auto format = plan_.formats.find(name); format != plan_.formats.end())
        tensor.format = format->second;
    }
    std::vector<graph::Node> nodes = std::move(graph_.nodes);
    graph_.nodes.clear();
    for (graph::Node& node : nodes) {
      convert_inputs(node);
      if (operators::is_weighted(graph_, node)) {
        quantize_weights(node);
      } else {
        quantize_constants(node);
      }
      graph_.nodes.push_back(std::move(node));
    }
    return std::move(graph_);
  }

 private:
  // The format in which `node` must see its input `tensor`.
  graph::Format wanted(const graph::Node& node, const graph::Tensor& tensor) const {
    const graph::Format& output = graph_.tensor(node.outputs[0]).format;
    // A product's exponent can't be below those of its operands together, whoever reads it.
    if (operators::is_float_result(node.op) && tensor.format.bits == 8 &&
        tensor.format.exponent > kHighestLogits)
      return {8, kHighestLogits, {}};
    if (tensor.format.is_float() || output.is_float()) return tensor.format;
    if (operators::wants_output_format(node, output.bits)) return output;
    if (tensor.format.bits == output.bits) return tensor.format;
    if (output.bits == 16) return {16, widened(tensor.format.exponent), {}};
    return {output.bits, plan_.narrow_exponents.at(tensor.name), {}};
  }

  void convert_inputs(graph::Node& node) {
    for (std::string& input : node.inputs) {
      if (input.empty() || graph_.tensor(input).constant) continue;
      const graph::Format format = wanted(node, graph_.tensor(input));
      if (format == graph_.tensor(input).format) continue;
      input = converted(input, format);
    }
  }

  std::string converted(const std::string& source, const graph::Format& format) {
    const auto key = std::make_pair(source, std::make_pair(format.bits, format.exponent));
    if (const auto found = conversions_.find(key); found != conversions_.end()) return found->second;
    const std::string name = graph::add_variable(graph_, source, source + "_requantized");
    graph_.tensor(name).format = format;
    graph::Node node;
    node.name = graph_.fresh_name(source + "/Requantize");
    node.op = "RequantizeLinear";
    node.inputs = {source};
    node.outputs = {name};
    conversions_[key] = name;
    graph_.nodes.push_back(std::move(node));
    return name;
  }

  void quantize_weights(graph::Node& node) {
    const auto found = plan_.weights.find(node.name);
    if (found == plan_.weights.end()) fail("node '{}': no weights were chosen", node.name);
    const WeightCode& code = found->second;
    graph::Tensor& weight = graph_.tensor(node.inputs[1]);
    weight.integers = code.integers;
    weight.format = code.format;
    if (code.bias.empty()) return;

    if (node.inputs.size() < 3 || node.inputs[2].empty()) {
      node.inputs.resize(3);
      node.inputs[2] = graph_.fresh_name(node.name + ".bias");
      graph_.tensors[node.inputs[2]].name = node.inputs[2];
    }
    graph::Tensor& bias = graph_.tensor(node.inputs[2]);
    bias.constant = true;
    bias.shape = {static_cast<int64_t>(code.bias.size())};
    bias.values = code.bias;
    const int input_exponent = graph_.tensor(node.inputs[0]).format.exponent;
    bias.format.bits = chip_of(target_).arithmetic(code.format.bits).bias_bits;
    bias.format.exponent = input_exponent + code.format.exponent;
    bias.format.channel_exponents.clear();
    for (const int exponent : code.format.channel_exponents)
      bias.format.channel_exponents.push_back(input_exponent + exponent);
    bias.integers = bias_integers(code, input_exponent, target_);
  }

  // Constant operands of element-wise nodes: joins use the output's exponent, others the finest that covers
  // them.
  void quantize_constants(const graph::Node& node) {
    const graph::Format output = graph_.tensor(node.outputs[0]).format;
    if (output.is_float()) return;
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      if (!operators::is_quantized_constant(graph_, node, i)) continue;
      graph::Tensor& tensor = graph_.tensor(node.inputs[i]);
      const int exponent =
          operators::is_join(node.op) ? output.exponent : factor_exponent(tensor, output.bits);
      tensor.format = {output.bits, exponent, {}};
      tensor.integers.clear();
      for (const float v : tensor.values)
        tensor.integers.push_back(integer_of(v, exponent, output.bits, rounding_));
    }
  }

  const Plan& plan_;
  Target target_;
  Rounding rounding_;
  graph::Graph graph_;
  std::map<std::pair<std::string, std::pair<int, int>>, std::string> conversions_;
};

}  // namespace

void insert_quantize_nodes(graph::Graph& graph) {
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    const std::string op = graph.nodes[i].op, source = graph.nodes[i].outputs[0];
    if (!operators::is_float_result(op)) continue;
    if (graph.is_output(source)) continue;
    const std::string quantized = graph::add_variable(graph, source, source + "_quantized");
    graph::replace_uses(graph, source, quantized);
    graph::Node node;
    node.name = graph.fresh_name(graph.nodes[i].name + "/Quantize");
    node.op = "QuantizeLinear";
    node.inputs = {source};
    node.outputs = {quantized};
    graph.nodes.insert(graph.nodes.begin() + static_cast<std::ptrdiff_t>(i) + 1, node);
    ++i;
  }
}

graph::Graph materialize(const graph::Graph& graph, const Plan& plan, Target target) {
  return Materializer(graph, plan, target).run();
}

}  // namespace shrike::quantize
