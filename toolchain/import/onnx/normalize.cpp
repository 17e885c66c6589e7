#include "toolchain/import/onnx/normalize.h"

#include <string>
#include <utility>

#include "toolchain/graph/edit.h"

namespace shrike::graph {
namespace {

void set_input(Node& node, size_t slot, const std::string& name) {
  while (node.inputs.size() <= slot) node.inputs.emplace_back();
  node.inputs[slot] = name;
}

bool has_input(const Node& node, size_t slot) {
  return node.inputs.size() > slot && !node.inputs[slot].empty();
}

// attribute (a list of integers) -> constant input `slot`.
void integers_to_input(Graph& graph, Node& node, const std::string& key, size_t slot) {
  if (node.attributes.count(key) == 0) return;
  if (!has_input(node, slot)) {
    std::vector<int64_t> values = node.integers(key);
    const auto count = static_cast<int64_t>(values.size());
    set_input(node, slot, add_constant(graph, node.name + "/" + key, {count}, std::move(values)));
  }
  node.attributes.erase(key);
}

void float_to_input(Graph& graph, Node& node, const std::string& key, size_t slot) {
  if (node.attributes.count(key) == 0) return;
  if (!has_input(node, slot)) {
    set_input(node, slot,
              add_constant(graph, node.name + "/" + key, {}, std::vector<float>{node.real(key, 0)}));
  }
  node.attributes.erase(key);
}

// Upsample(x, scales) and Resize of opset 10 have the arithmetic of Resize with asymmetric coordinates.
void to_modern_resize(Graph& graph, Node& node) {
  if (const auto found = node.attributes.find("scales"); found != node.attributes.end()) {
    if (const auto* scales = std::get_if<std::vector<float>>(&found->second)) {
      set_input(node, 1,
                add_constant(graph, node.name + "/scales", {static_cast<int64_t>(scales->size())}, *scales));
    }
    node.attributes.erase("scales");
  }
  if (node.inputs.size() == 2) node.inputs.insert(node.inputs.begin() + 1, "");
  node.op = "Resize";
  node.attributes.emplace("coordinate_transformation_mode", std::string("asymmetric"));
  node.attributes.emplace("nearest_mode", std::string("floor"));
}

}  // namespace

void normalize_node(Graph& graph, Node& node, int64_t opset) {
  const std::string& op = node.op;
  if (op == "Split") integers_to_input(graph, node, "split", 1);
  if (op == "Squeeze" || op == "Unsqueeze" || op.starts_with("Reduce"))
    integers_to_input(graph, node, "axes", 1);
  if (op == "Slice") {
    integers_to_input(graph, node, "starts", 1);
    integers_to_input(graph, node, "ends", 2);
    integers_to_input(graph, node, "axes", 3);
  }
  if (op == "Clip") {
    float_to_input(graph, node, "min", 1);
    float_to_input(graph, node, "max", 2);
  }
  if (op == "Pad") {
    integers_to_input(graph, node, "pads", 1);
    float_to_input(graph, node, "value", 2);
    node.attributes.emplace("mode", std::string("constant"));
  }
  if (op == "Upsample" || (op == "Resize" && node.inputs.size() == 2)) to_modern_resize(graph, node);
  if (op == "Dropout") node.inputs.resize(1);
  if ((op == "Softmax" || op == "LogSoftmax") && opset < 13) {
    // Before opset 13 the default axis was 1, and all axes from there on were normalised together.
    node.attributes.emplace("axis", int64_t{1});
    node.attributes.emplace("flattens", int64_t{1});
  }
}

}  // namespace shrike::graph
