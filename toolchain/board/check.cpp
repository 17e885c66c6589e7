#include "toolchain/board/check.h"

#include <cstring>
#include <map>

#include "toolchain/cost/cost_model.h"
#include "toolchain/host/tensors.h"
#include "toolchain/support/error.h"
#include "toolchain/support/sha256.h"

namespace shrike::board {
namespace {

using host::to_string;

class Comparison {
 public:
  Comparison(host::IntegerModel& file, const Log& log) : file_(file), model_(file.model()), log_(log) {}

  // Runs the network on the log's input and compares layer by layer, then output by output.
  void run(Check& check) {
    std::map<std::pair<int, int>, const LoggedLayer*> layers;
    for (const LoggedLayer& layer : log_.layers) layers[{layer.node, layer.output}] = &layer;
    host::fill_inputs(model_, *log_.seed);
    model_.reset();
    for (int32_t node = 0; node < model_.node_count(); ++node) {
      const Status status = model_.run_node(node);
      if (!status.ok()) throw Error(host::describe(status, file_.name(), to_string(model_.node_name(node))));
      for (int32_t i = 0; i < model_.node_output_count(node); ++i) {
        const auto logged = layers.find({node, i});
        if (logged == layers.end()) continue;
        compare(model_.node_output(node, i), logged->second->sha256, node, i, check);
      }
    }
    for (const LoggedOutput& output : log_.outputs) {
      const TensorView tensor = model_.output(output.name.c_str());
      if (tensor.type == DataType::kUndefined) continue;
      compare(tensor, output.sha256, producer(tensor), -1, check);
    }
    if (!log_.outputs.empty()) note_missing(check);
  }

 private:
  int32_t producer(const TensorView& tensor) const {
    for (int32_t node = 0; node < model_.node_count(); ++node) {
      for (int32_t i = 0; i < model_.node_output_count(node); ++i) {
        if (model_.node_output(node, i).name == tensor.name) return node;
      }
    }
    return -1;
  }

  void compare(const TensorView& here, const std::string& there, int32_t node, int32_t output, Check& check) {
    ++check.compared;
    if (sha256(here.data, here.bytes) == there) return;
    ++check.differing;
    if (check.first && check.first->node <= node) return;
    Divergence first;
    first.node = node;
    if (node >= 0) {
      first.node_name = to_string(model_.node_name(node));
      first.node_type = to_string(model_.node_type(node));
    }
    first.tensor = to_string(here.name);
    if (const auto values = log_.values.find({node, output}); values != log_.values.end())
      first.element = element_text(here, values->second);
    check.first = first;
  }

  static std::string element_text(const TensorView& here, const std::vector<uint8_t>& there) {
    if (there.size() != here.bytes)
      return fmt::format("its values in the log are {} bytes instead of {}", there.size(), here.bytes);
    TensorView board = here;
    board.data = const_cast<uint8_t*>(there.data());
    int64_t first = -1, count = 0;
    for (int64_t i = 0; i < here.shape.elements(); ++i) {
      if (host::element(here, i) == host::element(board, i)) continue;
      if (first < 0) first = i;
      ++count;
    }
    if (first < 0) return "its values in the log are the same as here, its fingerprint is not";
    return fmt::format("element {} is {} here and {} on the board; {} of {} elements differ",
                       host::coordinate_text(here.shape, first), host::element_text(here, first),
                       host::element_text(board, first), count, here.shape.elements());
  }

  void note_missing(Check& check) const {
    for (int32_t i = 0; i < model_.output_count(); ++i) {
      const std::string name = to_string(model_.output(i).name);
      bool found = false;
      for (const LoggedOutput& output : log_.outputs) found = found || output.name == name;
      if (!found) check.missing.push_back(name);
    }
  }

  host::IntegerModel& file_;
  InspectableModel& model_;
  const Log& log_;
};

// ESP-DL compared with the test values itself; who produces the tensor is known here.
void take_tests(const host::IntegerModel& file, const Log& log, Check& check) {
  const InspectableModel& model = file.model();
  for (const LoggedTest& test : log.tests) {
    ++check.compared;
    if (test.passed) continue;
    ++check.differing;
    for (int32_t node = 0; node < model.node_count(); ++node) {
      for (int32_t i = 0; i < model.node_output_count(node); ++i) {
        if (!(model.node_output(node, i).name == test.output.c_str())) continue;
        if (check.first && check.first->node <= node) continue;
        check.first = Divergence{node, to_string(model.node_name(node)), to_string(model.node_type(node)),
                                 test.output, test.difference};
      }
    }
    if (!check.first) check.first = Divergence{-1, "", "", test.output, test.difference};
  }
}

}  // namespace

std::vector<LayerTime> layer_times(const host::IntegerModel& file, const Log& log) {
  const InspectableModel& model = file.model();
  std::map<int, int64_t> measured;  // node -> microseconds
  for (const LoggedLayer& layer : log.layers) {
    if (layer.microseconds >= 0) measured[layer.node] = layer.microseconds;
  }
  std::map<std::string, int64_t> by_name;
  for (const LoggedTime& time : log.times) by_name[time.node] = time.microseconds;
  const auto estimate = quantize::estimate_latency(model, file.target());
  std::vector<LayerTime> times;
  for (int32_t node = 0; node < model.node_count(); ++node) {
    const std::string name = to_string(model.node_name(node));
    if (const auto found = by_name.find(name); found != by_name.end()) measured[node] = found->second;
    const auto found = measured.find(node);
    if (found == measured.end()) continue;
    LayerTime time{node, name, to_string(model.node_type(node)), std::nullopt,
                   static_cast<double>(found->second) / 1000};
    if (estimate) time.estimated = estimate->nodes[static_cast<size_t>(node)];
    times.push_back(time);
  }
  return times;
}

Check check_log(host::IntegerModel& file, const std::string& file_sha256, const Log& log,
                const std::string& log_path) {
  if (log.empty()) {
    fail(
        "'{}' holds no line that begins with SHRIKE, and neither a test nor a profile of ESP-DL; switch the "
        "fingerprints on in the project's menu \"Model\" and keep what the monitor prints",
        log_path);
  }
  Check check;
  check.other_file = !log.model_sha256.empty() && log.model_sha256 != file_sha256;
  if (log.seed) Comparison(file, log).run(check);
  take_tests(file, log, check);
  check.times = layer_times(file, log);
  const bool about_file = check.compared > 0 || !check.times.empty();
  if (!about_file)
    fail("'{}' is a log of another network: none of its layers is one of '{}'", log_path, file.name());
  return check;
}

}  // namespace shrike::board
