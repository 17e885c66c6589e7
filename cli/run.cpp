// shrike run: an integer model on raw or generated input.
#include <fmt/format.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "cli/commands.h"
#include "cli/json_text.h"
#include "cli/model_options.h"
#include "cli/picture_options.h"
#include "runtime/ops/numeric.h"
#include "toolchain/data/samples.h"
#include "toolchain/host/dump.h"
#include "toolchain/host/tensors.h"
#include "toolchain/support/error.h"
#include "toolchain/support/files.h"
#include "toolchain/support/outputs.h"

namespace shrike::cli {
namespace {

struct Arguments {
  std::string file, output;
  host::IntegerOptions options;
  uint64_t seed = 1;
  std::vector<std::string> inputs;  // NAME=FILE
  bool seed_given = false, all_tensors = false, json = false;
};

std::string input_names(const InspectableModel& model) {
  std::string names;
  for (int32_t i = 0; i < model.input_count(); ++i)
    names += fmt::format("{}'{}'", i == 0 ? "" : ", ", host::to_string(model.input(i).name));
  return names;
}

bool has_input(const InspectableModel& model, const std::string& name) {
  for (int32_t i = 0; i < model.input_count(); ++i) {
    if (model.input(i).name == name.c_str()) return true;
  }
  return false;
}

std::vector<int64_t> dims_of(const TensorView& input) {
  return {input.shape.dims, input.shape.dims + input.shape.rank};
}

// The real values of an array or a picture in the order in which the tensor is stored (channels last).
// Nothing: the file holds the tensor's own bytes.
std::optional<std::vector<float>> real_values(const host::IntegerModel& file, const TensorView& input,
                                              const std::string& path) {
  const std::string extension = std::filesystem::path(path).extension().string();
  const bool picture = extension == ".jpg" || extension == ".jpeg" || extension == ".png";
  if (extension != ".npy" && !picture) return std::nullopt;
  data::InputOptions stored;
  if (input.shape.rank == 4) stored.channels_last = true;
  const std::string metadata = picture ? host::to_string(file.model().metadata(data::kInputKey)) : "";
  const data::Port port{host::to_string(input.name), dims_of(input),
                        picture ? data::input_spec(dims_of(input), metadata, stored) : std::nullopt};
  return data::load_sample(path, {port})[0];
}

void write_values(const host::IntegerModel& file, const TensorView& input, const std::vector<float>& values) {
  const float inverse = std::ldexp(1.0f, -input.exponent);
  for (size_t i = 0; i < values.size(); ++i) {
    const float scaled = values[i] * inverse;
    if (input.type == DataType::kInt16) {
      static_cast<int16_t*>(input.data)[i] = quantize_float<int16_t>(scaled, rounding_of(file.target()));
    } else if (input.type == DataType::kInt8) {
      static_cast<int8_t*>(input.data)[i] = quantize_float<int8_t>(scaled, rounding_of(file.target()));
    } else {
      fail("input '{}' of '{}' is {}: give its bytes in a raw file", host::to_string(input.name), file.name(),
           host::type_name(input.type));
    }
  }
}

void load_input(const host::IntegerModel& file, const std::string& name, const std::string& path) {
  const InspectableModel& model = file.model();
  for (int32_t i = 0; i < model.input_count(); ++i) {
    const TensorView input = model.input(i);
    if (!(input.name == name.c_str())) continue;
    if (const auto values = real_values(file, input, path)) {
      write_values(file, input, *values);
      continue;
    }
    const std::vector<uint8_t> bytes = read_file(path);
    if (bytes.size() != input.bytes) {
      fail("'{}' holds {} bytes, but input '{}' of '{}' is {} {}: {} bytes", path, bytes.size(), name,
           file.name(), host::type_name(input.type), host::shape_text(input.shape), input.bytes);
    }
    std::memcpy(input.data, bytes.data(), bytes.size());
  }
}

// Raw files for the inputs that are named; the generator for all when none is, or when --seed asks for it.
void set_inputs(const host::IntegerModel& file, const Arguments& arguments) {
  const InspectableModel& model = file.model();
  std::map<std::string, std::string> files;
  for (const std::string& entry : arguments.inputs) {
    const size_t equals = entry.rfind('=');
    if (equals == std::string::npos) {
      throw WrongCommandLine("--input: '" + entry + "' is not of the form NAME=FILE");
    }
    files[entry.substr(0, equals)] = entry.substr(equals + 1);
  }
  for (const auto& [name, path] : files) {
    if (!has_input(model, name))
      fail("'{}' has no input '{}'; it has {}", file.name(), name, input_names(model));
  }
  if (files.empty() || arguments.seed_given) {
    host::fill_inputs(model, arguments.seed);
  } else {
    for (int32_t i = 0; i < model.input_count(); ++i) {
      const std::string name = host::to_string(model.input(i).name);
      if (!files.contains(name))
        fail("input '{}' of '{}' is not given; add --input {}=FILE or --seed N", name, file.name(), name);
    }
  }
  for (const auto& [name, path] : files) load_input(file, name, path);
}

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
void require_harmless_dump(const Arguments& arguments) {
  namespace fs = std::filesystem;
  const fs::path folder(arguments.output);
  CommandFiles files{{arguments.file},
                     {{(folder / "index.json").string(), "the index of --output", {"\"tensors\""}}}};
  for (const std::string& entry : arguments.inputs) {
    const fs::path input = entry.substr(entry.rfind('=') + 1);
    files.reads.push_back(input.string());
    files.writes.push_back({(folder / input.filename()).string(), "--output"});
  }
  guard_outputs(files);
}

void run(const Arguments& arguments) {
  if (!arguments.output.empty()) require_harmless_dump(arguments);
  host::IntegerModel model = host::IntegerModel::open(arguments.file, arguments.options);
  report_on_file(model);
  set_inputs(model, arguments);
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
  fmt::print("{}\n", json_text(json));
}

void add_run(Command& app) {
  auto arguments = std::make_shared<Arguments>();
  Command* command =
      app.add_subcommand("run", "Run an .espdl file on raw or generated input and hash its outputs");
  command->footer(
      "Examples:\n"
      "  shrike run yolo11n.espdl --seed 7\n"
      "  shrike run yolo11n.espdl --input images=picture.bin --output dump/ --tensors\n"
      "Raw input: the elements in stored order ([N, H, W, C]), little-endian, no header. A .npy array holds "
      "real\n"
      "values in the model's or the stored order of axes; a .jpg or .png picture becomes what the file "
      "says.\n"
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

const CommandRegistration registration("run", 50, add_run);

}  // namespace
}  // namespace shrike::cli
