#include "toolchain/espdl/simplify.h"

#include <algorithm>
#include <map>
#include <set>

#include "toolchain/espdl/layout.h"

namespace shrike::espdl {
namespace {

class Merger {
 public:
  explicit Merger(Program& program)
      : program_(program), outputs_(program.outputs.begin(), program.outputs.end()) {}

  void run() {
    do {
      index();
    } while (step());
    remove_unread();
  }

 private:
  void index() {
    producer_.clear();
    readers_.clear();
    for (size_t i = 0; i < program_.nodes.size(); ++i) {
      for (const std::string& name : program_.nodes[i].outputs) producer_[name] = i;
      for (const std::string& name : program_.nodes[i].inputs) ++readers_[name];
    }
  }

  StoredNode* producer(const std::string& name) {
    const auto found = producer_.find(name);
    return found == producer_.end() ? nullptr : &program_.nodes[found->second];
  }

  StoredValue& value(const std::string& name) {
    return *std::find_if(program_.values.begin(), program_.values.end(),
                         [&](const StoredValue& candidate) { return candidate.name == name; });
  }

  static std::vector<int64_t>& perm(StoredNode& node) {
    return std::get<std::vector<int64_t>>(node.attributes.at("perm"));
  }

  static bool is_element_wise(const StoredNode& node) {
    static const std::set<std::string> kConversions = {"RequantizeLinear", "QuantizeLinear",
                                                       "DequantizeLinear", "Neg"};
    // A node with a table maps element by element, whatever its type.
    return node.outputs.size() == 1 && (node.attributes.contains("lut") || kConversions.contains(node.op));
  }

  // Only this reader, and not visible from outside.
  bool private_to_reader(const std::string& name) { return readers_[name] == 1 && !outputs_.contains(name); }

  // One change; false when there is nothing left to do.
  bool step() {
    for (size_t i = 0; i < program_.nodes.size(); ++i) {
      StoredNode& node = program_.nodes[i];
      if (node.op != "Transpose") continue;
      if (remove_identity(i) || compose(node) || pass_element_wise(node)) return true;
    }
    return false;
  }

  bool remove_identity(size_t i) {
    const StoredNode node = program_.nodes[i];
    const std::vector<int64_t> order = std::get<std::vector<int64_t>>(node.attributes.at("perm"));
    if (!std::is_sorted(order.begin(), order.end())) return false;
    const std::string from = node.inputs[0], to = node.outputs[0];
    if (outputs_.contains(to)) {
      // The output's name moves to the source, unless that has a name of its own to keep.
      if (producer(from) == nullptr || outputs_.contains(from)) return false;
      rename(from, to);
      program_.held.push_back({from, to, value(from).permutation});
      std::erase_if(program_.values, [&](const StoredValue& v) { return v.name == from; });
    } else {
      for (StoredNode& reader : program_.nodes)
        std::replace(reader.inputs.begin(), reader.inputs.end(), to, from);
      for (HeldValue& held : program_.held) {
        if (held.holder == to) held.holder = from;
      }
      program_.held.push_back({to, from, value(to).permutation});
      std::erase_if(program_.values, [&](const StoredValue& v) { return v.name == to; });
    }
    program_.nodes.erase(program_.nodes.begin() + static_cast<std::ptrdiff_t>(i));
    return true;
  }

  void rename(const std::string& from, const std::string& to) {
    for (StoredNode& node : program_.nodes) {
      std::replace(node.inputs.begin(), node.inputs.end(), from, to);
      std::replace(node.outputs.begin(), node.outputs.end(), from, to);
    }
    for (HeldValue& held : program_.held) {
      if (held.holder == from) held.holder = to;
    }
  }

  bool compose(StoredNode& second) {
    StoredNode* first = producer(second.inputs[0]);
    if (first == nullptr || first->op != "Transpose") return false;
    std::vector<int64_t> merged;
    for (const int64_t axis : perm(second)) merged.push_back(perm(*first)[static_cast<size_t>(axis)]);
    // Where the first has to stay anyway, merging pays only if the second vanishes.
    if (!private_to_reader(second.inputs[0]) && !std::is_sorted(merged.begin(), merged.end())) return false;
    const std::string between = second.inputs[0], behind = second.outputs[0];
    const std::vector<int64_t> moved = perm(second);
    perm(second) = merged;
    second.inputs[0] = first->inputs[0];
    if (is_read(between) || outputs_.contains(between)) return true;
    hold(between, behind, moved);
    remove(between);
    return true;
  }

  // Transpose, element-wise node, Transpose: the middle one works in the first one's input order.
  bool pass_element_wise(StoredNode& second) {
    StoredNode* middle = producer(second.inputs[0]);
    if (middle == nullptr || !is_element_wise(*middle) || !private_to_reader(second.inputs[0])) return false;
    StoredNode* first = producer(middle->inputs[0]);
    if (first == nullptr || first->op != "Transpose" || !private_to_reader(middle->inputs[0])) return false;
    StoredValue& passed = value(middle->outputs[0]);
    const StoredValue& source = value(first->inputs[0]);
    const std::vector<int64_t> shift = perm(*first);
    const auto shifted = [&](const Permutation& before) {
      Permutation order(shift.size());
      for (size_t i = 0; i < shift.size(); ++i) order[static_cast<size_t>(shift[i])] = before[i];
      return order;
    };
    passed.permutation = shifted(passed.permutation);
    for (HeldValue& held : program_.held) {
      if (held.holder == passed.name) held.permutation = shifted(held.permutation);
    }
    passed.dims = source.dims;
    for (int64_t& axis : perm(second)) axis = shift[static_cast<size_t>(axis)];
    const std::string turned = first->outputs[0];
    middle->inputs[0] = first->inputs[0];
    std::vector<int64_t> back(shift.size());
    for (size_t i = 0; i < shift.size(); ++i) back[static_cast<size_t>(shift[i])] = static_cast<int64_t>(i);
    hold(turned, middle->inputs[0], back);
    remove(turned);
    return true;
  }

  bool is_read(const std::string& name) const {
    return std::any_of(program_.nodes.begin(), program_.nodes.end(), [&](const StoredNode& reader) {
      return std::find(reader.inputs.begin(), reader.inputs.end(), name) != reader.inputs.end();
    });
  }

  // The variable goes, its elements stay in `holder`, whose stored axis i is its own stored axis moved[i].
  void hold(const std::string& name, const std::string& holder, const std::vector<int64_t>& moved) {
    const auto behind = [&](const Permutation& before) {
      Permutation order;
      for (const int64_t axis : moved) order.push_back(before[static_cast<size_t>(axis)]);
      return order;
    };
    for (HeldValue& held : program_.held) {
      if (held.holder == name) held = {held.name, holder, behind(held.permutation)};
    }
    program_.held.push_back({name, holder, behind(value(name).permutation)});
  }

  void remove(const std::string& made) {
    std::erase_if(program_.values, [&](const StoredValue& v) { return v.name == made; });
    std::erase_if(program_.nodes, [&](const StoredNode& n) { return n.outputs[0] == made; });
  }

  void remove_unread() {
    bool changed = true;
    while (changed) {
      std::set<std::string> read(outputs_);
      for (const StoredNode& node : program_.nodes) read.insert(node.inputs.begin(), node.inputs.end());
      const auto unread = [&](const StoredNode& node) {
        return std::none_of(node.outputs.begin(), node.outputs.end(),
                            [&](const auto& o) { return read.contains(o); });
      };
      changed = std::erase_if(program_.nodes, unread) > 0;
    }
    std::set<std::string> used, made(program_.inputs.begin(), program_.inputs.end());
    for (const StoredNode& node : program_.nodes) {
      used.insert(node.inputs.begin(), node.inputs.end());
      made.insert(node.outputs.begin(), node.outputs.end());
      if (const auto lut = node.attributes.find("lut"); lut != node.attributes.end()) {
        used.insert(std::get<std::string>(lut->second));
      }
    }
    std::erase_if(program_.initializers, [&](const StoredTensor& t) { return !used.contains(t.name); });
    std::erase_if(program_.values, [&](const StoredValue& v) { return !made.contains(v.name); });
    std::erase_if(program_.held, [&](const HeldValue& v) { return !made.contains(v.holder); });
  }

  Program& program_;
  std::set<std::string> outputs_;
  std::map<std::string, size_t> producer_;
  std::map<std::string, int> readers_;
};

}  // namespace

void merge_transposes(Program& program) {
  Merger(program).run();
}

}  // namespace shrike::espdl
