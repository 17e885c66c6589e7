#include "toolchain/pipeline/quantize.h"

#include <algorithm>
#include <chrono>
#include <cstring>

#include "toolchain/formats/materialize.h"
#include "toolchain/integer/network.h"
#include "toolchain/integer/reference.h"
#include "toolchain/operators/operator.h"
#include "toolchain/pipeline/noise_warnings.h"
#include "toolchain/pipeline/recipe.h"
#include "toolchain/support/error.h"

namespace shrike::quantize {
namespace {

// Times the work that is no step of the list.
class Timer {
 public:
  Timer(std::vector<Phase>& phases, const char* name) : phases_(phases), name_(name) {}
  ~Timer() {
    phases_.push_back(
        {name_, std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count()});
  }

 private:
  std::vector<Phase>& phases_;
  const char* name_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

Draft begin(const std::string& model_path, const std::string& calibration_folder, const Settings& settings,
            Result& result) {
  const Timer timer(result.phases, "import");
  graph::Graph graph = load_float_graph(model_path, settings, &result.notes);
  Feed feed(graph, {}, settings.threads);
  const std::vector<std::string> all = data::list_samples(calibration_folder, feed.ports(), &result.notes);
  feed = feed.fitted_by(settings.calibration_fit).with(choose_samples(all, settings.calibration_images));
  feed.values(0);  // a sample that doesn't fit is told before the long work
  result.warnings = data::input_warnings(graph, feed.size());
  return {std::move(graph), std::move(feed), {}, {}};
}

espdl::StoredTensor stored_values(const TensorView& view) {
  espdl::StoredTensor tensor;
  tensor.name.assign(view.name.data, view.name.size);
  for (int32_t i = 0; i < view.shape.rank; ++i) tensor.dims.push_back(view.shape.dims[i]);
  tensor.type = view.type;
  tensor.exponents = {view.exponent};
  tensor.bytes.resize(view.bytes);
  std::memcpy(tensor.bytes.data(), view.data, view.bytes);
  return tensor;
}

}  // namespace

int count_requantize_nodes(const graph::Graph& materialized) {
  return static_cast<int>(std::count_if(
      materialized.nodes.begin(), materialized.nodes.end(),
      [](const graph::Node& node) { return operators::has_role(node.op, operators::Role::kConversion); }));
}

Result quantize(const std::string& model_path, const std::string& calibration_folder,
                const Settings& settings, const PhaseProgress& progress) {
  Result result;
  Draft draft = begin(model_path, calibration_folder, settings, result);
  for (const Part part : {Part::kNetwork, Part::kPlan})
    run_steps(part, draft, settings, progress, result.phases);
  {
    const Timer timer(result.phases, "write");
    result.quantized_graph = materialize(draft.graph, draft.plan, settings.target);
    espdl::check_constraints(result.quantized_graph, settings.target);
    result.program = espdl::lower(result.quantized_graph, settings.target);
    note_orders(result.program, draft.graph);
    result.requantize_nodes = count_requantize_nodes(result.quantized_graph);
  }
  {
    const Timer timer(result.phases, "measure");
    const Reference reference = make_reference(draft.graph, draft.feed.evenly(recipe::kReportImages));
    result.output_names = draft.graph.outputs;
    result.output_noise = output_noise(draft.graph, draft.plan, settings.target, reference);
    for (std::string& warning : noise_warnings(draft.graph, result.output_noise))
      result.warnings.push_back(std::move(warning));
  }
  result.float_graph = std::move(draft.graph);
  return result;
}

void embed_test_values(espdl::Program& program, const graph::Graph& float_graph, const std::string& image,
                       const Settings& settings) {
  const Feed feed(float_graph, {image}, settings.threads);
  host::IntegerOptions options;
  options.target = host::target_name(settings.target);
  program.test_inputs.clear();
  program.test_outputs.clear();
  IntegerNetwork network(host::IntegerModel::from_bytes(espdl::serialize(program), "the new file", options),
                         stored_variables(program));
  network.set_input(feed.values(0));
  for (int32_t i = 0; i < network.model().input_count(); ++i)
    program.test_inputs.push_back(stored_values(network.model().input(i)));
  network.run();
  for (int32_t i = 0; i < network.model().output_count(); ++i)
    program.test_outputs.push_back(stored_values(network.model().output(i)));
}

}  // namespace shrike::quantize
