#include "toolchain/pipeline/float_graph.h"

#include <algorithm>

#include "toolchain/data/input_spec.h"
#include "toolchain/formats/materialize.h"
#include "toolchain/graph/passes.h"
#include "toolchain/heads/head.h"
#include "toolchain/host/tensors.h"
#include "toolchain/import/import.h"
#include "toolchain/pipeline/steps.h"
#include "toolchain/support/error.h"
#include "toolchain/transform/rescale.h"

namespace shrike::quantize {
namespace {

// For files whose writer left the attention's multiplier a node. The model has passed prepare() already.
graph::Graph with_attention_scale(const std::string& model_path, const Settings& settings) {
  graph::Graph graph = graph::import_model(model_path);
  graph::prepare(graph,
                 {.size = settings.size, .outputs = settings.outputs, .attention_scale_folded = false});
  insert_quantize_nodes(graph);
  return graph;
}

bool multiplies_what_is_folded(const host::IntegerModel& file, const graph::Graph& graph) {
  const InspectableModel& model = file.model();
  for (int32_t node = 0; node < model.node_count(); ++node) {
    if (model.node_type(node) == "Mul" &&
        !graph.tensors.contains(host::to_string(model.node_output(node, 0).name))) {
      return true;
    }
  }
  return false;
}

// The size that the float model is to be given, if its one picture's is open or another: channels are stored
// last then. Zero where its own fits the file as it is.
graph::ImageSize picture_size(const InspectableModel& model, const graph::Graph& graph) {
  if (model.input_count() != 1 || model.input(0).shape.rank != 4 || graph.inputs.size() != 1) return {};
  const Shape shape = model.input(0).shape;
  const int32_t* stored = shape.dims;
  const graph::Shape& own = graph.tensor(graph.inputs[0]).shape;
  if (own.size() == 4 && std::equal(own.begin() + 1, own.end(), stored + 1)) return {};
  return {stored[1], stored[2]};
}

}  // namespace

graph::Graph float_graph_of(const std::string& model_path, const host::IntegerModel& file,
                            Settings settings) {
  const InspectableModel& model = file.model();
  settings.target = file.target();
  graph::Graph graph = graph::import_model(model_path);
  settings.size = picture_size(model, graph);
  settings.outputs.clear();
  for (int32_t i = 0; i < model.output_count(); ++i)
    settings.outputs.push_back(host::to_string(model.output(i).name));
  if (!heads::in_head_order(settings.outputs).empty()) settings.outputs.clear();
  graph = prepare_float_graph(std::move(graph), settings, nullptr,
                              parse_grouping(host::to_string(model.metadata(kGroupsKey))));
  if (multiplies_what_is_folded(file, graph)) graph = with_attention_scale(model_path, settings);
  const std::string rescaling = host::to_string(model.metadata(kRescalingKey));
  rescale(graph, parse_rescaling(rescaling));
  if (!rescaling.empty()) graph.metadata[kRescalingKey] = rescaling;
  const std::string input = host::to_string(model.metadata(data::kInputKey));
  if (!input.empty()) graph.metadata[data::kInputKey] = input;
  return graph;
}

}  // namespace shrike::quantize
