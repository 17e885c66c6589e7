// shrike analyze: which layers of a quantised file hurt, and what one more bit would buy.
#include <fmt/format.h>

#include <memory>
#include <optional>
#include <set>

#include "cli/commands.h"
#include "cli/model_options.h"
#include "cli/picture_options.h"
#include "toolchain/analyze/analyze.h"
#include "toolchain/analyze/report.h"
#include "toolchain/data/image.h"
#include "toolchain/engine/engine.h"
#include "toolchain/host/package.h"
#include "toolchain/pipeline/float_graph.h"
#include "toolchain/pipeline/settings_file.h"
#include "toolchain/support/error.h"
#include "toolchain/support/files.h"
#include "toolchain/support/outputs.h"
#include "toolchain/support/progress.h"
#include "toolchain/system/heap.h"

namespace shrike::cli {
namespace {

const std::set<std::string> kTables = {"graphwise", "layerwise", "bits", "tensors"};
constexpr size_t kBitsRows = 15;

struct AnalyzeArguments {
  std::string model, file, folder, config, page;
  std::set<std::string> tables = {"graphwise", "layerwise", "bits"};
  int images = 32;
  bool all = false, json = false, csv = false, quiet = false;
  host::IntegerOptions integer;
};

analyze::Rows rows_of(const AnalyzeArguments& arguments) {
  return arguments.all ? analyze::Rows::kAll : analyze::Rows::kComputing;
}

void print_text(const AnalyzeArguments& arguments, const analyze::Analysis& analysis) {
  const analyze::Rows rows = rows_of(arguments);
  if (arguments.tables.contains("graphwise")) {
    fmt::print(
        "Graphwise: noise accumulated from the input to each {}, behind its activation function, "
        "integer file against float\n{}\n",
        arguments.all ? "tensor" : "layer", analyze::graphwise_table(analysis, rows));
  }
  if (arguments.tables.contains("layerwise")) {
    fmt::print(
        "Layerwise: noise at the outputs when only that layer is quantised (mean, then each output)\n{}\n",
        analyze::layerwise_table(analysis));
  }
  if (arguments.tables.contains("bits")) {
    fmt::print("What one more bit would take off the mean noise at the outputs (first {})\n{}\n", kBitsRows,
               analyze::bits_table(analysis, kBitsRows));
  }
  if (arguments.tables.contains("tensors")) fmt::print("Tensors\n{}\n", analyze::tensor_table(analysis));
  fmt::print("noise to signal at the outputs:");
  for (size_t i = 0; i < analysis.outputs.size(); ++i)
    fmt::print("  {} {:.3f} %", analysis.outputs[i], 100 * analysis.output_noise[i]);
  fmt::print("  mean {:.3f} %\n", 100 * analysis.mean_output_noise());
  if (!analysis.layers.empty()) {
    double isolated = 0;
    for (const analyze::LayerReport& layer : analysis.layers) isolated += layer.mean();
    fmt::print("sum of the isolated noise of {} layers: {:.3f} %\n", analysis.layers.size(), 100 * isolated);
  }
  if (!analysis.not_compared.empty()) {
    fmt::print("{} tensors of the file are not in the float model and were not compared\n",
               analysis.not_compared.size());
  }
  std::vector<std::string> inputs;
  for (const analyze::InputReport& input : analysis.inputs)
    inputs.push_back(fmt::format("{} [{}]", input.name, graph::shape_text(input.shape, ", ")));
  fmt::print("{} samples of {}, {:.1f} s on {} threads\n", analysis.samples, fmt::join(inputs, ", "),
             analysis.seconds, analysis.threads);
}

void run(const AnalyzeArguments& arguments) {
  if (arguments.csv && arguments.tables.size() != 1)
    throw WrongCommandLine("--csv prints one table: name it with --tables, for instance --tables layerwise");
  keep_freed_memory();
  if (arguments.quiet) silence_progress();
  if (!arguments.page.empty()) {
    guard_outputs({{arguments.model, arguments.file, arguments.folder, arguments.config},
                   {{arguments.page, "--html"}}});
    require_writable(arguments.page);
  }
  engine::require_engine();
  const quantize::Settings settings =
      arguments.config.empty() ? quantize::Settings{} : quantize::load_settings(arguments.config);
  const std::vector<uint8_t> bytes = host::read_model_file(arguments.file, arguments.integer.model);
  const host::IntegerModel file = host::IntegerModel::from_bytes(bytes, arguments.file, arguments.integer);
  report_on_file(file);
  const graph::Graph graph = quantize::float_graph_of(arguments.model, file, settings);
  quantize::Feed feed(graph, {}, 1);
  feed = feed.fitted_by(settings.calibration_fit)
             .with(quantize::choose_samples(data::list_samples(arguments.folder, feed.ports()),
                                            arguments.images));

  analyze::Options options;
  options.layerwise = arguments.tables.contains("layerwise") || arguments.tables.contains("bits");
  options.every_tensor = arguments.all;
  options.threads = arguments.integer.threads;
  options.integer = arguments.integer;
  const analyze::Samples samples{feed.size(), [&](size_t index) { return feed.inputs(index); }};
  std::optional<Progress> bar;
  analyze::Analysis analysis =
      analyze::analyze(graph, bytes, arguments.file, samples, options, [&](size_t done, size_t total) {
        if (!bar) bar.emplace("analyze", static_cast<int64_t>(total));
        bar->update(static_cast<int64_t>(done));
      });
  bar.reset();
  analysis.model = arguments.model;
  analysis.target = host::target_name(file.target());
  if (!arguments.page.empty()) write_file_atomically(arguments.page, analyze::to_page(analysis));
  if (arguments.json) {
    fmt::print("{}\n", analyze::to_json(analysis));
  } else if (arguments.csv) {
    fmt::print("{}", analyze::to_csv(analysis, *arguments.tables.begin(), rows_of(arguments)));
  } else {
    print_text(arguments, analysis);
  }
}

void add_analyze(Command& app) {
  auto arguments = std::make_shared<AnalyzeArguments>();
  Command* command = app.add_subcommand(
      "analyze",
      "Compare a quantised file with its float model, layer by layer: where does the noise come from");
  command->footer(
      "Example:\n"
      "  shrike analyze yolo11n.onnx yolo11n.espdl --calib coco/images --html report.html\n\n"
      "Everything quantised is computed by the integer runtime from the file; everything else by the float "
      "engine.\n"
      "Numbers are sum((q - f)^2) / sum(f^2) of a tensor, averaged over the samples; at the outputs, those "
      "far quieter\n"
      "than the others count by less.\n"
      "graphwise  the whole file in integers: noise accumulated up to each layer's output, behind the "
      "activation\n"
      "           function that alone reads it. The rule of thumb: outputs below 1 % lose next to nothing.\n"
      "layerwise  one layer in integers (its input, weights, bias and output rounded as in the file), the "
      "rest "
      "in\n"
      "           float: what the outputs get from that layer alone. Biases that were corrected for the "
      "noise "
      "of\n"
      "           earlier layers make a layer look worse alone than it is.\n"
      "bits       the layer's own noise, seen behind its activation function, is split by rounding only its "
      "input "
      "and only\n"
      "           its output; weights and bias are what is left. One more bit quarters the noise of rounding "
      "input "
      "or\n"
      "           weights; the output is rounded again with one bit more, on finer steps or twice the range. "
      "The "
      "effect\n"
      "           on the outputs is taken as proportional (first order).\n"
      "tensors    format, range, share of integers at a limit (saturated) and of floats beyond it "
      "(clipped).\n"
      "Image size and outputs are the file's. A model that was changed before quantisation (split layers, "
      "equalisation)\n"
      "needs the same settings: --config with the file that `shrike quantize --save-config` wrote.");
  command->add_option("MODEL", arguments->model, "float model, .onnx")->required();
  command->add_option("FILE", arguments->file, "quantised model, .espdl")->required();
  command
      ->add_option("--calib", arguments->folder,
                   "pictures or .npy arrays to compare on: what quantize --calib takes")
      ->required();
  command->add_option("--images", arguments->images, "how many of them, evenly spread (0: all) [32]")
      ->check(between(0, 1'000'000));
  command->add_flag("--all", arguments->all, "every tensor, not only Conv, ConvTranspose, Gemm and MatMul");
  command
      ->add_option("--tables", arguments->tables,
                   "which, separated by commas: graphwise,layerwise,bits,tensors [graphwise,layerwise,bits]; "
                   "graphwise and tensors alone are quick")
      ->delimiter(',')
      ->check(one_of(kTables));
  command->add_option("--html", arguments->page, "write everything as one self-contained page");
  command->add_flag("--json", arguments->json, "everything as JSON on standard output");
  command->add_flag("--csv", arguments->csv, "the one table that --tables names, for spreadsheets");
  command->add_option("--config", arguments->config, "YAML settings that the file was quantised with");
  add_picture_options(*command);
  command->add_flag("--quiet", arguments->quiet, "no progress");
  add_model_options(*command, arguments->integer);
  command->callback([arguments] { run(*arguments); });
}

const CommandRegistration analyze_registration("analyze", 20, add_analyze);

}  // namespace
}  // namespace shrike::cli
