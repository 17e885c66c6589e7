#include "cli/info_float.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "cli/model_description.h"
#include "toolchain/evaluate/class_names.h"
#include "toolchain/graph/inference.h"
#include "toolchain/graph/passes.h"
#include "toolchain/import/import.h"
#include "toolchain/pipeline/steps.h"
#include "toolchain/support/csv.h"
#include "toolchain/support/error.h"
#include "toolchain/support/format.h"
#include "toolchain/support/json.h"

namespace shrike::cli {
namespace {

struct FloatModel {
  graph::Graph graph;  // as it was read; unknown shapes are one unknown dimension
  int64_t parameters = 0;
  ModelDescription description;    // of what quantize makes of it
  std::vector<std::string> notes;  // by quantize
  std::string refusal;             // why quantize would not take it as it is; empty: it would
};

bool is_open(const graph::Graph& graph) {
  return std::any_of(graph.inputs.begin(), graph.inputs.end(), [&](const std::string& input) {
    const graph::Shape& shape = graph.tensor(input).shape;
    return std::find(shape.begin(), shape.end(), graph::kUnknownDim) != shape.end();
  });
}

// Shapes as far as they follow from the inputs; the others are marked as unknown.
void infer_what_can_be(graph::Graph& graph) {
  std::set<std::string> known(graph.inputs.begin(), graph.inputs.end());
  if (!is_open(graph)) {
    const graph::Inference inference(graph, graph::Strictness::kLenient);
    for (const auto& [name, tensor] : graph.tensors) {
      if (inference.knows(name)) known.insert(name);
    }
  }
  for (auto& [name, tensor] : graph.tensors) {
    if (!tensor.constant && !known.contains(name)) tensor.shape = {graph::kUnknownDim};
  }
}

int64_t count_parameters(const graph::Graph& graph) {
  int64_t count = 0;
  for (const auto& [name, tensor] : graph.tensors) {
    if (tensor.constant && tensor.type == graph::ElementType::kFloat) count += tensor.elements();
  }
  return count;
}

void describe_quantized(graph::Graph imported, FloatModel& model) {
  try {
    const graph::Graph graph = quantize::prepare_float_graph(std::move(imported), {}, &model.notes);
    const auto value = [&](const char* key) {
      const auto found = graph.metadata.find(key);
      return found == graph.metadata.end() ? std::string() : found->second;
    };
    ModelDescription& description = model.description;
    if (graph.inputs.size() == 1)
      description.picture = data::input_spec(graph.tensor(graph.inputs[0]).shape, value(data::kInputKey));
    description.head = heads::named(graph);
    if (description.head) {
      description.names =
          evaluate::class_names(static_cast<int>(description.head->classes), value("names")).names;
    }
  } catch (const Error& error) {
    model.refusal = error.what();
  }
}

FloatModel read(const std::string& path) {
  FloatModel model;
  graph::Graph imported = graph::import_model(path);
  model.graph = imported;
  infer_what_can_be(model.graph);
  model.parameters = count_parameters(model.graph);
  describe_quantized(std::move(imported), model);
  return model;
}

nlohmann::ordered_json tensors_json(const graph::Graph& graph, const std::vector<std::string>& names) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const std::string& name : names) {
    nlohmann::ordered_json shape = nlohmann::ordered_json::array();
    for (const int64_t size : graph.tensor(name).shape) {
      size == graph::kUnknownDim ? shape.push_back(nullptr) : shape.push_back(size);
    }
    list.push_back({{"name", name}, {"shape", shape}});
  }
  return list;
}

void print_json(const std::string& path, const FloatModel& model) {
  nlohmann::ordered_json json;
  json["file"] = path;
  json["nodes"] = model.graph.nodes.size();
  json["parameters"] = model.parameters;
  json["inputs"] = tensors_json(model.graph, model.graph.inputs);
  json["outputs"] = tensors_json(model.graph, model.graph.outputs);
  add_description(json, model.description);
  json["metadata"] = nlohmann::ordered_json::object();
  for (const auto& [key, value] : model.graph.metadata) json["metadata"][key] = value;
  json["quantizable"] = model.refusal.empty();
  if (!model.refusal.empty()) json["refusal"] = model.refusal;
  json["notes"] = model.notes;
  fmt::print("{}\n", indented_text(json));
}

void print_csv(const graph::Graph& graph) {
  fmt::print("{}", csv_line({"node", "type", "name", "inputs", "outputs", "output_shape"}));
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    const graph::Node& node = graph.nodes[i];
    fmt::print(
        "{}", csv_line({std::to_string(i), node.op, node.name, fmt::format("{}", fmt::join(node.inputs, " ")),
                        fmt::format("{}", fmt::join(node.outputs, " ")),
                        fmt::format("[{}]", graph::shape_text(graph.tensor(node.outputs[0]).shape, ", "))}));
  }
}

void print_text(const FloatModel& model) {
  fmt::print("{}", graph::to_text(model.graph));
  fmt::print("{} parameters\n", format_count(static_cast<uint64_t>(model.parameters)));
  fmt::print("{}", description_text(model.description));
  for (const std::string& note : model.notes) fmt::print("note: {}\n", note);
  if (!model.refusal.empty()) fmt::print("as it is, quantize refuses it: {}\n", model.refusal);
}

}  // namespace

void print_float_model(const std::string& path, FloatForm form) {
  if (form == FloatForm::kCsv) {
    graph::Graph graph = graph::import_model(path);
    infer_what_can_be(graph);
    return print_csv(graph);
  }
  const FloatModel model = read(path);
  form == FloatForm::kJson ? print_json(path, model) : print_text(model);
}

}  // namespace shrike::cli
