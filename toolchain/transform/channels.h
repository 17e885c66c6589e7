// What is known of every channel of a tensor, carried along nodes that move channels as they are.
#pragma once
#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "toolchain/graph/graph.h"
#include "toolchain/operators/operator.h"
#include "toolchain/transform/channel_ties.h"

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
// Concat's inputs of which nothing is known give `plain`, and an output of which all is plain is not known.
// False for other nodes.
template <typename Entry>
bool carry(const graph::Graph& graph, const graph::Node& node, const Entry& plain,
           Channels<Entry>& channels) {
  const bool known = std::any_of(node.inputs.begin(), node.inputs.end(),
                                 [&](const std::string& input) { return channels.contains(input); });
  if (keeps_values(node)) {
    if (known) channels[node.outputs[0]] = channels.at(node.inputs[0]);
    return true;
  }
  Channels<Entry> made;
  const bool parts = for_each_part_tie(graph, node, [&](const ChannelTie& tie) {
    if (!known) return;
    const std::string& output = node.outputs[tie.output];
    std::vector<Entry>& entries = made[output];
    entries.resize(static_cast<size_t>(channel_count(graph, output)), plain);
    const auto found = channels.find(node.inputs[tie.input]);
    if (found != channels.end())
      entries[static_cast<size_t>(tie.output_channel)] =
          found->second[static_cast<size_t>(tie.input_channel)];
  });
  for (auto& [output, entries] : made) {
    const bool unknown =
        std::all_of(entries.begin(), entries.end(), [&](const Entry& entry) { return entry == plain; });
    if (!unknown) channels[output] = std::move(entries);
  }
  return parts;
}

}  // namespace shrike::quantize
