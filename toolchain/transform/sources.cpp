#include "toolchain/transform/sources.h"

#include <algorithm>
#include <set>

#include "toolchain/measure/behind.h"
#include "toolchain/operators/operator.h"

namespace shrike::quantize {

Sources::Sources(const graph::Graph& graph, const std::map<std::string, int>& bits, bool explicit_pads)
    : graph_(graph), links_(graph), bits_(bits), explicit_pads_(explicit_pads) {
  for (const graph::Node& node : graph.nodes) visit(node);
  for (const std::string& output : graph.outputs) fix(output);
}

int Sources::root(int source) const {
  while (list_[static_cast<size_t>(source)].parent >= 0) source = list_[static_cast<size_t>(source)].parent;
  return source;
}

// The free table that alone reads a tensor, or null.
const graph::Node* Sources::table_behind(const std::string& tensor) const {
  const graph::Node* const reader = activation_behind(graph_, links_, tensor);
  return reader != nullptr && is_free_table(*reader) ? reader : nullptr;
}

// A scale lives in the table: only functions that are written as one at the width of their output have any.
bool Sources::is_free_table(const graph::Node& node) const {
  return operators::takes_scale(graph_, node, bits_.at(node.outputs[0]));
}

void Sources::visit(const graph::Node& node) {
  if (is_free_table(node)) {
    const auto producer = links_.producer.find(node.inputs[0]);
    const bool pair = producer != links_.producer.end() && producer->second >= 0 &&
                      operators::is_convolution(graph_.nodes[static_cast<size_t>(producer->second)]) &&
                      table_behind(node.inputs[0]) == &node;
    if (!pair) fix(node.inputs[0]);
    open(node, pair, true);
  } else if (operators::is_convolution(node)) {
    const std::vector<int64_t> pads = node.integers("pads");
    if (std::any_of(pads.begin(), pads.end(), [](int64_t pad) { return pad != 0; }))
      pad(node.inputs[0], pads);
    if (table_behind(node.outputs[0]) == nullptr) open(node, false, false);
  } else if (carry(graph_, node, Terms{}, channels_)) {
    return;
  } else if (operators::find(node.op)->homogeneous && operators::is_function(graph_, node) &&
             channels_.contains(node.inputs[0])) {
    pin(node.inputs[0]);
    channels_[node.outputs[0]] = channels_.at(node.inputs[0]);
  } else if (operators::has_role(node.op, operators::Role::kSum) &&
             graph_.tensor(node.inputs[0]).shape == graph_.tensor(node.inputs[1]).shape) {
    join(node);
  } else {
    for (const std::string& input : node.inputs) fix(input);
  }
}

void Sources::open(const graph::Node& node, bool after_convolution, bool shiftable) {
  const std::string& output = node.outputs[0];
  const graph::Shape& shape = graph_.tensor(output).shape;
  if (shape.size() < 2) return;
  const auto index = static_cast<int>(list_.size());
  Source source;
  source.node = &node;
  source.after_convolution = after_convolution;
  source.shiftable = shiftable;
  source.tensors = {{output, {index}, {}}};
  channels_[output].assign(static_cast<size_t>(shape[1]), {index});
  list_.push_back(source);
}

Sources::Terms Sources::common_terms(const std::string& tensor) const {
  const auto found = channels_.find(tensor);
  if (found == channels_.end() || found->second.empty()) return {};
  const Terms& first = found->second.front();
  const bool same = std::all_of(found->second.begin(), found->second.end(),
                                [&](const Terms& terms) { return terms == first; });
  return same ? first : Terms{};
}

// Copies of parts (Split) stand for the tensor that they are copied from.
ScaledTensor* Sources::find(int root, const std::string& tensor) {
  const Terms terms = common_terms(tensor);
  for (ScaledTensor& candidate : list_[static_cast<size_t>(root)].tensors) {
    if (candidate.terms == terms) return &candidate;
  }
  return nullptr;
}

void Sources::pad(const std::string& tensor, const std::vector<int64_t>& pads) {
  const Terms terms = common_terms(tensor);
  ScaledTensor* const padded = terms.empty() ? nullptr : find(root(terms.front()), tensor);
  if (!explicit_pads_ || padded == nullptr || graph_.tensor(tensor).shape.size() != 4) return pin(tensor);
  padded->padded.insert({tensor, pads});
}

void Sources::for_each_source(const std::string& tensor, const std::function<void(int)>& visit) {
  const auto found = channels_.find(tensor);
  if (found == channels_.end()) return;
  std::set<int> sources;
  for (const Terms& terms : found->second) sources.insert(terms.begin(), terms.end());
  for (const int source : sources) visit(source);
}

void Sources::fix(const std::string& tensor) {
  for_each_source(tensor, [&](int source) {
    list_[static_cast<size_t>(source)].shiftable = false;
    list_[static_cast<size_t>(root(source))].fixed = true;
  });
}

void Sources::pin(const std::string& tensor) {
  for_each_source(tensor, [&](int source) { list_[static_cast<size_t>(source)].shiftable = false; });
}

// Both sides get one scale. Offsets add up: a tensor is shifted as many times as there are shifted terms in
// it.
void Sources::join(const graph::Node& node) {
  const auto fix_both = [&] {
    for (const std::string& input : node.inputs) fix(input);
  };
  const auto a = channels_.find(node.inputs[0]), b = channels_.find(node.inputs[1]);
  if (a == channels_.end() || b == channels_.end()) return fix_both();
  const bool plain = operators::find(node.op)->with_constant(1).shift > 0 && explicit_pads_;
  if (!plain) {
    for (const std::string& input : node.inputs) pin(input);
  }
  std::vector<Terms> sums;
  for (size_t i = 0; i < a->second.size(); ++i) {
    if (a->second[i].empty() || b->second[i].empty()) return fix_both();
    Terms sum = a->second[i];
    sum.insert(sum.end(), b->second[i].begin(), b->second[i].end());
    std::sort(sum.begin(), sum.end());
    unite(sum.front(), sum.back());
    for (const int term : sum) unite(sum.front(), term);
    sums.push_back(std::move(sum));
  }
  channels_[node.outputs[0]] = std::move(sums);
  const Terms common = common_terms(node.outputs[0]);
  if (!common.empty())
    list_[static_cast<size_t>(root(common.front()))].tensors.push_back({node.outputs[0], common, {}});
}

void Sources::unite(int a, int b) {
  const int left = root(a), right = root(b);
  if (left == right) return;
  Source& parent = list_[static_cast<size_t>(left)];
  Source& child = list_[static_cast<size_t>(right)];
  child.parent = left;
  parent.fixed |= child.fixed;
  parent.tensors.insert(parent.tensors.end(), child.tensors.begin(), child.tensors.end());
  child.tensors.clear();
}

}  // namespace shrike::quantize
