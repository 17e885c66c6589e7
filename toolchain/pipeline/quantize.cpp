#include "toolchain/pipeline/quantize.h"

#include <chrono>
#include <cmath>
#include <cstring>

#include "runtime/ops/numeric.h"
#include "toolchain/engine/engine.h"
#include "toolchain/formats/formats.h"
#include "toolchain/graph/passes.h"
#include "toolchain/host/integer_model.h"
#include "toolchain/import/import.h"
#include "toolchain/integer/trial.h"
#include "toolchain/operators/support.h"
#include "toolchain/pipeline/check_values.h"
#include "toolchain/pipeline/noise_warnings.h"
#include "toolchain/rounding/bias.h"
#include "toolchain/rounding/refit.h"
#include "toolchain/search/exponents.h"
#include "toolchain/support/error.h"
#include "toolchain/transform/equalize.h"
#include "toolchain/transform/rescale.h"
#include "toolchain/transform/split.h"

namespace shrike::quantize {
namespace {

// Images on which the summary's output noise is measured.
constexpr int kReportImages = 8;

class Phases {
 public:
  explicit Phases(std::vector<Phase>& list) : list_(list) {}
  void begin(const std::string& name) {
    end();
    name_ = name;
    start_ = std::chrono::steady_clock::now();
  }
  void end() {
    if (name_.empty()) return;
    list_.push_back(
        {name_, std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count()});
    name_.clear();
  }

 private:
  std::vector<Phase>& list_;
  std::string name_;
  std::chrono::steady_clock::time_point start_;
};

std::vector<std::string> notes_about(const SplitReport& split, const Settings& settings,
                                     const std::vector<EqualizedLayers>& equalized) {
  std::vector<std::string> notes;
  if (!split.split.empty()) notes.push_back(fmt::format("split {}", fmt::join(split.split, ", ")));
  for (const std::string& layer : split.unchanged) {
    notes.push_back(fmt::format("'{}' was not split, because no weight is above {} (split-threshold)", layer,
                                settings.split_threshold));
  }
  if (!settings.equalization) return notes;
  notes.push_back(fmt::format("equalization found {} sets of connected layers", equalized.size()));
  for (const EqualizedLayers& set : equalized) {
    notes.push_back(fmt::format("equalization scaled {} of {} channels of {}", set.scaled, set.channels,
                                fmt::join(set.layers, ", ")));
  }
  return notes;
}

}  // namespace

graph::Graph load_float_graph(const std::string& model_path, const Settings& settings,
                              std::vector<std::string>* notes) {
  graph::Graph graph = graph::import_model(model_path);
  std::vector<std::string> remarks =
      graph::prepare(graph, {.size = settings.size, .outputs = settings.outputs});
  check_values(graph);
  const SplitReport split = split_layers(graph, settings);
  std::vector<EqualizedLayers> equalized;
  if (settings.equalization) equalized = equalize(graph, settings);
  if (notes != nullptr) {
    *notes = std::move(remarks);
    for (std::string& note : notes_about(split, settings, equalized)) notes->push_back(std::move(note));
  }
  insert_quantize_nodes(graph);
  return graph;
}

void rescale_ranges(graph::Graph& graph, const std::vector<std::string>& images, const Settings& settings,
                    const ProgressCallback& progress) {
  if (!settings.rescaling || settings.bits != 8) return;
  const Rescaling rescaling = choose_rescaling(graph, images, settings, progress);
  rescale(graph, rescaling);
  graph.metadata[kRescalingKey] = rescaling_text(rescaling);
}

Plan fit_plan(const graph::Graph& graph, const Statistics& statistics, const std::vector<std::string>& images,
              const Settings& settings, const PhaseProgress& progress, std::vector<Phase>& list) {
  Phases phases(list);
  phases.begin("formats");
  Plan plan = choose_formats(graph, statistics, settings);
  round_weights(graph, settings, plan);

  if (settings.exponent_search) {
    phases.begin("search");
    const Reference reference =
        make_reference(graph, choose_images(images, settings.search_images), settings);
    search_exponents(graph, statistics, reference, settings, plan,
                     [&](size_t done, size_t total) { progress("search", done, total); });
  }
  if (settings.weight_refit) {
    phases.begin("refit");
    refit_weights(graph, choose_images(images, settings.refit_images), settings, plan,
                  [&](size_t done, size_t total) { progress("refit", done, total); });
  }
  if (settings.bias_correction) {
    phases.begin("bias");
    correct_biases(graph, choose_images(images, settings.bias_images), settings, plan,
                   [&](size_t done, size_t total) { progress("bias", done, total); });
  }
  phases.end();
  return plan;
}

Result quantize(const std::string& model_path, const std::string& calibration_folder,
                const Settings& settings, const PhaseProgress& progress) {
  Result result;
  Phases phases(result.phases);

  phases.begin("import");
  result.float_graph = load_float_graph(model_path, settings, &result.notes);
  graph::Graph& graph = result.float_graph;
  // What can't be done is told before the long work, and all of it at once.
  const std::map<std::string, int> bits = choose_bits(graph, settings, &result.notes);
  operators::check_supported(graph, [&](const graph::Node& node) { return bits.at(node.outputs[0]); });
  check_exponent_names(graph, settings);
  const std::vector<std::string> all_images = data::list_images(calibration_folder);
  const std::vector<std::string> images = choose_images(all_images, settings.calibration_images);

  phases.begin("rescale");
  rescale_ranges(graph, images, settings,
                 [&](size_t done, size_t total) { progress("rescale", done, total); });

  phases.begin("calibrate");
  const Statistics statistics = calibrate(
      graph, images, settings, [&](size_t done, size_t total) { progress("calibrate", done, total); });
  phases.end();
  const Plan plan = fit_plan(graph, statistics, images, settings, progress, result.phases);

  phases.begin("write");
  result.quantized_graph = materialize(graph, plan, settings.target);
  espdl::check_constraints(result.quantized_graph, settings.target);
  result.program = espdl::lower(result.quantized_graph, settings.target);
  for (const graph::Node& node : result.quantized_graph.nodes)
    result.requantize_nodes += node.op == "RequantizeLinear";

  phases.begin("measure");
  const Reference reference = make_reference(graph, choose_images(images, kReportImages), settings);
  result.output_names = graph.outputs;
  result.output_noise = output_noise(graph, plan, settings, reference);
  result.warnings = noise_warnings(graph, result.output_noise);
  phases.end();
  return result;
}

void embed_test_values(espdl::Program& program, const std::string& image, const Settings& settings) {
  if (program.inputs.size() != 1)
    fail("test values need a model with one input; this one has {}", program.inputs.size());
  host::IntegerOptions options;
  options.target = host::target_name(settings.target);
  program.test_inputs.clear();
  program.test_outputs.clear();
  host::IntegerModel hosted =
      host::IntegerModel::from_bytes(espdl::serialize(program), "the new file", options);
  InspectableModel& model = hosted.model();
  const TensorView input = model.input(0);
  const graph::ImageSize size{input.shape.dims[1], input.shape.dims[2]};
  const std::vector<float> planar = network_input(image, size, settings.geometry);
  const float inverse = std::ldexp(1.0f, -input.exponent);
  const int64_t cells = size.height * size.width;
  for (int64_t cell = 0; cell < cells; ++cell) {
    for (int64_t channel = 0; channel < 3; ++channel) {
      const float scaled = planar[static_cast<size_t>(channel * cells + cell)] * inverse;
      const int64_t at = cell * 3 + channel;
      if (input.type == DataType::kInt16) {
        static_cast<int16_t*>(input.data)[at] = quantize_float<int16_t>(scaled, rounding_of(settings.target));
      } else {
        static_cast<int8_t*>(input.data)[at] = quantize_float<int8_t>(scaled, rounding_of(settings.target));
      }
    }
  }
  const auto store = [](const TensorView& view) {
    espdl::StoredTensor tensor;
    tensor.name.assign(view.name.data, view.name.size);
    for (int32_t i = 0; i < view.shape.rank; ++i) tensor.dims.push_back(view.shape.dims[i]);
    tensor.type = view.type;
    tensor.exponents = {view.exponent};
    tensor.bytes.resize(view.bytes);
    std::memcpy(tensor.bytes.data(), view.data, view.bytes);
    return tensor;
  };
  program.test_inputs.push_back(store(input));
  hosted.run();
  for (int32_t i = 0; i < model.output_count(); ++i) program.test_outputs.push_back(store(model.output(i)));
}

}  // namespace shrike::quantize
