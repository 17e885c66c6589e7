// shrike quantize: float ONNX in, `.espdl` out.
#include <fmt/format.h>

#include <cstdio>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "cli/auto_table.h"
#include "cli/chip_time.h"
#include "cli/commands.h"
#include "cli/picture_options.h"
#include "toolchain/board/library_fit.h"
#include "toolchain/data/samples.h"
#include "toolchain/engine/engine.h"
#include "toolchain/engine/float_path.h"
#include "toolchain/espdl/writer.h"
#include "toolchain/host/integer_model.h"
#include "toolchain/pipeline/quantize.h"
#include "toolchain/pipeline/settings_file.h"
#include "toolchain/search/auto_search.h"
#include "toolchain/support/error.h"
#include "toolchain/support/files.h"
#include "toolchain/support/format.h"
#include "toolchain/support/json.h"
#include "toolchain/support/outputs.h"
#include "toolchain/support/progress.h"
#include "toolchain/support/sha256.h"

namespace shrike::cli {
namespace {

struct QuantizeArguments {
  std::string model, calibration_folder, output, config, save_config, test_image;
  std::map<std::string, std::string> fields;
  int threads = 0;
  bool json = false, quiet = false;
  bool search = false;  // --auto
  quantize::Budget budget{.milliseconds = {}, .bytes = {}, .percent = 10};
  int judge_images = 32;
};

std::string with_extension(const std::string& path, const std::string& extension) {
  const size_t dot = path.rfind(".espdl");
  return (dot != std::string::npos && dot + 6 == path.size() ? path.substr(0, dot) : path) + extension;
}

std::string as_text(const std::vector<uint8_t>& bytes) {
  return {bytes.begin(), bytes.end()};
}

std::string journal_of(const QuantizeArguments& arguments) {
  return with_extension(arguments.output, ".auto.jsonl");
}

// `written`: the new file.
void print_summary(const QuantizeArguments& arguments, const quantize::Result& result,
                   const host::IntegerModel& written, const std::optional<quantize::AutoResult>& found) {
  const uint64_t file_bytes = written.file_bytes();
  const host::IntegerModel on_board = written.on_board();
  const InspectableModel& board = on_board.model();
  const MemoryReport memory = board.memory();
  const Target target = result.program.target;
  const std::string library = espdl::to_string(espdl::library_of(result.quantized_graph)),
                    oldest_library = espdl::to_string(board::oldest_library(written));
  double total = 0;
  for (const quantize::Phase& phase : result.phases) total += phase.seconds;
  if (arguments.json) {
    nlohmann::ordered_json json;
    json["file"] = arguments.output;
    json["bytes"] = file_bytes;
    json["esp_dl"] = {{"version", library}, {"oldest", oldest_library}};
    json["nodes"] = result.program.nodes.size();
    json["requantize_nodes"] = result.requantize_nodes;
    json["arena_bytes"] = memory.arena_bytes;
    add_chip_time(json, board, target);
    for (size_t i = 0; i < result.output_names.size(); ++i) {
      json["noise_to_signal"][result.output_names[i]] = result.output_noise[i];
    }
    for (const quantize::Phase& phase : result.phases) json["seconds"][phase.name] = phase.seconds;
    if (!result.warnings.empty()) json["warnings"] = result.warnings;
    if (found) json["auto"] = auto_json(*found);
    fmt::print("{}\n", indented_text(json));
    return;
  }
  if (found) print_auto_table(*found);
  fmt::print("{}: {} nodes ({} RequantizeLinear), {}, arena {}, ESP-DL {} or newer (for {})\n",
             arguments.output, result.program.nodes.size(), result.requantize_nodes, format_bytes(file_bytes),
             format_bytes(memory.arena_bytes), oldest_library, library);
  fmt::print("{}\n", chip_time_text(board, target));
  fmt::print("noise to signal at the outputs:");
  double sum = 0;
  for (size_t i = 0; i < result.output_names.size(); ++i) {
    fmt::print("  {} {:.3f} %", result.output_names[i], 100 * result.output_noise[i]);
    sum += result.output_noise[i];
  }
  fmt::print("  mean {:.3f} %\n", 100 * sum / static_cast<double>(result.output_names.size()));
  fmt::print("time:");
  for (const quantize::Phase& phase : result.phases) fmt::print("  {} {:.1f} s", phase.name, phase.seconds);
  fmt::print("  total {:.1f} s\n", total);
}

// A device or a pipe gets the file alone: there is nothing beside it.
bool has_companions(const QuantizeArguments& arguments) {
  return !is_written_through(arguments.output);
}

CommandFiles files_of(const QuantizeArguments& arguments) {
  CommandFiles files{{arguments.model, arguments.calibration_folder}, {{arguments.output, "-o"}}};
  if (!arguments.config.empty()) files.reads.push_back(arguments.config);
  for (const std::string& path : data::paths_of(arguments.test_image)) files.reads.push_back(path);
  if (has_companions(arguments)) {
    files.writes.push_back({with_extension(arguments.output, ".info"), "the text beside -o"});
    files.writes.push_back({with_extension(arguments.output, ".json"),
                            "the formats beside -o",
                            {"\"espdl_sha256\"", "\"configs\""}});
    if (arguments.search) {
      files.writes.push_back({journal_of(arguments), "the journal of --auto"});
    } else {
      files.reads.push_back(journal_of(arguments));  // hours of work
    }
  }
  if (!arguments.save_config.empty()) files.writes.push_back({arguments.save_config, "--save-config"});
  return files;
}

// Everything that can be told before the long work.
void require_usable_files(const QuantizeArguments& arguments) {
  if (arguments.search && !has_companions(arguments)) {
    fail("'{}': --auto keeps its journal beside the output; give a file instead of a device or a pipe",
         arguments.output);
  }
  const CommandFiles files = files_of(arguments);
  guard_outputs(files);
  for (const PlannedOutput& output : files.writes) require_writable(output.path);
  data::require_readable(arguments.test_image);
}

// One progress bar a phase.
class Bars {
 public:
  quantize::PhaseProgress progress() {
    return [this](const std::string& name, size_t done, size_t total) {
      if (name != phase_) {
        bar_.emplace(name, static_cast<int64_t>(total));
        phase_ = name;
      }
      bar_->update(static_cast<int64_t>(done));
    };
  }
  void end() { bar_.reset(); }

 private:
  std::string phase_;
  std::optional<Progress> bar_;
};

quantize::AutoResult search(const QuantizeArguments& arguments, const quantize::Settings& settings) {
  Bars bars;
  return quantize::auto_search(arguments.model, arguments.calibration_folder, settings,
                               {arguments.budget, arguments.judge_images, journal_of(arguments)},
                               bars.progress());
}

void run(const QuantizeArguments& arguments) {
  quantize::Settings settings =
      arguments.config.empty() ? quantize::Settings{} : quantize::load_settings(arguments.config);
  for (const bool presets : {true, false}) {
    for (const auto& [name, value] : arguments.fields) {
      if (quantize::is_preset(name) == presets) quantize::set_field(settings, name, value);
    }
  }
  quantize::require_possible(settings);
  for (const auto& [name, value] : arguments.fields) {
    const std::string reason = quantize::without_effect(settings, name);
    if (!reason.empty())
      throw WrongCommandLine(
          fmt::format("--{} would have no effect, because {}; leave it out", name, reason));
  }
  settings.threads = arguments.threads;
  require_usable_files(arguments);
  engine::require_engine();
  if (arguments.quiet) silence_progress();

  std::optional<quantize::AutoResult> found;
  if (arguments.search) {
    found = search(arguments, settings);
    for (const std::string& note : found->notes) fmt::print(stderr, "note: {}\n", note);
    settings = found->settings();
  }
  Bars bars;
  quantize::Result result =
      quantize::quantize(arguments.model, arguments.calibration_folder, settings, bars.progress());
  bars.end();
  for (const std::string& note : result.notes) fmt::print(stderr, "note: {}\n", note);
  if (!arguments.test_image.empty())
    quantize::embed_test_values(result.program, result.float_graph, arguments.test_image, settings);

  const std::vector<uint8_t> bytes = espdl::serialize(result.program);
  host::IntegerOptions options;
  options.target = host::target_name(settings.target);
  const host::IntegerModel written = host::IntegerModel::from_bytes(bytes, arguments.output, options);
  std::vector<NamedBytes> files;
  if (has_companions(arguments)) {
    const std::string hash = sha256(bytes.data(), bytes.size());
    files.push_back({with_extension(arguments.output, ".info"), espdl::info_text(result.program, hash)});
    files.push_back({with_extension(arguments.output, ".json"),
                     espdl::config_json(result.quantized_graph, settings.target, hash,
                                        {{"program", fmt::format("shrike {}", SHRIKE_VERSION)},
                                         {"esp_dl", espdl::to_string(settings.library)},
                                         {"float_path", engine::float_path()}})});
  }
  if (!arguments.save_config.empty()) files.push_back({arguments.save_config, quantize::to_yaml(settings)});
  files.push_back({arguments.output, as_text(bytes)});
  write_files_atomically(files);
  print_summary(arguments, result, written, found);
  std::fflush(stdout);
  for (const std::string& warning : result.warnings) fmt::print(stderr, "warning: {}\n", warning);
}

void add_quantize(Command& app) {
  auto arguments = std::make_shared<QuantizeArguments>();
  Command* command =
      app.add_subcommand("quantize", "Quantise a float ONNX model to power-of-two integers and write .espdl");
  command->footer(
      "Example:\n"
      "  shrike quantize yolo11n.onnx --calib coco/images --target esp32p4 -o yolo11n.espdl\n"
      "  shrike quantize yolo11n.onnx --calib coco/images --imgsz 320 -o yolo11n_320.espdl\n"
      "  shrike quantize yolo11n.onnx --calib coco/images --auto --budget 2.7s -o yolo11n.espdl\n\n"
      "A few hundred photographs like those the camera will see are enough for --calib; labels are not "
      "needed.\n"
      "--auto judges by images that nothing was fitted to and keeps its trials in OUT.auto.jsonl: an "
      "interrupted\n"
      "search goes on from there, another --budget uses them again.\n"
      "OUT.info (text) and OUT.json (formats) are written beside OUT.espdl. Settings may come from a YAML "
      "file with\n"
      "the same names (--config); options on the command line override it.");
  command->add_option("MODEL", arguments->model, "float model, .onnx")->required();
  command
      ->add_option(
          "--calib", arguments->calibration_folder,
          "pictures or .npy arrays to calibrate on: a folder, a .txt list or a data.yaml; several inputs: a "
          "sub-folder each")
      ->required();
  command->add_option("-o,--output", arguments->output, "file to write, .espdl")->required();
  command->add_option("--config", arguments->config, "YAML file with settings");
  command->add_option("--save-config", arguments->save_config,
                      "write the settings in force to this YAML file");
  command->add_option(
      "--test-image", arguments->test_image,
      "embed this image and the outputs it gives, for `shrike test` and the chip's self test");
  command->add_option("--threads", arguments->threads, "threads (0: all cores); never changes the result")
      ->check(between(0, 256));
  Option* search = command
                       ->add_flag("--auto", arguments->search,
                                  "search options and 16-bit layers for the least error that --budget allows")
                       ->group("Search");
  command
      ->add_option_function(
          "--budget",
          [arguments](const std::string& text) {
            as_command_line([&] { arguments->budget = quantize::parse_budget(text); });
          },
          "most that --auto may spend: estimated time on the chip (2.5s, 800ms), size of the file (3.2MB), "
          "or "
          "time above the start's (+10%); several with commas [+10%]")
      ->needs(search)
      ->group("Search")
      ->type_name("");
  command
      ->add_option("--auto-images", arguments->judge_images,
                   "images that judge a trial, other than those that are calibrated on [32]")
      ->needs(search)
      ->check(between(1, 100000))
      ->group("Search");
  add_picture_options(*command);
  command->add_flag("--json", arguments->json, "summary as JSON on standard output");
  command->add_flag("--quiet", arguments->quiet, "no progress");
  const quantize::Settings defaults;
  for (const quantize::SettingField& field : quantize::setting_fields()) {
    const std::string value = field.get(defaults);
    command
        ->add_option_function(
            "--" + field.name,
            [arguments, name = field.name](const std::string& text) {
              quantize::Settings scratch;
              as_command_line([&] { quantize::set_field(scratch, name, text); });
              arguments->fields[name] = text;
            },
            field.help + (value.empty() ? "" : " [" + value + "]"))
        ->group("Settings")
        ->type_name("");
  }
  command->callback([arguments] { run(*arguments); });
}

const CommandRegistration quantize_registration("quantize", 10, add_quantize);

}  // namespace
}  // namespace shrike::cli
