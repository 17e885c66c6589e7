#include "toolchain/analyze/layers.h"

#include <algorithm>
#include <set>

#include "toolchain/host/tensors.h"
#include "toolchain/operators/operator.h"

namespace shrike::analyze {
namespace {

using quantize::IntegerNetwork;
using quantize::StoredVariable;

class Finder {
 public:
  Finder(const IntegerNetwork& file, const graph::Graph& graph) : file_(file), graph_(graph), links_(graph) {}

  bool is_own(const std::string& variable) const {
    const StoredVariable* found = file_.find(variable);
    return found != nullptr && found->comparable() && found->logical == variable;
  }

  // What `node` needs, walking back to variables that the float graph has. False when a path ends elsewhere.
  bool collect(int32_t node, std::set<int32_t>& nodes, std::set<std::string>& feeds) const {
    if (!nodes.insert(node).second) return true;
    for (int32_t i = 0; i < file_.model().node_input_count(node); ++i) {
      const std::string name = host::to_string(file_.model().node_input(node, i).name);
      const StoredVariable* variable = file_.find(name);
      if (variable == nullptr) continue;  // a parameter
      if (is_own(name)) {
        feeds.insert(name);
      } else if (variable->producer < 0 || !collect(variable->producer, nodes, feeds)) {
        return false;
      }
    }
    return true;
  }

  std::optional<quantize::Behind> behind(const std::string& tensor) const {
    return quantize::behind(graph_, links_, tensor);
  }

  // Whether the float network can compute the tensor from those given alone. Where the file reads a tensor
  // under another name (Transposes that undo one another), it can't.
  bool follows_from(std::set<std::string> given, const std::string& tensor) const {
    std::vector<std::string> wanted = {tensor};
    while (!wanted.empty()) {
      const std::string name = wanted.back();
      wanted.pop_back();
      if (name.empty() || graph_.tensor(name).constant || !given.insert(name).second) continue;
      const auto producer = links_.producer.find(name);
      if (producer == links_.producer.end() || producer->second < 0) return false;
      const graph::Node& node = graph_.nodes[static_cast<size_t>(producer->second)];
      wanted.insert(wanted.end(), node.inputs.begin(), node.inputs.end());
    }
    return true;
  }

  void find_suffix(Layer& layer) const {
    std::set<std::string> changed(layer.tensors.begin(), layer.tensors.end()), given;
    layer.first = static_cast<int>(graph_.nodes.size());
    for (size_t i = 0; i < graph_.nodes.size(); ++i) {
      const graph::Node& node = graph_.nodes[i];
      const bool affected = std::any_of(node.inputs.begin(), node.inputs.end(),
                                        [&](const std::string& name) { return changed.contains(name); });
      if (!affected) continue;
      layer.first = std::min(layer.first, static_cast<int>(i));
      changed.insert(node.outputs.begin(), node.outputs.end());
      for (const std::string& name : node.inputs) {
        if (!name.empty() && !graph_.tensor(name).constant) given.insert(name);
      }
    }
    for (const std::string& name : given) {
      if (!changed.contains(name)) layer.given.push_back(name);
    }
    for (size_t i = 0; i < graph_.outputs.size(); ++i) {
      if (changed.contains(graph_.outputs[i])) layer.reached.push_back(i);
    }
  }

 private:
  const IntegerNetwork& file_;
  const graph::Graph& graph_;
  graph::Links links_;
};

}  // namespace

bool is_computing(const std::string& op) {
  return operators::has_role(op, operators::Role::kWeighted) ||
         operators::has_role(op, operators::Role::kMatrix);
}

std::vector<Layer> find_layers(const quantize::IntegerNetwork& file, const graph::Graph& graph, Scope scope) {
  const Finder finder(file, graph);
  const InspectableModel& model = file.model();
  std::vector<Layer> layers;
  for (int32_t i = 0; i < model.input_count() && scope == Scope::kEveryNode; ++i) {
    const std::string name = host::to_string(model.input(i).name);
    if (!finder.is_own(name)) continue;
    Layer layer;
    layer.name = name;
    layer.op = "Input";
    layer.tensors = layer.feeds = {name};
    layer.behind = finder.behind(layer.tensors[0]);
    finder.find_suffix(layer);
    layers.push_back(std::move(layer));
  }
  for (int32_t node = 0; node < model.node_count(); ++node) {
    Layer layer;
    layer.name = host::to_string(model.node_name(node));
    layer.op = host::to_string(model.node_type(node));
    if (scope == Scope::kComputing && !is_computing(layer.op)) continue;
    for (int32_t i = 0; i < model.node_output_count(node); ++i) {
      const std::string name = host::to_string(model.node_output(node, i).name);
      if (finder.is_own(name)) layer.tensors.push_back(name);
    }
    std::set<int32_t> nodes;
    std::set<std::string> feeds;
    if (layer.tensors.empty() || !finder.collect(node, nodes, feeds)) continue;
    layer.file_nodes.assign(nodes.begin(), nodes.end());
    layer.feeds.assign(feeds.begin(), feeds.end());
    for (int32_t i = 0; i < model.node_input_count(node); ++i) {
      const TensorView input = model.node_input(node, i);
      const StoredVariable* variable = file.find(host::to_string(input.name));
      if (variable == nullptr) {
        layer.has_weights |= is_computing(layer.op) && input.type != DataType::kUndefined;
      } else if (variable->comparable()) {
        layer.reads.push_back(host::to_string(input.name));
      }
    }
    for (const std::string& name : layer.reads) feeds.insert(file.find(name)->logical);
    layer.has_weights = layer.has_weights && finder.follows_from(feeds, layer.tensors[0]);
    layer.behind = finder.behind(layer.tensors[0]);
    finder.find_suffix(layer);
    layers.push_back(std::move(layer));
  }
  return layers;
}

}  // namespace shrike::analyze
