// shrike run: an integer model on raw or generated input.
#include <fmt/format.h>

#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "cli/commands.h"
#include "cli/model_input.h"
#include "cli/model_options.h"
#include "cli/picture_options.h"
#include "toolchain/host/dump.h"
#include "toolchain/host/tensors.h"
#include "toolchain/support/json.h"
#include "toolchain/support/outputs.h"

namespace shrike::cli {
namespace {

struct RunArguments {
  std::string file, output;
  host::IntegerOptions options;
  uint64_t seed = 1;
  std::vector<std::string> inputs;  // NAME=FILE
  bool seed_given = false, all_tensors = false, json = false;
};

nlohmann::ordered_json to_json(const host::DumpedTensor& tensor) {
  nlohmann::ordered_json json = {
      {"name", tensor.name},
      {"dtype", tensor.type},
      {"shape", std::vector<int32_t>(tensor.shape.dims, tensor.shape.dims + tensor.shape.rank)},
      {"exponent", tensor.exponent},
      {"sha256", tensor.sha256}};
  if (!tensor.node.empty()) json["node"] = tensor.node;
  return json;
}

// The dump's tensors are numbered files; an input that lies among them could be one of them.
void require_harmless_dump(const RunArguments& arguments) {
  namespace fs = std::filesystem;
  const fs::path folder(arguments.output);
  CommandFiles files{{arguments.file},
                     {{(folder / "index.json").generic_string(), "the index of --output", {"\"tensors\""}}}};
  for (const std::string& entry : arguments.inputs) {
    const fs::path input = entry.substr(entry.rfind('=') + 1);
    files.reads.push_back(input.generic_string());
    files.writes.push_back({(folder / input.filename()).generic_string(), "--output"});
  }
  guard_outputs(files);
}

void run(const RunArguments& arguments) {
  if (!arguments.output.empty()) require_harmless_dump(arguments);
  host::IntegerModel model = host::IntegerModel::open(arguments.file, arguments.options);
  report_on_file(model);
  const auto seed = arguments.seed_given ? std::optional<uint64_t>(arguments.seed) : std::nullopt;
  set_inputs(model, parse_inputs(arguments.inputs), seed);
  auto tensors = host::run_and_dump(model, arguments.all_tensors ? host::Which::kAll : host::Which::kOutputs);
  if (!arguments.output.empty()) host::write_dump(arguments.output, model, tensors);
  report_saturation(model);
  if (!arguments.json) {
    for (const host::DumpedTensor& tensor : tensors) {
      fmt::print("{} {} {} exponent {} sha256 {}\n", tensor.name, tensor.type, host::shape_text(tensor.shape),
                 tensor.exponent, tensor.sha256);
    }
    return;
  }
  nlohmann::ordered_json json;
  json["file"] = arguments.file;
  json["target"] = host::target_name(model.target());
  json["target_assumed"] = model.target_assumed();
  json["isa"] = model.isa();
  json["saturated_accumulators"] = model.model().saturated_accumulators();
  json["saturated_multiply_adds"] = model.model().saturated_multiply_adds();
  for (const host::DumpedTensor& tensor : tensors) json["tensors"].push_back(to_json(tensor));
  fmt::print("{}\n", indented_text(json));
}

void add_run(Command& app) {
  auto arguments = std::make_shared<RunArguments>();
  Command* command =
      app.add_subcommand("run", "Run an .espdl file on raw or generated input and hash its outputs");
  command->footer(
      "Examples:\n"
      "  shrike run yolo11n.espdl --seed 7\n"
      "  shrike run yolo11n.espdl --input images=picture.bin --output dump/ --tensors\n"
      "Raw input: the elements in stored order ([N, H, W, C]), little-endian, no header. A .npy array holds "
      "real\n"
      "values in the model's or the stored order of axes, the model's where both have the same shape; a .jpg "
      "or .png\n"
      "picture becomes what the file says, as on the chip.\n"
      "Generated input: splitmix64 from the seed, the low bits of each number.\n"
      "Sums that met a limit of the chip's accumulators, and multiply-adds that were cut there, are\n"
      "reported on the error output and in --json.");
  command->add_option("FILE", arguments->file, ".espdl file")->required();
  add_model_options(*command, arguments->options);
  Option* seed = command->add_option("--seed", arguments->seed, "Seed of the generated input (default: 1)");
  command->add_option("--input", arguments->inputs,
                      "NAME=FILE: a graph input as raw bytes, .npy array or picture; repeatable");
  command->add_option("--output", arguments->output,
                      "Folder for raw dumps and index.json (see 'shrike compare')");
  add_picture_options(*command);
  command->add_flag("--tensors", arguments->all_tensors,
                    "Every intermediate tensor too, in order of production");
  command->add_flag("--json", arguments->json, "Print JSON");
  command->callback([arguments, seed] {
    arguments->seed_given = seed->count() > 0;
    run(*arguments);
  });
}

const CommandRegistration run_registration("run", 50, add_run);

}  // namespace
}  // namespace shrike::cli
