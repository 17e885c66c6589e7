#include "toolchain/pipeline/plan_of_file.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <string>

#include "toolchain/espdl/writer.h"
#include "toolchain/formats/materialize.h"
#include "toolchain/host/tensors.h"
#include "toolchain/operators/operator.h"
#include "toolchain/support/error.h"

namespace shrike::quantize {
namespace {

int bits_of(const TensorView& view) {
  switch (view.type) {
    case DataType::kInt8:
      return 8;
    case DataType::kInt16:
      return 16;
    default:
      return 0;
  }
}

// An element of a tensor of whole numbers as the writer stores them: little-endian, of 1, 2, 4 or 8 bytes.
int64_t stored_integer(const std::vector<uint8_t>& bytes, size_t width, size_t index) {
  uint64_t value = 0;
  std::memcpy(&value, bytes.data() + index * width, width);
  const int unused = 64 - 8 * static_cast<int>(width);
  return static_cast<int64_t>(value << unused) >> unused;
}

using Initializers = std::map<std::string, const espdl::StoredTensor*>;

// Of a program that stays.
Initializers by_name(const espdl::Program& program) {
  Initializers initializers;
  for (const espdl::StoredTensor& tensor : program.initializers) initializers[tensor.name] = &tensor;
  return initializers;
}

class Reader {
 public:
  Reader(const host::IntegerModel& file, const graph::Graph& graph)
      : file_(file), model_(file.model()), graph_(graph) {
    for (int32_t i = 0; i < model_.node_count(); ++i) node_[host::to_string(model_.node_name(i))] = i;
  }

  Plan run() {
    read_formats();
    for (const graph::Node& node : graph_.nodes) {
      if (operators::is_weighted(graph_, node)) read_formats_and_bias(node);
    }
    place_weights();
    compare(lowered(plan_));
    return std::move(plan_);
  }

 private:
  [[noreturn]] void refuse(const std::string& what) const {
    fail(
        "{}: {} is not as this program writes it for the model; give the model that the file was made from, "
        "or leave the file out",
        file_.name(), what);
  }

  void read_formats() {
    for (const std::string& input : graph_.inputs) read_format(input);
    for (const graph::Node& node : graph_.nodes) {
      for (const std::string& output : node.outputs) {
        if (!output.empty()) read_format(output);
      }
    }
    // Transposes that meet are written as one: what lies between has the format that they copy.
    for (const graph::Node& node : graph_.nodes) {
      for (const std::string& output : node.outputs) {
        if (operators::is_copy(node.op) && !output.empty() && !plan_.formats.contains(output))
          plan_.formats[output] = plan_.formats[node.inputs[0]];
      }
    }
    // What the writer merges into its only reader (Relu behind a convolution) has the reader's format.
    for (auto node = graph_.nodes.rbegin(); node != graph_.nodes.rend(); ++node) {
      for (const std::string& input : node->inputs) {
        if (!input.empty() && !graph_.tensor(input).constant && !plan_.formats.contains(input))
          plan_.formats[input] = plan_.formats[node->outputs[0]];
      }
    }
    for (int32_t i = 0; i < model_.node_count(); ++i) {
      if (!(model_.node_type(i) == "RequantizeLinear")) continue;
      const TensorView from = model_.node_input(i, 0), to = model_.node_output(i, 0);
      if (from.type == DataType::kInt16 && to.type == DataType::kInt8)
        plan_.narrow_exponents[host::to_string(from.name)] = to.exponent;
    }
  }

  void read_format(const std::string& variable) {
    const TensorView view = model_.variable(variable.c_str());
    if (view.type == DataType::kUndefined) return;
    graph::Format format;
    format.bits = bits_of(view);
    if (format.bits > 0) format.exponent = view.exponent;
    plan_.formats[variable] = format;
  }

  int32_t file_node(const graph::Node& node) const {
    const auto found = node_.find(node.name);
    if (found == node_.end()) refuse(fmt::format("node '{}', which it has not,", node.name));
    return found->second;
  }

  graph::Format initializer_format(const TensorView& view, int bits) const {
    graph::Format format;
    format.bits = bits;
    const std::vector<int64_t> exponents = file_.initializer_exponents(host::to_string(view.name));
    if (exponents.empty()) refuse(fmt::format("'{}', which has no exponent,", host::to_string(view.name)));
    format.exponent = static_cast<int>(*std::max_element(exponents.begin(), exponents.end()));
    if (exponents.size() > 1) format.channel_exponents.assign(exponents.begin(), exponents.end());
    return format;
  }

  void read_formats_and_bias(const graph::Node& node) {
    const int32_t index = file_node(node);
    const TensorView weight = model_.node_input(index, 1);
    if (bits_of(weight) == 0) refuse(fmt::format("the weight of node '{}'", node.name));
    WeightCode& code = plan_.weights[node.name];
    code.format = initializer_format(weight, bits_of(weight));
    code.integers.assign(static_cast<size_t>(graph_.tensor(node.inputs[1]).elements()), 0);
    if (model_.node_input_count(index) < 3) return;
    const TensorView bias = model_.node_input(index, 2);
    if (bias.type == DataType::kUndefined) return;
    const graph::Format format = initializer_format(bias, 32);
    for (int64_t i = 0; i < bias.shape.elements(); ++i) {
      const int exponent =
          format.per_channel() ? format.channel_exponents.at(static_cast<size_t>(i)) : format.exponent;
      code.bias.push_back(static_cast<float>(std::ldexp(host::element(bias, i), exponent)));
    }
  }

  // The writer itself tells where it puts an element: with the elements' indices for weights, digit by digit.
  // Small digits, because sums of large weights are refused.
  void place_weights() {
    constexpr int kDigitBits = 4;
    int64_t largest = 0;
    for (const auto& [name, code] : plan_.weights)
      largest = std::max(largest, static_cast<int64_t>(code.integers.size()));
    std::map<std::string, std::vector<size_t>> places;  // by node: index of each stored element
    for (int shift = 0; shift == 0 || largest >> shift > 0; shift += kDigitBits) {
      Plan probe = plan_;
      for (auto& [name, code] : probe.weights) {
        for (size_t i = 0; i < code.integers.size(); ++i)
          code.integers[i] = static_cast<int64_t>(i >> shift & ((1u << kDigitBits) - 1));
      }
      const espdl::Program program = lowered(probe);
      const Initializers initializers = by_name(program);
      for (const espdl::StoredNode& node : program.nodes) {
        const auto code = plan_.weights.find(node.name);
        if (code == plan_.weights.end()) continue;
        const espdl::StoredTensor& tensor = *initializers.at(node.inputs[1]);
        std::vector<size_t>& place = places[node.name];
        const size_t width = static_cast<size_t>(code->second.format.bits / 8);
        place.resize(tensor.bytes.size() / width, 0);
        for (size_t i = 0; i < place.size(); ++i)
          place[i] |= static_cast<size_t>(stored_integer(tensor.bytes, width, i)) << shift;
      }
    }
    for (auto& [name, code] : plan_.weights) {
      const TensorView view = model_.node_input(node_.at(name), 1);
      const std::vector<size_t>& place = places[name];
      if (static_cast<int64_t>(place.size()) != view.shape.elements())
        refuse(fmt::format("the size of the weight of node '{}'", name));
      for (size_t i = 0; i < place.size(); ++i)
        code.integers.at(place[i]) = static_cast<int64_t>(host::element(view, static_cast<int64_t>(i)));
    }
  }

  espdl::Program lowered(const Plan& plan) const {
    return espdl::lower(materialize(graph_, plan, file_.target()), file_.target());
  }

  // Nothing of what a run computes with may be another.
  void compare(const espdl::Program& program) const {
    if (static_cast<int32_t>(program.nodes.size()) != model_.node_count()) refuse("the number of nodes");
    const Initializers initializers = by_name(program);
    for (const espdl::StoredValue& value : program.values) {
      const TensorView view = model_.variable(value.name.c_str());
      if (view.type != value.type || view.exponent != value.exponent)
        refuse(fmt::format("the format of '{}'", value.name));
    }
    for (const espdl::StoredNode& node : program.nodes) {
      const auto found = node_.find(node.name);
      if (found == node_.end() || !(model_.node_type(found->second) == node.op.c_str()))
        refuse(fmt::format("node '{}'", node.name));
      for (size_t i = 0; i < node.inputs.size(); ++i) {
        const auto initializer = initializers.find(node.inputs[i]);
        if (initializer == initializers.end()) continue;
        const TensorView view = model_.node_input(found->second, static_cast<int32_t>(i));
        const espdl::StoredTensor& own = *initializer->second;
        if (view.bytes != own.bytes.size() ||
            std::memcmp(view.data, own.bytes.data(), own.bytes.size()) != 0 ||
            file_.initializer_exponents(host::to_string(view.name)) != own.exponents)
          refuse(fmt::format("'{}' of node '{}'", own.name, node.name));
      }
    }
  }

  const host::IntegerModel& file_;
  const InspectableModel& model_;
  const graph::Graph& graph_;
  std::map<std::string, int32_t> node_;
  Plan plan_;
};

}  // namespace

Plan plan_of_file(const host::IntegerModel& file, const graph::Graph& graph) {
  return Reader(file, graph).run();
}

}  // namespace shrike::quantize
