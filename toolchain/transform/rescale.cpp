#include "toolchain/transform/rescale.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <optional>

#include "toolchain/graph/activation.h"
#include "toolchain/graph/edit.h"
#include "toolchain/heads/head.h"
#include "toolchain/operators/operator.h"
#include "toolchain/rounding/weights.h"
#include "toolchain/support/error.h"
#include "toolchain/support/json.h"
#include "toolchain/transform/channels.h"

namespace shrike::quantize {
namespace {

struct Channel {
  float scale = 1, offset = 0;
  bool operator==(const Channel&) const = default;
};

class Rescaler {
 public:
  Rescaler(graph::Graph& graph, const Rescaling& rescaling) : graph_(graph), rescaling_(rescaling) {}

  void run() {
    graph::split_shared_constants(graph_);
    size_t used = 0;
    for (graph::Node& node : graph_.nodes) {
      const bool is_convolution = operators::is_convolution(node);
      if (is_convolution && channels_.contains(node.inputs[0])) absorb(node);
      const auto found = rescaling_.find(node.name);
      if (found != rescaling_.end()) {
        ++used;
        set(node, found->second);
      } else if (!is_convolution) {
        pass_on(node);
      }
    }
    if (used != rescaling_.size()) fail("{}: names nodes that the model has not", kRescalingKey);
    insert_pads();
    for (const std::string& output : graph_.outputs) {
      if (channels_.contains(output)) check_output(output);
    }
    for (const auto& [name, channels] : channels_) {
      graph::Tensor& tensor = graph_.tensor(name);
      for (const Channel& channel : channels) {
        tensor.scales.push_back(channel.scale);
        tensor.offsets.push_back(channel.offset);
      }
    }
  }

 private:
  // What reads the file takes outputs for what the model's are; a softmax does not see a shift.
  void check_output(const std::string& output) const {
    const std::optional<heads::Head> head = heads::named(graph_);
    const bool may_shift = head && heads::is_side_logits(*head, output);
    const std::vector<Channel>& channels = channels_.at(output);
    for (const Channel& channel : channels) {
      if (!may_shift || channel.scale != 1 || channel.offset != channels.front().offset)
        fail("{}: the output '{}' can't be rescaled", kRescalingKey, output);
    }
  }

  static size_t channel_count(const graph::Tensor& tensor) { return static_cast<size_t>(tensor.shape.at(1)); }

  // The weights take up what was done to the input.
  void absorb(graph::Node& node) {
    const std::vector<Channel>& input = channels_.at(node.inputs[0]);
    const std::vector<int64_t> pads = node.integers("pads");
    const bool padded = std::any_of(pads.begin(), pads.end(), [](int64_t pad) { return pad != 0; });
    const bool shifted =
        std::any_of(input.begin(), input.end(), [](const Channel& channel) { return channel.offset != 0; });
    if (padded && shifted) pad_before(node, input, pads);
    graph::Tensor& weight = graph_.tensor(node.inputs[1]);
    const int64_t outputs = weight.shape[0], inputs = weight.shape[1];
    const int64_t kernel = weight.elements() / (outputs * inputs);
    const int64_t group_outputs = outputs / node.integer("group", 1);
    std::vector<float>& bias = bias_of(node);
    for (int64_t output = 0; output < outputs; ++output) {
      double shift = 0;
      for (int64_t i = 0; i < inputs; ++i) {
        const Channel& channel = input[static_cast<size_t>(output / group_outputs * inputs + i)];
        float* const taps = &weight.values[static_cast<size_t>((output * inputs + i) * kernel)];
        for (int64_t k = 0; k < kernel; ++k) {
          taps[k] /= channel.scale;
          shift += static_cast<double>(taps[k]) * channel.offset;
        }
      }
      bias[static_cast<size_t>(output)] -= static_cast<float>(shift);
    }
  }

  // A Pad takes the padding over: the shifted zero is another value.
  void pad_before(graph::Node& node, const std::vector<Channel>& input, const std::vector<int64_t>& pads) {
    const std::string source = node.inputs[0];
    const float zero = input.front().offset;
    const size_t axes = pads.size() / 2;
    if (std::any_of(input.begin(), input.end(), [&](const Channel& c) { return c.offset != zero; }))
      fail("{}: '{}' pads channels that are shifted differently", kRescalingKey, node.name);
    std::string& padded = padded_[{source, pads}];
    if (padded.empty()) {
      padded = graph::add_variable(graph_, source, source + "_padded");
      for (size_t i = 0; i < axes; ++i) graph_.tensor(padded).shape[i + 2] += pads[i] + pads[i + axes];
      channels_[padded] = input;
      std::vector<int64_t> all(2 * (axes + 2), 0);
      for (size_t i = 0; i < axes; ++i) {
        all[2 + i] = pads[i];
        all[2 + axes + 2 + i] = pads[i + axes];
      }
      graph::Node pad;
      pad.name = graph_.fresh_name(padded + "/Pad");
      pad.op = "Pad";
      const auto count = static_cast<int64_t>(all.size());
      pad.inputs = {source, graph::add_constant(graph_, pad.name + "/pads", {count}, std::move(all)),
                    graph::add_constant(graph_, pad.name + "/value", {}, std::vector<float>{zero})};
      pad.outputs = {padded};
      pads_before_[node.name].push_back(std::move(pad));
    }
    node.inputs[0] = padded;
    node.attributes["pads"] = std::vector<int64_t>(pads.size(), 0);
  }

  void insert_pads() {
    std::vector<graph::Node> nodes = std::move(graph_.nodes);
    graph_.nodes.clear();
    for (graph::Node& node : nodes) {
      if (const auto pads = pads_before_.find(node.name); pads != pads_before_.end())
        std::move(pads->second.begin(), pads->second.end(), std::back_inserter(graph_.nodes));
      graph_.nodes.push_back(std::move(node));
    }
  }

  std::vector<float>& bias_of(graph::Node& node) {
    if (node.inputs.size() < 3 || node.inputs[2].empty()) {
      const std::vector<float> zeros = bias_values(graph_, node);
      node.inputs.resize(3);
      node.inputs[2] =
          graph::add_constant(graph_, node.name + ".bias", {static_cast<int64_t>(zeros.size())}, zeros);
    }
    return graph_.tensor(node.inputs[2]).values;
  }

  void scale_outputs(graph::Node& convolution, float scale, float offset) {
    for (float& weight : graph_.tensor(convolution.inputs[1]).values) weight *= scale;
    for (float& bias : bias_of(convolution)) bias = bias * scale + offset;
  }

  void set(graph::Node& node, const Rescale& wanted) {
    if (operators::is_convolution(node)) {
      scale_outputs(node, wanted.output_scale, wanted.output_offset);
    } else if (graph::is_activation(node.op)) {
      const std::string& input = node.inputs[0];
      if (wanted.input_scale != 1 || wanted.input_offset != 0) {
        const int producer = graph_.producer(input);
        if (producer < 0 || !operators::is_convolution(graph_.nodes[static_cast<size_t>(producer)]))
          fail("{}: '{}' does not follow a convolution", kRescalingKey, node.name);
        scale_outputs(graph_.nodes[static_cast<size_t>(producer)], wanted.input_scale, wanted.input_offset);
        channels_[input].assign(channel_count(graph_.tensor(input)),
                                {wanted.input_scale, wanted.input_offset});
      }
      node.attributes[graph::kInputScale] = wanted.input_scale;
      node.attributes[graph::kInputOffset] = wanted.input_offset;
      node.attributes[graph::kOutputScale] = wanted.output_scale;
      node.attributes[graph::kOutputOffset] = wanted.output_offset;
    } else {
      fail("{}: '{}' is a {}, neither a convolution nor an activation", kRescalingKey, node.name, node.op);
    }
    if (wanted.output_scale == 1 && wanted.output_offset == 0) return;
    channels_[node.outputs[0]].assign(channel_count(graph_.tensor(node.outputs[0])),
                                      {wanted.output_scale, wanted.output_offset});
  }

  void pass_on(const graph::Node& node) {
    if (carry(graph_, node, Channel{}, channels_)) return;
    const bool known = std::any_of(node.inputs.begin(), node.inputs.end(),
                                   [&](const std::string& input) { return channels_.contains(input); });
    if (!known) return;
    if (operators::find(node.op)->homogeneous && operators::is_function(graph_, node)) {
      channels_[node.outputs[0]] = channels_.at(node.inputs[0]);
    } else if (operators::has_role(node.op, operators::Role::kSum) && channels_.contains(node.inputs[0]) &&
               channels_.contains(node.inputs[1])) {
      const auto sign = static_cast<float>(operators::find(node.op)->with_constant(1).shift);
      std::vector<Channel> sum = channels_.at(node.inputs[0]);
      const std::vector<Channel>& other = channels_.at(node.inputs[1]);
      for (size_t i = 0; i < sum.size(); ++i) {
        if (i >= other.size() || sum[i].scale != other[i].scale)
          fail("{}: '{}' adds tensors of different scales", kRescalingKey, node.name);
        sum[i].offset += sign * other[i].offset;
      }
      channels_[node.outputs[0]] = std::move(sum);
    } else {
      fail("{}: '{}' ({}) can't take up scales", kRescalingKey, node.name, node.op);
    }
  }

  graph::Graph& graph_;
  const Rescaling& rescaling_;
  Channels<Channel> channels_;
  std::map<std::pair<std::string, std::vector<int64_t>>, std::string> padded_;  // tensor and pads
  std::map<std::string, std::vector<graph::Node>> pads_before_;                 // by the first reader
};

}  // namespace

void rescale(graph::Graph& graph, const Rescaling& rescaling) {
  if (!rescaling.empty()) Rescaler(graph, rescaling).run();
}

std::string rescaling_text(const Rescaling& rescaling) {
  nlohmann::json json = nlohmann::json::object();
  for (const auto& [node, r] : rescaling)
    json[node] = {r.input_scale, r.input_offset, r.output_scale, r.output_offset};
  return compact_text(json);
}

Rescaling parse_rescaling(const std::string& text) {
  Rescaling rescaling;
  if (text.empty()) return rescaling;
  const nlohmann::json json = parse_json(text);
  const auto refuse = [] { fail("metadata {}: expected four numbers for each node", kRescalingKey); };
  if (!json.is_object()) refuse();
  for (const auto& [node, values] : json.items()) {
    if (!values.is_array() || values.size() != 4) refuse();
    for (const nlohmann::json& value : values) {
      if (!value.is_number()) refuse();
    }
    const Rescale r = {values[0].get<float>(), values[1].get<float>(), values[2].get<float>(),
                       values[3].get<float>()};
    if (!(r.input_scale > 0) || !(r.output_scale > 0)) refuse();
    rescaling[node] = r;
  }
  return rescaling;
}

}  // namespace shrike::quantize
