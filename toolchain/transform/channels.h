// What is known of every channel of a tensor, carried along nodes that move channels as they are.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "toolchain/graph/graph.h"
#include "toolchain/operators/operator.h"

namespace shrike::quantize {

// One entry a channel (axis 1), by tensor; nothing is known of tensors that are absent.
template <typename Entry>
using Channels = std::map<std::string, std::vector<Entry>>;

// Every value of an output's channel is one of the input's channel; an interpolating Resize mixes them.
inline bool keeps_values(const graph::Node& node) {
  const operators::Operator* row = operators::find(node.op);
  return row != nullptr && row->homogeneous && row->role == operators::Role::kCopy &&
         node.text("mode", "nearest") == "nearest";
}

// Fills in the outputs of Split and Concat along the channels, MaxPool, nearest Resize and Identity; a
// Concat's inputs of which nothing is known give `plain`. False for other nodes.
template <typename Entry>
bool carry(const graph::Graph& graph, const graph::Node& node, const Entry& plain,
           Channels<Entry>& channels) {
  const auto width = [&](const std::string& name) {
    const graph::Shape& shape = graph.tensor(name).shape;
    return shape.size() < 2 ? size_t{0} : static_cast<size_t>(shape[1]);
  };
  const bool known = [&] {
    for (const std::string& input : node.inputs) {
      if (channels.contains(input)) return true;
    }
    return false;
  }();
  if (keeps_values(node)) {
    if (known) channels[node.outputs[0]] = channels.at(node.inputs[0]);
    return true;
  }
  const bool split = node.op == "Split";
  if ((!split && !operators::has_role(node.op, operators::Role::kConcat)) || width(node.outputs[0]) == 0 ||
      node.integer("axis", 0) != 1)
    return false;
  if (!known) return true;
  if (split) {
    const std::vector<Entry> all = channels.at(node.inputs[0]);
    size_t begin = 0;
    for (const std::string& output : node.outputs) {
      channels[output].assign(all.begin() + begin, all.begin() + begin + width(output));
      begin += width(output);
    }
    return true;
  }
  std::vector<Entry> all;
  for (const std::string& input : node.inputs) {
    const auto found = channels.find(input);
    if (found != channels.end()) {
      all.insert(all.end(), found->second.begin(), found->second.end());
    } else {
      all.insert(all.end(), width(input), plain);
    }
  }
  channels[node.outputs[0]] = std::move(all);
  return true;
}

}  // namespace shrike::quantize
