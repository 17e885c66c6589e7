#include "toolchain/pipeline/check_values.h"

#include <cmath>

#include "toolchain/support/error.h"

namespace shrike::quantize {
namespace {

// The coarsest activation format, 2^24, reaches 127.5 * 2^24.
constexpr float kLargest = 2147483648.0f;

// Its attributes and further inputs limit or fill: they are as good at infinity.
bool has_bounds(const graph::Node& node) {
  return node.op == "Clip" || node.op == "Pad";
}

bool is_usable(float value, bool may_be_infinite) {
  return may_be_infinite ? !std::isnan(value) : std::fabs(value) <= kLargest;
}

[[noreturn]] void refuse(const graph::Node& node, const std::string& what, float value) {
  fail(
      "node '{}' ({}): {} holds {}; finite numbers up to 2^31 were expected, because no format reaches "
      "further: "
      "export the model again, or cut the network before this node with --outputs",
      node.name, node.op, what, value);
}

void check_attributes(const graph::Node& node) {
  for (const auto& [key, attribute] : node.attributes) {
    std::vector<float> values;
    if (const auto* value = std::get_if<float>(&attribute)) values = {*value};
    if (const auto* list = std::get_if<std::vector<float>>(&attribute)) values = *list;
    for (const float value : values) {
      if (!is_usable(value, has_bounds(node))) refuse(node, fmt::format("attribute '{}'", key), value);
    }
  }
}

}  // namespace

void check_values(const graph::Graph& graph) {
  for (const auto& [name, tensor] : graph.tensors) {
    for (const int64_t size : tensor.shape) {
      if (size == 0 && !tensor.constant) {
        fail("tensor '{}' has the shape [{}], without any element; export the model with another input size",
             name, fmt::join(tensor.shape, ","));
      }
    }
  }
  for (const graph::Node& node : graph.nodes) {
    check_attributes(node);
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      if (node.inputs[i].empty() || !graph.tensor(node.inputs[i]).constant) continue;
      for (const float value : graph.tensor(node.inputs[i]).values) {
        if (!is_usable(value, i > 0 && has_bounds(node)))
          refuse(node, fmt::format("constant '{}'", node.inputs[i]), value);
      }
    }
  }
}

}  // namespace shrike::quantize
