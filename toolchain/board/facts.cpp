#include "toolchain/board/facts.h"

#include <algorithm>
#include <set>

#include "toolchain/board/library_fit.h"
#include "toolchain/cost/cost_model.h"
#include "toolchain/cost/own_runtime.h"
#include "toolchain/evaluate/class_names.h"
#include "toolchain/host/package.h"
#include "toolchain/host/tensors.h"
#include "toolchain/support/sha256.h"

namespace shrike::board {
namespace {

using host::to_string;

Port port_of(const TensorView& tensor) {
  return {to_string(tensor.name), tensor.type, tensor.shape, tensor.exponent, tensor.bytes};
}

std::vector<int64_t> dims_of(const TensorView& tensor) {
  return {tensor.shape.dims, tensor.shape.dims + tensor.shape.rank};
}

// As the graph before lowering has it: channels first.
graph::Tensor logical(const TensorView& tensor) {
  graph::Tensor result;
  result.name = to_string(tensor.name);
  result.shape = dims_of(tensor);
  if (result.shape.size() == 4)
    result.shape = {result.shape[0], result.shape[3], result.shape[1], result.shape[2]};
  return result;
}

// spec/board.md section 2. Only the postprocessor of masks is newer than what the file itself needs.
std::string oldest_version(const host::IntegerModel& file, const std::optional<heads::Head>& head) {
  constexpr espdl::LibraryVersion kMasks = {3, 3, 6};
  const bool masks = head && head->row->result == heads::Result::kMasks;
  return espdl::to_string(masks ? std::max(kMasks, oldest_library(file)) : oldest_library(file));
}

bool one_width(const InspectableModel& model) {
  std::set<DataType> types;
  for (int32_t i = 0; i < model.output_count(); ++i) types.insert(model.output(i).type);
  return types.size() == 1 && (types.contains(DataType::kInt8) || types.contains(DataType::kInt16));
}

}  // namespace

std::optional<heads::Head> head_of(const host::IntegerModel& file) {
  const InspectableModel& model = file.model();
  graph::Graph graph;
  const auto add = [&](const TensorView& tensor, std::vector<std::string>& names) {
    graph::Tensor logical_tensor = logical(tensor);
    names.push_back(logical_tensor.name);
    graph.tensors[logical_tensor.name] = std::move(logical_tensor);
  };
  for (int32_t i = 0; i < model.input_count(); ++i) add(model.input(i), graph.inputs);
  for (int32_t i = 0; i < model.output_count(); ++i) add(model.output(i), graph.outputs);
  for (const auto& [key, value] : file.metadata()) graph.metadata[key] = value;
  return heads::named(graph);
}

Facts read_facts(const std::string& path, const host::IntegerOptions& options) {
  Facts facts = facts_of(host::IntegerModel::open(path, host::on_board(options)));
  facts.file = host::read_model_file(path, options.model);
  facts.sha256 = sha256(facts.file.data(), facts.file.size());
  return facts;
}

Facts read_facts_for(const Board& board, const std::string& path, host::IntegerOptions options) {
  Facts facts = read_facts(path, options);
  if (!facts.chip_named && facts.chip != board.chip) {
    options.target = host::target_name(board.chip);
    facts = read_facts(path, options);
  }
  require_chip(board, facts.chip);
  return facts;
}

Facts facts_of(const host::IntegerModel& file) {
  const InspectableModel& model = file.model();
  Facts facts;
  facts.path = file.name();
  facts.graph_name = to_string(model.graph_name());
  facts.chip = file.target();
  facts.chip_named = !to_string(model.metadata("target")).empty();
  for (int32_t i = 0; i < model.input_count(); ++i) facts.inputs.push_back(port_of(model.input(i)));
  for (int32_t i = 0; i < model.output_count(); ++i) facts.outputs.push_back(port_of(model.output(i)));
  const TensorView input = model.input_count() > 0 ? model.input(0) : TensorView{};
  const bool integers = input.type == DataType::kInt8 || input.type == DataType::kInt16;
  if (model.input_count() == 1 && input.shape.rank == 4 && integers) {
    data::InputOptions stored;
    stored.channels_last = true;
    facts.picture = data::input_spec(dims_of(input), to_string(model.metadata(data::kInputKey)), stored);
  }
  facts.head = head_of(file);
  if (facts.head) {
    facts.names =
        evaluate::class_names(static_cast<int>(facts.head->classes), to_string(model.metadata("names")))
            .names;
  }
  facts.softmax_missing = model.node_count() > 0 && !(model.node_type(model.node_count() - 1) == "Softmax");
  facts.has_test_values = model.test_output_count() > 0 && model.test_input_count() == model.input_count();
  facts.one_width = one_width(model);
  facts.oldest_espdl = oldest_version(file, facts.head);
  facts.arena_bytes = model.memory().arena_bytes;
  facts.activation_bytes = model.memory().activation_bytes;
  if (const auto latency = quantize::estimate_latency(model, file.target()))
    facts.milliseconds = latency->milliseconds;
  if (const auto own = quantize::estimate_own_runtime(model, file.target()))
    facts.own_milliseconds = own->milliseconds;
  return facts;
}

std::string library_postprocessor(const Facts& facts) {
  if (!facts.head || !facts.picture || !facts.one_width) return "";
  const std::string name = heads::espdl_postprocessor(*facts.head);
  // Classifiers are decoded by the project itself; YOLO26's class belongs to an example, not to the library.
  return name == "ImageClassification" || name == "YOLO26" ? "" : name;
}

}  // namespace shrike::board
