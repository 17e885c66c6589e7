#include "toolchain/host/plan_check.h"

#include <fmt/format.h>

#include <map>
#include <vector>

#include "toolchain/host/tensors.h"

namespace shrike::host {
namespace {

// Owner of each byte range of a memory: start -> value, each up to the next start. -1: nobody.
class ByteMap {
 public:
  ByteMap() { owners_[0] = -1; }

  void write(uint64_t begin, uint64_t end, int value) {
    if (begin == end) return;
    split(begin);
    split(end);
    owners_.erase(owners_.find(begin), owners_.find(end));
    owners_[begin] = value;
  }

  // The first owner in the range that is not `value`, or `value`.
  int foreign_owner(uint64_t begin, uint64_t end, int value) const {
    auto at = owners_.upper_bound(begin);
    for (--at; at != owners_.end() && at->first < end; ++at) {
      if (at->second != value) return at->second;
    }
    return value;
  }

 private:
  void split(uint64_t at) {
    auto next = owners_.upper_bound(at);
    --next;
    if (next->first != at) owners_[at] = next->second;
  }

  std::map<uint64_t, int> owners_;
};

class Simulation {
 public:
  explicit Simulation(const InspectableModel& model) : model_(model) {
    for (int32_t i = 0; i < model.variable_count(); ++i) {
      variables_[to_string(model.variable(i).name)] = i;
      values_.push_back(i);
    }
  }

  std::optional<std::string> run() {
    for (int32_t i = 0; i < model_.variable_count(); ++i) {
      const TensorPlacement place = model_.placement(i);
      if (place.offset % 16 != 0) return fmt::format("'{}' is not 16-byte aligned", name(i));
      const MemoryReport memory = model_.memory();
      if (place.offset + place.bytes > (place.internal ? memory.internal_bytes : memory.arena_bytes))
        return fmt::format("'{}' leaves its memory", name(i));
    }
    for (int32_t i = 0; i < model_.input_count(); ++i) write(find(model_.input(i)));
    for (int32_t node = 0; node < model_.node_count(); ++node) {
      if (auto problem = run_node(node)) return problem;
    }
    for (int32_t i = 0; i < model_.output_count(); ++i) {
      if (auto problem = read(find(model_.output(i)), "the caller, who reads the outputs,")) return problem;
    }
    return std::nullopt;
  }

 private:
  std::string name(int32_t variable) const { return to_string(model_.variable(variable).name); }

  int32_t find(const TensorView& tensor) const {
    const auto found = variables_.find(to_string(tensor.name));
    return found == variables_.end() ? -1 : found->second;
  }

  ByteMap& memory_of(const TensorPlacement& place) { return place.internal ? internal_ : arena_; }
  const ByteMap& memory_of(const TensorPlacement& place) const { return place.internal ? internal_ : arena_; }

  void write(int32_t variable) {
    const TensorPlacement place = model_.placement(variable);
    memory_of(place).write(place.offset, place.offset + place.bytes, values_[static_cast<size_t>(variable)]);
  }

  std::optional<std::string> read(int32_t variable, const std::string& reader) const {
    if (variable < 0) return std::nullopt;  // constant or absent
    const TensorPlacement place = model_.placement(variable);
    const int value = values_[static_cast<size_t>(variable)];
    const int owner = memory_of(place).foreign_owner(place.offset, place.offset + place.bytes, value);
    if (owner == value) return std::nullopt;
    return fmt::format("{} finds '{}' overwritten by '{}'", reader, name(variable),
                       owner < 0 ? "nothing yet" : name(owner));
  }

  std::optional<std::string> run_node(int32_t node) {
    const std::string reader = fmt::format("node '{}'", to_string(model_.node_name(node)));
    for (int32_t i = 0; i < model_.node_input_count(node); ++i) {
      if (auto problem = read(find(model_.node_input(node, i)), reader)) return problem;
    }
    for (int32_t i = 0; i < model_.node_output_count(node); ++i) {
      const int32_t output = find(model_.node_output(node, i));
      if (output < 0) continue;
      if (auto problem = check_inputs_survive(node, i, output)) return problem;
      write(output);
    }
    return std::nullopt;
  }

  // While a node runs, its outputs may touch an input only by lying exactly over input 0.
  std::optional<std::string> check_inputs_survive(int32_t node, int32_t output_index, int32_t output) {
    const TensorPlacement to = model_.placement(output);
    for (int32_t i = 0; i < model_.node_input_count(node); ++i) {
      const int32_t input = find(model_.node_input(node, i));
      if (input < 0) continue;
      const TensorPlacement from = model_.placement(input);
      if (from.internal != to.internal) continue;
      if (from.offset >= to.offset + to.bytes || to.offset >= from.offset + from.bytes) continue;
      const bool in_place = output_index == 0 && input == find(model_.node_input(node, 0)) &&
                            to.shares_with == input && from.offset == to.offset && from.bytes == to.bytes;
      if (!in_place) {
        return fmt::format("node '{}' writes '{}' over its input '{}'", to_string(model_.node_name(node)),
                           name(output), name(input));
      }
      if (is_alias(node)) values_[static_cast<size_t>(output)] = values_[static_cast<size_t>(input)];
    }
    return std::nullopt;
  }

  bool is_alias(int32_t node) const {
    const Text type = model_.node_type(node);
    return type == "Reshape" || type == "Flatten" || type == "Squeeze" || type == "Unsqueeze" ||
           type == "Identity" || type == "Transpose";
  }

  const InspectableModel& model_;
  std::map<std::string, int32_t> variables_;
  std::vector<int> values_;  // what a variable holds: its own number, or that of the one it is an alias of
  ByteMap arena_, internal_;
};

}  // namespace

std::optional<std::string> check_plan(const InspectableModel& model) {
  return Simulation(model).run();
}

}  // namespace shrike::host
