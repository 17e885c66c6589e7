#include "toolchain/formats/widths.h"

#include <algorithm>
#include <set>

#include "toolchain/formats/plan.h"
#include "toolchain/graph/nearest.h"
#include "toolchain/operators/operator.h"
#include "toolchain/support/error.h"

namespace shrike::quantize {
namespace {

// The dispatching table worked out over the groups of tensors that must share a format.
class Widths {
 public:
  Widths(const graph::Graph& graph, const FormatOptions& options)
      : graph_(graph), options_(options), links_(graph), groups_(find_groups(graph)) {
    for (const graph::Node& node : graph.nodes) {
      if (only_at_8_bit(node.op)) narrow_.insert(groups_.group_of.at(node.inputs[0]));
    }
  }

  std::map<std::string, int> run(std::vector<std::string>* notes) {
    check_names();
    const std::set<std::string> wide(options_.int16_layers.begin(), options_.int16_layers.end());
    for (const std::string& input : graph_.inputs) set(groups_.group_of.at(input), options_.bits);
    for (const graph::Node& node : graph_.nodes) {
      const bool named = wide.contains(node.name);
      if (operators::is_copy(node.op)) {
        if (named) require_wide(node);
        continue;
      }
      for (const std::string& output : node.outputs) {
        const int group = groups_.group_of.at(output);
        if (named && narrow_.contains(group)) refuse_narrow(node);
        set(group, named ? 16 : options_.bits);
      }
    }
    narrow_fused_relus();
    tell_narrow(notes);
    widen_outputs(notes);
    std::map<std::string, int> bits;
    for (const auto& [tensor, group] : groups_.group_of) bits[tensor] = bits_.at(group);
    return bits;
  }

 private:
  static bool only_at_8_bit(const std::string& op) {
    const operators::Operator* row = operators::find(op);
    return row != nullptr && row->support.int8 && !row->support.int16;
  }

  void check_names() const {
    std::vector<std::string> names;
    for (const graph::Node& node : graph_.nodes) names.push_back(node.name);
    for (const std::string& name : options_.int16_layers) {
      if (std::find(names.begin(), names.end(), name) == names.end()) {
        fail("int16-layers: a node of the model was expected, found '{}'; did you mean '{}'?", name,
             nearest_name(name, names));
      }
    }
  }

  void set(int group, int bits) { bits_[group] = narrow_.contains(group) ? 8 : bits; }

  void require_wide(const graph::Node& node) const {
    if (bits_.at(groups_.group_of.at(node.inputs[0])) == 16) return;
    if (narrow_.contains(groups_.group_of.at(node.inputs[0]))) refuse_narrow(node);
    fail(
        "int16-layers: '{}' can't be computed at 16 bit, because {} only moves data; name the layer that "
        "computes '{}'",
        node.name, node.op, node.inputs[0]);
  }

  [[noreturn]] void refuse_narrow(const graph::Node& node) const {
    fail(
        "int16-layers: '{}' can't be computed at 16 bit, because a Resize reads its result as it is and the "
        "chip resizes 8-bit tensors only; take it from the list",
        node.name);
  }

  // A convolution that does its Relu itself writes the Relu's format.
  void narrow_fused_relus() {
    for (const graph::Node& node : graph_.nodes) {
      if (node.op != "Relu" || !narrow_.contains(groups_.group_of.at(node.outputs[0]))) continue;
      const std::string& input = node.inputs[0];
      const auto producer = links_.producer.find(input);
      if (producer == links_.producer.end() ||
          operators::is_copy(graph_.nodes[static_cast<size_t>(producer->second)].op))
        continue;
      if (links_.consumers.at(input).size() == 1 && !graph_.is_output(input))
        bits_[groups_.group_of.at(input)] = 8;
    }
  }

  void tell_narrow(std::vector<std::string>* notes) const {
    if (notes == nullptr || options_.bits == 8 || narrow_.empty()) return;
    std::vector<std::string> kept;
    for (const int group : narrow_) kept.push_back(groups_.members[static_cast<size_t>(group)].front());
    notes->push_back(
        fmt::format("kept at 8 bit, because the chip resizes 8-bit tensors only: {}", fmt::join(kept, ", ")));
  }

  void widen_outputs(std::vector<std::string>* notes) {
    std::set<int> narrow, wide;
    std::vector<std::string> widened;
    for (const std::string& output : graph_.outputs) {
      const int group = groups_.group_of.at(output);
      if (bits_.at(group) == 16) {
        wide.insert(group);
      } else if (!has_float_result(output)) {
        narrow.insert(group);
        widened.push_back(output);
      }
    }
    if (wide.empty() || narrow.empty()) return;
    const auto is_narrow = [&](int group) { return narrow_.contains(group); };
    if (std::any_of(narrow.begin(), narrow.end(), is_narrow)) {
      if (notes != nullptr)
        notes->push_back("the outputs have different widths; what reads them must look at each one's type");
      return;
    }
    for (const int group : narrow) bits_[group] = 16;
    if (notes == nullptr) return;
    notes->push_back(
        fmt::format("{} moved to 16 bit like the other outputs, because ESP-DL reads all outputs as one type",
                    fmt::join(widened, ", ")));
  }

  bool has_float_result(const std::string& tensor) const {
    const auto producer = links_.producer.find(tensor);
    if (producer == links_.producer.end()) return false;
    return operators::is_float_result(graph_.nodes[static_cast<size_t>(producer->second)].op);
  }

  const graph::Graph& graph_;
  const FormatOptions& options_;
  graph::Links links_;
  FormatGroups groups_;
  std::set<int> narrow_;  // groups that the chip has at 8 bit only
  std::map<int, int> bits_;
};

}  // namespace

std::map<std::string, int> choose_bits(const graph::Graph& graph, const FormatOptions& options,
                                       std::vector<std::string>* notes) {
  return Widths(graph, options).run(notes);
}

}  // namespace shrike::quantize
