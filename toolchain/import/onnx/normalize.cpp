#include "toolchain/import/onnx/normalize.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "toolchain/graph/edit.h"
#include "toolchain/support/error.h"

namespace shrike::graph {
namespace {

void set_input(Node& node, size_t slot, const std::string& name) {
  if (node.inputs.size() <= slot) node.inputs.resize(slot + 1);
  node.inputs[slot] = name;
}

bool has_input(const Node& node, size_t slot) {
  return node.inputs.size() > slot && !node.inputs[slot].empty();
}

class Normalizer {
 public:
  Normalizer(Graph& graph, int64_t opset, const std::string& file)
      : graph_(graph), names_(graph), opset_(opset), file_(file), read_(read_tensors(graph)) {}

  void run() {
    std::vector<Node> nodes;
    nodes.swap(graph_.nodes);
    for (Node& node : nodes) {
      refuse_other_meanings(node);
      for (const auto& [key, slot] : renames(node.op)) attribute_to_input(node, key, slot);
      for (const Rule rule : rules(node.op)) (this->*rule)(node);
      if (const auto chain = kChains.find(node.op); chain != kChains.end()) {
        add_chain(std::move(node), chain->second);
      } else {
        graph_.nodes.push_back(std::move(node));
      }
    }
  }

 private:
  using Rename = std::pair<const char*, size_t>;  // an attribute, and the input that it became
  using Rule = void (Normalizer::*)(Node&);

  // Operators of any number of tensors: the one that joins two, and whether their number divides the result.
  struct Chain {
    const char* op;
    bool averages;
  };
  inline static const std::map<std::string, Chain> kChains = {
      {"Sum", {"Add", false}}, {"Mean", {"Add", true}}, {"Max", {"Max", false}}, {"Min", {"Min", false}}};

  static std::set<std::string> read_tensors(const Graph& graph) {
    std::set<std::string> read(graph.outputs.begin(), graph.outputs.end());
    for (const Node& node : graph.nodes) read.insert(node.inputs.begin(), node.inputs.end());
    return read;
  }

  // What brings the forms of other opsets and exporters to today's, and refuses those that mean something
  // else.
  static const std::vector<Rule>& rules(const std::string& op) {
    using N = Normalizer;
    static const std::map<std::string, std::vector<Rule>> table = {
        {"BatchNormalization", {&N::refuse_training_statistics, &N::drop_unread_outputs}},
        {"CastLike", {&N::to_cast}},
        {"Dropout", {&N::drop_mask}},
        {"LayerNormalization", {&N::drop_unread_outputs}},
        {"LogSoftmax", {&N::flatten_before_13}},
        {"MaxPool", {&N::drop_unread_outputs}},
        {"Pad", {&N::pad_by_constant}},
        {"Resize", {&N::refuse_adaptive_resize, &N::to_modern_resize}},
        {"Softmax", {&N::flatten_before_13}},
        {"Swish", {&N::refuse_scaled_swish}},
        {"Upsample", {&N::to_modern_resize}},
    };
    static const std::vector<Rule> none;
    const auto found = table.find(op);
    return found == table.end() ? none : found->second;
  }

  // Which attributes became inputs, by operator.
  static const std::vector<Rename>& renames(const std::string& op) {
    static const std::map<std::string, std::vector<Rename>> table = {
        {"Split", {{"split", 1}}},
        {"Squeeze", {{"axes", 1}}},
        {"TopK", {{"k", 1}}},
        {"Unsqueeze", {{"axes", 1}}},
        {"Clip", {{"min", 1}, {"max", 2}}},
        {"Pad", {{"pads", 1}, {"value", 2}}},
        {"Slice", {{"starts", 1}, {"ends", 2}, {"axes", 3}}},
    };
    static const std::vector<Rename> reduction = {{"axes", 1}}, none;
    if (op.starts_with("Reduce")) return reduction;
    const auto found = table.find(op);
    return found == table.end() ? none : found->second;
  }

  template <typename... Args>
  [[noreturn]] void refuse(const Node& node, fmt::format_string<Args...> text, Args&&... args) const {
    fail("{}: node '{}' ({}): {}", file_, node.name, node.op, fmt::format(text, std::forward<Args>(args)...));
  }

  // Attributes that would change the meaning of whatever node has them.
  void refuse_other_meanings(const Node& node) const {
    if (node.integer("training_mode", 0) != 0) refuse_training(node);
    if (node.integer("block_size", 0) != 0)
      refuse(node, "quantisation in blocks is not supported; give the float model");
  }

  [[noreturn]] void refuse_training(const Node& node) const {
    refuse(node, "it is in training mode; export the model with model.eval()");
  }

  void refuse_training_statistics(Node& node) {
    if (node.integer("is_test", 1) == 0) refuse_training(node);
    if (node.integer("spatial", 1) == 0)
      refuse(node, "statistics for each pixel are not supported; export with opset 9 or newer");
  }

  void refuse_adaptive_resize(Node& node) {
    if (node.text("keep_aspect_ratio_policy", "stretch") != "stretch")
      refuse(node, "keep_aspect_ratio_policy is not supported; export with fixed sizes");
  }

  void to_cast(Node& node) { node.op = "Cast"; }  // to the type of its second input

  void refuse_scaled_swish(Node& node) {
    if (node.real("alpha", 1) != 1)
      refuse(node, "an alpha of 1 was expected, found {}", node.real("alpha", 1));
  }

  void pad_by_constant(Node& node) { node.attributes.emplace("mode", std::string("constant")); }

  // Before opset 13 the default axis was 1, and all axes from there on were normalised together.
  void flatten_before_13(Node& node) {
    if (opset_ >= 13) return;
    node.attributes.emplace("axis", int64_t{1});
    node.attributes.emplace("flattens", int64_t{1});
  }

  void attribute_to_input(Node& node, const std::string& key, size_t slot) {
    const auto found = node.attributes.find(key);
    if (found == node.attributes.end()) return;
    if (!has_input(node, slot)) set_input(node, slot, constant_of(node.name + "/" + key, node, key));
    node.attributes.erase(key);
  }

  std::string constant_of(const std::string& name, const Node& node, const std::string& key) {
    const Attribute& value = node.attributes.at(key);
    if (const auto* list = std::get_if<std::vector<int64_t>>(&value))
      return add_constant(graph_, names_, name, {static_cast<int64_t>(list->size())}, *list);
    if (const auto* number = std::get_if<float>(&value))
      return add_constant(graph_, names_, name, {}, std::vector<float>{*number});
    if (const auto* number = std::get_if<int64_t>(&value); number != nullptr && key == "k")
      return add_constant(graph_, names_, name, {1}, std::vector<int64_t>{*number});
    refuse(node, "the attribute '{}' has a type that was not expected; export the model again", key);
  }

  // Upsample(x, scales) and Resize of opset 10 have the arithmetic of Resize with asymmetric coordinates.
  void to_modern_resize(Node& node) {
    const bool is_modern = node.op != "Upsample" && node.inputs.size() != 2;
    if (is_modern) return;
    if (const auto found = node.attributes.find("scales"); found != node.attributes.end()) {
      if (const auto* scales = std::get_if<std::vector<float>>(&found->second)) {
        set_input(node, 1,
                  add_constant(graph_, names_, node.name + "/scales", {static_cast<int64_t>(scales->size())},
                               *scales));
      }
      node.attributes.erase("scales");
    }
    if (node.inputs.size() == 2) node.inputs.insert(node.inputs.begin() + 1, "");
    node.op = "Resize";
    node.attributes.emplace("coordinate_transformation_mode", std::string("asymmetric"));
    node.attributes.emplace("nearest_mode", std::string("floor"));
  }

  // Results beside the first that only training reads.
  void drop_unread_outputs(Node& node) {
    while (node.outputs.size() > 1 && read_.count(node.outputs.back()) == 0) drop_last_output(node);
  }

  // Outside of training a Dropout's mask is true everywhere.
  void drop_mask(Node& node) {
    node.inputs.resize(1);
    if (node.outputs.size() < 2) return;
    const std::string mask = node.outputs[1], data = node.inputs[0];
    if (read_.count(mask) == 0) return drop_last_output(node);
    node.outputs.resize(1);
    const std::string shape = names_.take(mask + "_shape");
    graph_.tensors[shape].name = shape;
    graph_.nodes.push_back({names_.take(node.name + "/shape"), "Shape", {data}, {shape}, {}});
    const std::string yes = add_constant(graph_, names_, mask + "_value", {1}, std::vector<int64_t>{1});
    graph_.nodes.push_back({names_.take(node.name + "/mask"), "ConstantOfShape", {shape, yes}, {mask}, {}});
  }

  void drop_last_output(Node& node) {
    graph_.tensors.erase(node.outputs.back());
    node.outputs.pop_back();
  }

  // Sum(a, b, c) -> Add(Add(a, b), c); Mean divides the sum at the end; one input alone is copied.
  void add_chain(Node node, const Chain& chain) {
    const size_t count = node.inputs.size();
    if (std::find(node.inputs.begin(), node.inputs.end(), "") != node.inputs.end())
      refuse(node, "all of its inputs were expected to be there; export the model again");
    if (count == 1) {
      node.op = "Identity";
      graph_.nodes.push_back(std::move(node));
      return;
    }
    const std::string result = node.outputs.at(0);
    std::string so_far = node.inputs[0];
    for (size_t i = 1; i < count; ++i) {
      const bool last = i + 1 == count && !chain.averages;
      const std::string made = last ? result : new_tensor(result + "_part");
      graph_.nodes.push_back({last ? node.name : names_.take(node.name + "_part"),
                              chain.op,
                              {so_far, node.inputs[i]},
                              {made},
                              {}});
      so_far = made;
    }
    if (!chain.averages) return;
    const std::string share = add_constant(graph_, names_, node.name + "/share", {},
                                           std::vector<float>{1.0f / static_cast<float>(count)});
    graph_.nodes.push_back({node.name, "Mul", {so_far, share}, {result}, {}});
  }

  std::string new_tensor(const std::string& stem) {
    const std::string name = names_.take(stem);
    graph_.tensors[name].name = name;
    return name;
  }

  Graph& graph_;
  FreshNames names_;
  int64_t opset_;
  const std::string& file_;
  std::set<std::string> read_;  // tensors that a node or the caller reads
};

}  // namespace

void normalize(Graph& graph, int64_t opset, const std::string& file) {
  Normalizer(graph, opset, file).run();
}

}  // namespace shrike::graph
