#include "toolchain/transform/channel_ties.h"

#include <algorithm>

#include "toolchain/operators/operator.h"
#include "toolchain/transform/channels.h"

namespace shrike::quantize {
namespace {

bool is_data(const graph::Graph& graph, const std::string& tensor) {
  return !tensor.empty() && !graph.tensor(tensor).constant;
}

bool has_constant_filters(const graph::Graph& graph, const graph::Node& node) {
  if (!operators::is_convolution(node)) return false;
  for (size_t i = 1; i < node.inputs.size(); ++i) {
    if (is_data(graph, node.inputs[i])) return false;
  }
  return is_data(graph, node.inputs[0]);
}

// Each element of the output comes from the same channel of every variable that is read.
bool is_channelwise(const graph::Graph& graph, const graph::Node& node) {
  const operators::Operator* row = operators::find(node.op);
  if (row == nullptr || node.outputs.size() != 1) return false;
  if (operators::is_function(graph, node) || keeps_values(node) || is_depthwise_convolution(graph, node))
    return true;
  if (node.inputs.size() == 1) return row->homogeneous;
  return row->binary.reals != nullptr && node.inputs.size() == 2 && is_data(graph, node.inputs[0]) &&
         is_data(graph, node.inputs[1]);
}

bool ties_equal_channels(const graph::Graph& graph, const graph::Node& node,
                         const std::function<void(const ChannelTie&)>& visit) {
  const size_t rank = graph.tensor(node.outputs[0]).shape.size();
  const int64_t channels = channel_count(graph, node.outputs[0]);
  for (const std::string& input : node.inputs) {
    if (is_data(graph, input) &&
        (channel_count(graph, input) != channels || graph.tensor(input).shape.size() != rank))
      return false;
  }
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    for (int64_t c = 0; is_data(graph, node.inputs[i]) && c < channels; ++c) visit({i, c, 0, c});
  }
  return channels > 0;
}

}  // namespace

bool for_each_part_tie(const graph::Graph& graph, const graph::Node& node,
                       const std::function<void(const ChannelTie&)>& visit) {
  const bool splits = node.op == "Split";
  if (!splits && !operators::has_role(node.op, operators::Role::kConcat)) return false;
  if (node.integer("axis", 0) != 1 || channel_count(graph, node.outputs[0]) == 0) return false;
  const std::vector<std::string>& parts = splits ? node.outputs : node.inputs;
  int64_t begin = 0;
  for (size_t i = 0; i < parts.size(); ++i) {
    const int64_t channels = channel_count(graph, parts[i]);
    for (int64_t c = 0; c < channels; ++c) {
      if (splits) {
        visit({0, begin + c, i, c});
      } else {
        visit({i, c, 0, begin + c});
      }
    }
    begin += channels;
  }
  return true;
}

int64_t channel_count(const graph::Graph& graph, const std::string& tensor) {
  const graph::Shape& shape = graph.tensor(tensor).shape;
  return shape.size() < 2 ? 0 : shape[1];
}

bool is_dense_convolution(const graph::Graph& graph, const graph::Node& node) {
  return has_constant_filters(graph, node) && node.integer("group", 1) == 1;
}

bool is_depthwise_convolution(const graph::Graph& graph, const graph::Node& node) {
  if (!has_constant_filters(graph, node)) return false;
  const int64_t channels = channel_count(graph, node.inputs[0]);
  return channels > 1 && node.integer("group", 1) == channels &&
         channel_count(graph, node.outputs[0]) == channels;
}

bool for_each_tie(const graph::Graph& graph, const graph::Node& node,
                  const std::function<void(const ChannelTie&)>& visit) {
  if (is_channelwise(graph, node)) return ties_equal_channels(graph, node, visit);
  // A constant's channels stay where they are.
  const bool joins_constant = operators::has_role(node.op, operators::Role::kConcat) &&
                              std::any_of(node.inputs.begin(), node.inputs.end(),
                                          [&](const std::string& input) { return !is_data(graph, input); });
  if (joins_constant) return false;
  return for_each_part_tie(graph, node, visit);
}

}  // namespace shrike::quantize
