#include "toolchain/transform/channel_groups.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <tuple>
#include <utility>

#include "toolchain/cost/graph_time.h"
#include "toolchain/graph/edit.h"
#include "toolchain/measure/behind.h"
#include "toolchain/pipeline/recipe.h"
#include "toolchain/support/error.h"
#include "toolchain/support/json.h"
#include "toolchain/support/model_limits.h"
#include "toolchain/transform/channel_ties.h"

namespace shrike::quantize {
namespace {

using Order = std::vector<int64_t>;

// Of all tensors together; networks with more are far beyond these chips, and their channels are not sorted.
constexpr int64_t kMostChannels = int64_t{1} << 18;

// `values` is `blocks` times a row for each channel, of equal length: rows get their new places.
void reorder(std::vector<float>& values, size_t blocks, const Order& order) {
  const size_t row = values.size() / blocks / order.size();
  const std::vector<float> old = values;
  auto to = values.begin();
  for (size_t block = 0; block < blocks; ++block) {
    for (const int64_t channel : order) {
      const auto from = old.begin() + static_cast<std::ptrdiff_t>(
                                          (block * order.size() + static_cast<size_t>(channel)) * row);
      to = std::copy(from, from + static_cast<std::ptrdiff_t>(row), to);
    }
  }
}

// Moves channels through the graph, from the convolutions that make them to those that read them.
class Reordering {
 public:
  Reordering(graph::Graph& graph, const Grouping& grouping) : graph_(graph), grouping_(grouping) {}

  void run() {
    size_t used = 0;
    for (const graph::Node& node : graph_.nodes) {
      const auto found = grouping_.find(node.name);
      if (is_dense_convolution(graph_, node)) {
        if (const Order* input = order_of(node.inputs[0]))
          reorder(graph_.tensor(node.inputs[1]).values,
                  static_cast<size_t>(graph_.tensor(node.inputs[1]).shape[0]), *input);
        if (found == grouping_.end()) continue;
        ++used;
        set(node, found->second.order);
      } else {
        hand_on(node);
        if (is_depthwise_convolution(graph_, node)) {
          if (const Order* output = order_of(node.outputs[0])) reorder_filters(node, *output);
        }
      }
    }
    if (used != grouping_.size()) fail("{}: names convolutions that the model has not", kGroupsKey);
    for (const std::string& output : graph_.outputs) {
      if (order_of(output) != nullptr)
        fail("{}: the channels of output '{}' have to stay in place", kGroupsKey, output);
    }
  }

 private:
  // Null: as they are.
  const Order* order_of(const std::string& tensor) const {
    const auto found = orders_.find(tensor);
    return found == orders_.end() ? nullptr : &found->second;
  }

  void remember(const std::string& tensor, Order order) {
    if (!std::is_sorted(order.begin(), order.end())) orders_[tensor] = std::move(order);
  }

  void set(const graph::Node& node, const Order& order) {
    Order sorted = order;
    std::sort(sorted.begin(), sorted.end());
    Order all(static_cast<size_t>(channel_count(graph_, node.outputs[0])));
    std::iota(all.begin(), all.end(), 0);
    if (sorted != all)
      fail("{}: the order of '{}' is none of its {} channels", kGroupsKey, node.name, all.size());
    reorder_filters(node, order);
    remember(node.outputs[0], order);
  }

  void reorder_filters(const graph::Node& node, const Order& order) {
    reorder(graph_.tensor(node.inputs[1]).values, 1, order);
    if (node.inputs.size() > 2 && !node.inputs[2].empty())
      reorder(graph_.tensor(node.inputs[2]).values, 1, order);
  }

  void hand_on(const graph::Node& node) {
    const bool moved = std::any_of(node.inputs.begin(), node.inputs.end(),
                                   [&](const std::string& input) { return order_of(input) != nullptr; });
    if (!moved) return;
    const auto refuse = [&] {
      fail("{}: '{}' ({}) can't take its channels in another order", kGroupsKey, node.name, node.op);
    };
    std::vector<std::map<int64_t, std::pair<size_t, int64_t>>> goes_to(node.inputs.size());
    const auto note = [&](const ChannelTie& tie) {
      goes_to[tie.input][tie.input_channel] = {tie.output, tie.output_channel};
    };
    if (!for_each_tie(graph_, node, note)) refuse();
    std::vector<Order> outputs;
    for (const std::string& output : node.outputs)
      outputs.emplace_back(static_cast<size_t>(channel_count(graph_, output)), kNobody);
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      const Order* const order = order_of(node.inputs[i]);
      for (const auto& [place, target] : goes_to[i]) {
        const auto& [output, channel] =
            order == nullptr ? target : goes_to[i].at((*order)[static_cast<size_t>(place)]);
        int64_t& now = outputs[target.first][static_cast<size_t>(target.second)];
        if (output != target.first || (now != kNobody && now != channel)) refuse();
        now = channel;
      }
    }
    for (size_t i = 0; i < outputs.size(); ++i) remember(node.outputs[i], std::move(outputs[i]));
  }

  static constexpr int64_t kNobody = -1;

  graph::Graph& graph_;
  const Grouping& grouping_;
  std::map<std::string, Order> orders_;
};

// Cuts convolutions whose channels are in order.
class Division {
 public:
  Division(graph::Graph& graph, const Grouping& grouping)
      : graph_(graph), links_(graph), names_(graph), grouping_(grouping) {}

  void run() {
    std::vector<graph::Node> nodes;
    std::set<std::string> gone;  // activations that went with their convolutions
    for (const graph::Node& node : graph_.nodes) {
      const auto found = grouping_.find(node.name);
      if (found != grouping_.end() && found->second.sizes.size() > 1) {
        const graph::Node* const function = activation_behind(graph_, links_, node.outputs[0]);
        if (function != nullptr) gone.insert(function->name);
        divide(node, function, found->second.sizes, nodes);
      } else if (!gone.contains(node.name)) {
        nodes.push_back(node);
      }
    }
    graph_.nodes = std::move(nodes);
    graph::erase_nodes(graph_, {});
  }

 private:
  void divide(const graph::Node& node, const graph::Node* function, const std::vector<int64_t>& sizes,
              std::vector<graph::Node>& nodes) {
    graph::Node join;
    join.name = names_.take(node.name + "/groups");
    join.op = "Concat";
    join.attributes["axis"] = int64_t{1};
    join.outputs = {function != nullptr ? function->outputs[0] : node.outputs[0]};
    int64_t begin = 0;
    for (size_t i = 0; i < sizes.size(); ++i) {
      const std::string suffix = fmt::format("/{}", i + 1);
      graph::Node part = node;
      part.name = names_.take(node.name + suffix);
      for (size_t input = 1; input < part.inputs.size(); ++input)
        part.inputs[input] = rows_of(node.inputs[input], suffix, begin, sizes[i]);
      std::string output = group_of(node.outputs[0], suffix, sizes[i]);
      part.outputs = {output};
      nodes.push_back(std::move(part));
      if (function != nullptr) {
        graph::Node applied = *function;
        applied.name = names_.take(function->name + suffix);
        applied.inputs[0] = output;
        output = group_of(function->outputs[0], suffix, sizes[i]);
        applied.outputs = {output};
        nodes.push_back(std::move(applied));
      }
      join.inputs.push_back(output);
      begin += sizes[i];
    }
    nodes.push_back(std::move(join));
  }

  // Of filters or biases.
  std::string rows_of(const std::string& constant, const std::string& suffix, int64_t begin, int64_t count) {
    if (constant.empty()) return constant;
    const graph::Tensor& whole = graph_.tensor(constant);
    const int64_t row = whole.elements() / whole.shape[0];
    graph::Shape shape = whole.shape;
    shape[0] = count;
    const auto from = whole.values.begin() + static_cast<std::ptrdiff_t>(begin * row);
    std::vector<float> values(from, from + static_cast<std::ptrdiff_t>(count * row));
    return graph::add_constant(graph_, names_, constant + suffix, std::move(shape), std::move(values));
  }

  std::string group_of(const std::string& whole, const std::string& suffix, int64_t channels) {
    graph::Tensor part = graph_.tensor(whole);
    part.name = names_.take(whole + suffix);
    part.shape[1] = channels;
    return graph_.tensors.emplace(part.name, std::move(part)).first->first;
  }

  graph::Graph& graph_;
  const graph::Links links_;
  graph::FreshNames names_;
  const Grouping& grouping_;
};

// Largest weight of every output channel's filter.
std::vector<double> filter_sizes(const graph::Graph& graph, const graph::Node& node) {
  const graph::Tensor& filters = graph.tensor(node.inputs[1]);
  const int64_t row = filters.elements() / filters.shape[0];
  std::vector<double> sizes(static_cast<size_t>(filters.shape[0]), 0.0);
  for (size_t i = 0; i < filters.values.size(); ++i) {
    double& size = sizes[i / static_cast<size_t>(row)];
    size = std::max<double>(size, std::fabs(filters.values[i]));
  }
  return sizes;
}

// Channels of the whole graph by number, those that are one united.
class NetworkChannels {
 public:
  explicit NetworkChannels(const graph::Graph& graph) : graph_(graph) {
    for (const graph::Node& node : graph.nodes) {
      for (const auto* names : {&node.inputs, &node.outputs}) {
        for (const std::string& name : *names) {
          if (!name.empty() && !graph.tensor(name).constant) number(name);
        }
      }
    }
    for (const graph::Node& node : graph.nodes) {
      if (is_dense_convolution(graph, node)) continue;
      const bool tied = for_each_tie(graph, node, [&](const ChannelTie& tie) {
        unite(at(node.inputs[tie.input], tie.input_channel),
              at(node.outputs[tie.output], tie.output_channel));
      });
      if (!tied) {
        for (const auto* names : {&node.inputs, &node.outputs}) {
          for (const std::string& name : *names) fix(name);
        }
      }
    }
    for (const std::string& input : graph.inputs) fix(input);
    for (const std::string& output : graph.outputs) fix(output);
  }

  // Channels that may change places with each other: they are in the same tensors. Each with its places, by
  // tensor.
  using Places = std::map<std::string, std::vector<int64_t>>;
  using Alike = std::vector<std::pair<int64_t, Places>>;  // by channel of the network
  std::vector<Alike> exchangeable() {
    std::map<int64_t, Places> places;
    for (const auto& [name, first] : first_) {
      for (int64_t c = 0; c < channel_count(graph_, name); ++c) places[root(first + c)][name].push_back(c);
    }
    std::map<std::vector<std::pair<std::string, size_t>>, Alike> alike;
    for (auto& [channel, where] : places) {
      if (fixed_[static_cast<size_t>(channel)]) continue;
      std::vector<std::pair<std::string, size_t>> tensors;
      for (const auto& [name, at] : where) tensors.push_back({name, at.size()});
      alike[tensors].push_back({channel, std::move(where)});
    }
    std::vector<Alike> result;
    for (auto& [tensors, members] : alike) {
      if (members.size() > 1) result.push_back(std::move(members));
    }
    return result;
  }

 private:
  // The channel of the network that this one is.
  int64_t root(int64_t i) {
    while (parent_[static_cast<size_t>(i)] != i) {
      int64_t& parent = parent_[static_cast<size_t>(i)];
      parent = parent_[static_cast<size_t>(parent)];
      i = parent;
    }
    return i;
  }

  void number(const std::string& name) {
    if (!first_.emplace(name, static_cast<int64_t>(parent_.size())).second) return;
    for (int64_t c = 0; c < channel_count(graph_, name); ++c)
      parent_.push_back(static_cast<int64_t>(parent_.size()));
    fixed_.resize(parent_.size(), false);
  }

  int64_t at(const std::string& tensor, int64_t channel) const { return first_.at(tensor) + channel; }

  void unite(int64_t a, int64_t b) {
    const int64_t first = root(a), second = root(b);
    parent_[static_cast<size_t>(second)] = first;
    if (fixed_[static_cast<size_t>(second)]) fixed_[static_cast<size_t>(first)] = true;
  }

  void fix(const std::string& tensor) {
    const auto first = first_.find(tensor);
    if (first == first_.end()) return;
    for (int64_t c = 0; c < channel_count(graph_, tensor); ++c)
      fixed_[static_cast<size_t>(root(first->second + c))] = true;
  }

  const graph::Graph& graph_;
  std::map<std::string, int64_t> first_;  // number of a tensor's first channel
  std::vector<int64_t> parent_;
  std::vector<bool> fixed_;
};

class GroupChooser {
 public:
  GroupChooser(const graph::Graph& graph, const GroupingOptions& options)
      : graph_(graph), options_(options), links_(graph), alike_(NetworkChannels(graph).exchangeable()) {
    for (const graph::Node& node : graph.nodes) {
      if (!is_dense_convolution(graph, node)) continue;
      const std::vector<double>& sizes = sizes_[node.outputs[0]] = filter_sizes(graph, node);
      sums_[node.outputs[0]] = std::max(std::accumulate(sizes.begin(), sizes.end(), 0.0), kLeastSum);
    }
  }

  Grouping run() const {
    Grouping grouping;
    std::set<std::string> divided;  // outputs
    const std::map<std::string, Order> all = sorted([](const Places&) { return true; });
    for (const Cut& cut : worth_their_time(cuts(all))) {
      grouping[cut.node->name].sizes = cut.sizes;
      divided.insert(cut.node->outputs[0]);
    }
    const std::map<std::string, Order> orders = sorted([&](const Places& places) {
      return std::any_of(places.begin(), places.end(),
                         [&](const auto& place) { return divided.contains(place.first); });
    });
    for (const graph::Node& node : graph_.nodes) {
      const std::string& output = node.outputs[0];
      if (!sizes_.contains(output) || (!divided.contains(output) && !orders.contains(output))) continue;
      ChannelGroups& groups = grouping[node.name];
      groups.order = orders.contains(output) ? orders.at(output) : identity(output);
      if (groups.sizes.empty()) groups.sizes = {channel_count(graph_, output)};
    }
    return grouping;
  }

 private:
  using Places = NetworkChannels::Places;

  struct Cut {
    const graph::Node* node;
    std::vector<int64_t> sizes;
    double gain, time;  // share of the squared steps saved; milliseconds
  };

  Order identity(const std::string& tensor) const {
    Order order(static_cast<size_t>(channel_count(graph_, tensor)));
    std::iota(order.begin(), order.end(), 0);
    return order;
  }

  // Size of the filters that make a channel, each beside the mean of its layer.
  double key(const Places& places) const {
    double key = 1;
    for (const auto& [tensor, channels] : places) {
      const auto found = sizes_.find(tensor);
      if (found == sizes_.end()) continue;
      for (const int64_t channel : channels)
        key *= found->second[static_cast<size_t>(channel)] / sums_.at(tensor);
    }
    return key;
  }

  // The orders in which the largest come first, of the tensors in which channels change places: those that
  // `wanted` wants.
  std::map<std::string, Order> sorted(const std::function<bool(const Places&)>& wanted) const {
    std::map<std::string, Order> orders;
    for (const NetworkChannels::Alike& members : alike_) {
      if (!wanted(members.front().second)) continue;
      std::vector<std::pair<double, const Places*>> ranked;
      for (const auto& [channel, places] : members) ranked.push_back({key(places), &places});
      std::stable_sort(ranked.begin(), ranked.end(),
                       [](const auto& a, const auto& b) { return a.first > b.first; });
      for (size_t rank = 0; rank < members.size(); ++rank) {
        for (const auto& [tensor, channels] : members[rank].second) {
          Order& order = orders.try_emplace(tensor, identity(tensor)).first->second;
          const std::vector<int64_t>& from = ranked[rank].second->at(tensor);
          for (size_t i = 0; i < channels.size(); ++i) order[static_cast<size_t>(channels[i])] = from[i];
        }
      }
    }
    return orders;
  }

  std::vector<Cut> cuts(const std::map<std::string, Order>& orders) const {
    std::vector<Cut> cuts;
    for (const graph::Node& node : graph_.nodes) {
      const std::string& output = node.outputs[0];
      const auto sizes = sizes_.find(output);
      if (sizes == sizes_.end() || graph_.is_output(output)) continue;
      const graph::Node* const function = activation_behind(graph_, links_, output);
      if (options_.kept_whole.contains(node.name) || options_.kept_whole.contains(output)) continue;
      if (function != nullptr &&
          (options_.kept_whole.contains(function->name) || graph_.is_output(function->outputs[0])))
        continue;
      const auto order = orders.find(output);
      std::vector<double> in_order = sizes->second;
      for (size_t i = 0; order != orders.end() && i < in_order.size(); ++i)
        in_order[i] = sizes->second[static_cast<size_t>(order->second[i])];
      Cut cut{&node, {}, 0, 0};
      std::tie(cut.sizes, cut.gain) = best_cuts(in_order);
      if (cut.sizes.size() < 2) continue;
      cut.time = division_time(graph_, node, function, cut.sizes, options_.target);
      cuts.push_back(std::move(cut));
    }
    return cuts;
  }

  // Cuts where that saves most, as long as a cut saves its share of what is left. Groups are of whole
  // vectors; a filter's step is the one that the largest of its group asks for.
  static std::pair<std::vector<int64_t>, double> best_cuts(const std::vector<double>& sizes) {
    const auto squared_steps = [&](size_t begin, size_t end) {
      const double largest = *std::max_element(sizes.begin() + static_cast<std::ptrdiff_t>(begin),
                                               sizes.begin() + static_cast<std::ptrdiff_t>(end));
      return static_cast<double>(end - begin) * largest * largest;
    };
    std::vector<size_t> bounds = {0, sizes.size()};
    const double whole = squared_steps(0, sizes.size());
    for (double left = whole; left > 0;) {
      double most = 0;
      size_t group = 0, where = 0;
      for (size_t i = 0; i + 1 < bounds.size(); ++i) {
        const double before = squared_steps(bounds[i], bounds[i + 1]);
        for (size_t at = bounds[i] + recipe::kGroupChannels; at < bounds[i + 1];
             at += recipe::kGroupChannels) {
          const double saved = before - squared_steps(bounds[i], at) - squared_steps(at, bounds[i + 1]);
          if (saved > most) most = saved, group = i, where = at;
        }
      }
      if (most < recipe::kGroupGain * left) {
        std::vector<int64_t> counts;
        for (size_t i = 0; i + 1 < bounds.size(); ++i)
          counts.push_back(static_cast<int64_t>(bounds[i + 1] - bounds[i]));
        return {std::move(counts), 1 - left / whole};
      }
      left -= most;
      bounds.insert(bounds.begin() + static_cast<std::ptrdiff_t>(group) + 1, where);
    }
    return {{static_cast<int64_t>(sizes.size())}, 0};
  }

  // Those that cost no time, and of the others those that gain most for theirs, up to a share of the
  // network's.
  std::vector<Cut> worth_their_time(std::vector<Cut> cuts) const {
    std::stable_sort(cuts.begin(), cuts.end(), [](const Cut& a, const Cut& b) {
      return a.gain * std::max(b.time, 0.0) > b.gain * std::max(a.time, 0.0);
    });
    double left = cuts.empty() ? 0 : options_.time_share * graph_time(graph_, options_.target);
    std::vector<Cut> chosen;
    for (Cut& cut : cuts) {
      if (cut.time > left) continue;
      left -= std::max(cut.time, 0.0);
      chosen.push_back(std::move(cut));
    }
    return chosen;
  }

  static constexpr double kLeastSum = 1e-30;  // of filters that are all zero

  const graph::Graph& graph_;
  const GroupingOptions& options_;
  const graph::Links links_;
  const std::vector<NetworkChannels::Alike> alike_;
  std::map<std::string, std::vector<double>> sizes_;  // of filters, by output
  std::map<std::string, double> sums_;                // of these
};

[[noreturn]] void refuse_text() {
  fail("metadata {}: expected an order and sizes for each convolution", kGroupsKey);
}

std::vector<int64_t> parse_counts(const nlohmann::json& json) {
  if (!json.is_array() || json.empty()) refuse_text();
  std::vector<int64_t> numbers;
  for (const nlohmann::json& number : json) {
    if (!number.is_number_unsigned()) refuse_text();
    numbers.push_back(number.get<int64_t>());
    if (numbers.back() < 0 || numbers.back() > model_limits::kElements) refuse_text();
  }
  return numbers;
}

}  // namespace

Grouping choose_groups(const graph::Graph& graph, const GroupingOptions& options) {
  int64_t channels = 0;
  for (const auto& [name, tensor] : graph.tensors)
    channels += tensor.constant ? 0 : channel_count(graph, name);
  if (channels > kMostChannels) return {};
  return GroupChooser(graph, options).run();
}

void group_channels(graph::Graph& graph, const Grouping& grouping) {
  if (grouping.empty()) return;
  graph::split_shared_constants(graph);
  Reordering(graph, grouping).run();
  Division(graph, grouping).run();
  graph::split_shared_constants(graph);
}

std::string grouping_text(const Grouping& grouping) {
  nlohmann::json json = nlohmann::json::object();
  for (const auto& [node, groups] : grouping) json[node] = {groups.order, groups.sizes};
  return compact_text(json);
}

Grouping parse_grouping(const std::string& text) {
  Grouping grouping;
  if (text.empty()) return grouping;
  const nlohmann::json json = parse_json(text);
  if (!json.is_object()) refuse_text();
  for (const auto& [node, values] : json.items()) {
    if (!values.is_array() || values.size() != 2) refuse_text();
    ChannelGroups& groups = grouping[node];
    groups = {parse_counts(values[0]), parse_counts(values[1])};
    const int64_t channels = std::accumulate(groups.sizes.begin(), groups.sizes.end(), int64_t{0});
    if (channels != static_cast<int64_t>(groups.order.size()) ||
        std::find(groups.sizes.begin(), groups.sizes.end(), 0) != groups.sizes.end())
      refuse_text();
  }
  return grouping;
}

}  // namespace shrike::quantize
