#include "toolchain/import/onnx/dequantize.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <vector>

#include "toolchain/graph/range_hints.h"
#include "toolchain/support/error.h"

namespace shrike::graph {
namespace {

class Dequantizer {
 public:
  Dequantizer(Graph& graph, const std::map<std::string, IntegerRange>& ranges, const std::string& file)
      : graph_(graph), ranges_(ranges), file_(file) {}

  void run() {
    std::vector<Node> kept;
    for (Node& node : graph_.nodes) {
      if (computes_on_integers(node.op)) {
        refuse(node, "it computes on integers; give the float model, or quantise it in the QDQ format");
      }
      const bool quantizes = node.op == "QuantizeLinear", dequantizes = node.op == "DequantizeLinear";
      if ((quantizes && round_constant(node)) || (dequantizes && restore_constant(node))) {
        left_over_.insert(node.inputs.begin(), node.inputs.end());
        continue;
      }
      if (quantizes || dequantizes) left_over_.insert(node.inputs.begin() + 1, node.inputs.end());
      if (quantizes) add_hint(node);
      if (quantizes || dequantizes) {
        steps_of(node);  // refuses what is not constant
        node = {node.name, "Identity", {node.inputs[0]}, node.outputs, {}};
      }
      kept.push_back(std::move(node));
    }
    graph_.nodes = std::move(kept);
    drop_left_over();
  }

 private:
  // Per tensor (one entry) or per slice along `axis`.
  struct Steps {
    std::vector<float> scale;
    std::vector<int64_t> zero_point;
    IntegerRange range;
    size_t axis = 0;
  };

  static bool computes_on_integers(const std::string& op) {
    static const std::set<std::string> ops = {"QLinearConv", "QLinearMatMul", "ConvInteger", "MatMulInteger",
                                              "DynamicQuantizeLinear"};
    return ops.count(op) > 0;
  }

  // Scales, zero points and integers that nothing reads any more.
  void drop_left_over() {
    std::set<std::string> used(graph_.outputs.begin(), graph_.outputs.end());
    for (const Node& node : graph_.nodes) used.insert(node.inputs.begin(), node.inputs.end());
    for (const std::string& name : left_over_) {
      if (used.count(name) == 0 && !name.empty() && graph_.tensor(name).constant) graph_.tensors.erase(name);
    }
  }

  template <typename... Args>
  [[noreturn]] void refuse(const Node& node, fmt::format_string<Args...> text, Args&&... args) const {
    fail("{}: node '{}' ({}): {}", file_, node.name, node.op, fmt::format(text, std::forward<Args>(args)...));
  }

  Steps steps_of(const Node& node) const {
    Steps steps;
    const Tensor& scale = graph_.tensor(node.inputs.at(1));
    if (!scale.constant || scale.type != ElementType::kFloat || scale.values.empty())
      refuse(node, "a constant scale was expected; give the float model");
    steps.scale = scale.values;
    for (const float value : steps.scale) {
      if (!std::isfinite(value) || value <= 0)
        refuse(node, "positive scales were expected, '{}' holds {}; give the float model", scale.name, value);
    }
    steps.zero_point.assign(steps.scale.size(), 0);
    if (node.inputs.size() > 2 && !node.inputs[2].empty()) {
      const Tensor& zero = graph_.tensor(node.inputs[2]);
      if (!zero.constant || zero.integers.size() != steps.scale.size())
        refuse(node, "a constant zero point for each of {} scales was expected; give the float model",
               steps.scale.size());
      steps.zero_point = zero.integers;
      if (const auto found = ranges_.find(zero.name); found != ranges_.end()) steps.range = found->second;
    }
    steps.axis = static_cast<size_t>(node.integer("axis", 1));
    return steps;
  }

  // Calls visit(element, scale, zero point) for every element of `tensor`.
  template <typename Visit>
  void for_each(const Node& node, const Tensor& tensor, const Steps& steps, Visit visit) const {
    const auto count = static_cast<size_t>(tensor.elements());
    size_t inner = count, slices = 1;
    if (steps.scale.size() > 1) {
      const auto rank = tensor.shape.size();
      const int64_t stated = node.integer("axis", 1);
      const int64_t axis = stated < 0 ? stated + static_cast<int64_t>(rank) : stated;
      if (axis < 0 || axis >= static_cast<int64_t>(rank) ||
          tensor.shape[static_cast<size_t>(axis)] != static_cast<int64_t>(steps.scale.size())) {
        refuse(node, "{} scales do not fit the shape [{}] on axis {}", steps.scale.size(),
               fmt::join(tensor.shape, ","), stated);
      }
      slices = steps.scale.size();
      inner = 1;
      for (size_t i = static_cast<size_t>(axis) + 1; i < rank; ++i)
        inner *= static_cast<size_t>(tensor.shape[i]);
    }
    for (size_t i = 0; i < count; ++i) {
      const size_t slice = i / inner % slices;
      visit(i, steps.scale[slice], steps.zero_point[slice]);
    }
  }

  // QuantizeLinear of a constant: its integers, for the DequantizeLinear behind it.
  bool round_constant(const Node& node) {
    const Tensor input = graph_.tensor(node.inputs.at(0));
    if (!input.constant || input.type != ElementType::kFloat) return false;
    const Steps steps = steps_of(node);
    Tensor& output = graph_.tensor(node.outputs[0]);
    output.constant = true;
    output.type = ElementType::kInt64;
    output.shape = input.shape;
    output.integers.resize(input.values.size());
    for_each(node, input, steps, [&](size_t i, float scale, int64_t zero) {
      const float units = std::nearbyint(input.values[i] / scale) + static_cast<float>(zero);
      output.integers[i] = static_cast<int64_t>(
          std::clamp(units, static_cast<float>(steps.range.lowest), static_cast<float>(steps.range.highest)));
    });
    return true;
  }

  bool restore_constant(const Node& node) {
    const Tensor input = graph_.tensor(node.inputs.at(0));
    if (!input.constant) return false;
    if (input.type != ElementType::kInt64) refuse(node, "integers were expected in '{}'", input.name);
    const Steps steps = steps_of(node);
    Tensor& output = graph_.tensor(node.outputs[0]);
    output.constant = true;
    output.type = ElementType::kFloat;
    output.shape = input.shape;
    output.values.resize(input.integers.size());
    for_each(node, input, steps, [&](size_t i, float scale, int64_t zero) {
      output.values[i] = static_cast<float>(input.integers[i] - zero) * scale;
    });
    return true;
  }

  void add_hint(const Node& node) {
    const Steps steps = steps_of(node);
    if (steps.scale.size() != 1)
      refuse(node, "one scale for the whole activation was expected; give the float model");
    const auto bound = [&](int64_t units) {
      return static_cast<float>(units - steps.zero_point[0]) * steps.scale[0];
    };
    add_range_hint(graph_, node.inputs[0], {bound(steps.range.lowest), bound(steps.range.highest)});
  }

  Graph& graph_;
  const std::map<std::string, IntegerRange>& ranges_;
  const std::string& file_;
  std::set<std::string> left_over_;
};

}  // namespace

void dequantize(Graph& graph, const std::map<std::string, IntegerRange>& ranges, const std::string& file) {
  Dequantizer(graph, ranges, file).run();
}

}  // namespace shrike::graph
