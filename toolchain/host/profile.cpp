#include "toolchain/host/profile.h"

#include <algorithm>
#include <chrono>
#include <map>

#include "toolchain/host/tensors.h"
#include "toolchain/support/error.h"

namespace shrike::host {
namespace {

using Clock = std::chrono::steady_clock;

double milliseconds_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values.empty() ? 0 : values[values.size() / 2];
}

std::map<std::string, int32_t> variables_by_name(const InspectableModel& model) {
  std::map<std::string, int32_t> result;
  for (int32_t i = 0; i < model.variable_count(); ++i) result[to_string(model.variable(i).name)] = i;
  return result;
}

// Distinct live memory: variables that share theirs are counted once, by where they lie.
uint64_t live_bytes(const InspectableModel& model, int32_t node) {
  std::map<std::pair<bool, uint64_t>, uint64_t> ranges;
  for (int32_t i = 0; i < model.variable_count(); ++i) {
    const TensorPlacement place = model.placement(i);
    if (place.first_node > node || place.last_node < node) continue;
    uint64_t& bytes = ranges[{place.internal, place.offset}];
    bytes = std::max(bytes, place.bytes);
  }
  uint64_t sum = 0;
  for (const auto& [place, bytes] : ranges) sum += bytes;
  return sum;
}

void add_tensor(const InspectableModel& model, const std::map<std::string, int32_t>& variables,
                const TensorView& tensor, NodeProfile& node) {
  const auto found = variables.find(to_string(tensor.name));
  if (found == variables.end()) {
    node.weight_bytes += tensor.bytes;
    return;
  }
  node.activation_bytes += tensor.bytes;
  if (model.placement(found->second).internal) node.internal_bytes += tensor.bytes;
}

NodeProfile describe_node(const InspectableModel& model, const std::map<std::string, int32_t>& variables,
                          int32_t index) {
  NodeProfile node;
  node.name = to_string(model.node_name(index));
  node.type = to_string(model.node_type(index));
  if (model.node_output_count(index) > 0) node.output_shape = shape_text(model.node_output(index, 0).shape);
  node.macs = model.node_macs(index);
  node.live_bytes = live_bytes(model, index);
  for (int32_t i = 0; i < model.node_input_count(index); ++i) {
    add_tensor(model, variables, model.node_input(index, i), node);
  }
  for (int32_t i = 0; i < model.node_output_count(index); ++i) {
    add_tensor(model, variables, model.node_output(index, i), node);
  }
  return node;
}

}  // namespace

Profile profile(IntegerModel& file, int runs) {
  InspectableModel& model = file.model();
  Profile result;
  const auto variables = variables_by_name(model);
  for (int32_t i = 0; i < model.node_count(); ++i) {
    result.nodes.push_back(describe_node(model, variables, i));
    result.weight_bytes += result.nodes.back().weight_bytes;
  }
  file.run();  // warms caches and wakes the threads
  std::vector<double> whole;
  for (int run = 0; run < runs; ++run) {
    const Clock::time_point start = Clock::now();
    file.run();
    whole.push_back(milliseconds_since(start));
  }
  result.milliseconds = median(whole);
  std::vector<std::vector<double>> times(result.nodes.size());
  for (int run = 0; run < runs; ++run) {
    for (int32_t i = 0; i < model.node_count(); ++i) {
      const Clock::time_point start = Clock::now();
      const Status status = model.run_node(i);
      times[static_cast<size_t>(i)].push_back(milliseconds_since(start));
      if (!status.ok()) throw Error(describe(status, file.name(), result.nodes[static_cast<size_t>(i)].name));
    }
  }
  for (size_t i = 0; i < times.size(); ++i) result.nodes[i].milliseconds = median(times[i]);
  return result;
}

}  // namespace shrike::host
