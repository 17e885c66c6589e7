// shrike info: what is in a model file, and what this machine can run it with.
#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "cli/chip_time.h"
#include "cli/commands.h"
#include "cli/info_float.h"
#include "cli/memory_json.h"
#include "cli/model_description.h"
#include "cli/model_options.h"
#include "runtime/kernels/kernels.h"
#include "toolchain/board/facts.h"
#include "toolchain/board/library_fit.h"
#include "toolchain/host/graph_text.h"
#include "toolchain/host/op_list.h"
#include "toolchain/host/tensors.h"
#include "toolchain/import/import.h"
#include "toolchain/operators/support.h"
#include "toolchain/support/csv.h"
#include "toolchain/support/error.h"
#include "toolchain/support/format.h"
#include "toolchain/support/json.h"

namespace shrike::cli {
namespace {

struct InfoArguments {
  std::string file;
  host::IntegerOptions options;
  bool cpu = false;
  bool ops = false;
  bool json = false;
  bool csv = false;
  bool operators = false;
};

// Every instruction set of this build, from the plainest to the best.
void print_cpu(const host::IntegerOptions& options) {
  const char* forced = options.isa.empty() ? std::getenv("SHRIKE_ISA") : options.isa.c_str();
  if (forced != nullptr && *forced == '\0') forced = nullptr;
  const KernelSet* chosen = forced == nullptr ? best_kernels() : kernels_by_name(forced);
  std::string names;
  for (int i = 0; const KernelSet* kernels = available_kernels(i); ++i) {
    names += fmt::format("{}{}", i == 0 ? "" : ", ", kernels->isa);
  }
  if (chosen == nullptr)
    fail("the instruction set '{}' is not available here; this machine has {}", forced, names);
  for (int i = 0; const KernelSet* kernels = built_kernels(i); ++i) {
    const bool here = kernels_by_name(kernels->isa) != nullptr;
    fmt::print("{:<12} {:<21} {}, {}\n", kernels->isa, here ? "available" : "not on this machine",
               kernels->conv8.name, kernels->depthwise8.name);
  }
  fmt::print("kernels available: {}\nkernels chosen: {}{}\n", names, chosen->isa,
             forced == nullptr ? "" : " (forced)");
}

nlohmann::ordered_json tensor_json(const TensorView& tensor) {
  nlohmann::ordered_json json;
  json["name"] = host::to_string(tensor.name);
  json["type"] = host::type_name(tensor.type);
  for (int32_t i = 0; i < tensor.shape.rank; ++i) json["shape"].push_back(tensor.shape.dims[i]);
  json["exponent"] = tensor.exponent;
  return json;
}

// `file` as a board runs it.
void print_json(const host::IntegerModel& file, const board::Facts& facts) {
  const InspectableModel& model = file.model();
  nlohmann::ordered_json json;
  json["file"] = file.name();
  json["bytes"] = file.file_bytes();
  json["target"] = host::target_name(file.target());
  json["target_assumed"] = file.target_assumed();
  json["esp_dl"] = {{"oldest", espdl::to_string(board::oldest_library(file))}};
  if (const std::string version = board::library_of(file); !version.empty())
    json["esp_dl"]["version"] = version;
  json["nodes"] = model.node_count();
  for (int32_t i = 0; i < model.input_count(); ++i) json["inputs"].push_back(tensor_json(model.input(i)));
  for (int32_t i = 0; i < model.output_count(); ++i) json["outputs"].push_back(tensor_json(model.output(i)));
  add_description(json, {facts.picture, facts.head, facts.names});
  json["metadata"] = nlohmann::ordered_json::object();
  for (const auto& [key, value] : file.metadata()) json["metadata"][key] = value;
  json["arena_bytes"] = facts.arena_bytes;
  json["memory"] = memory_json(model.memory());
  add_chip_time(json, model, file.target());
  json["test_inputs"] = model.test_input_count();
  json["test_outputs"] = model.test_output_count();
  fmt::print("{}\n", indented_text(json));
}

// One line a node; the format is that of its (first) output.
void print_csv(const InspectableModel& model) {
  fmt::print("{}", csv_line({"node", "type", "name", "inputs", "outputs", "output_shape", "output_type",
                             "output_exponent", "macs"}));
  for (int32_t node = 0; node < model.node_count(); ++node) {
    std::string inputs, outputs;
    for (int32_t i = 0; i < model.node_input_count(node); ++i) {
      const std::string name = host::to_string(model.node_input(node, i).name);
      inputs += (i == 0 ? "" : " ") + (name.empty() ? "-" : name);
    }
    for (int32_t i = 0; i < model.node_output_count(node); ++i)
      outputs += (i == 0 ? "" : " ") + host::to_string(model.node_output(node, i).name);
    const TensorView output = model.node_output(node, 0);
    fmt::print("{}", csv_line({std::to_string(node), host::to_string(model.node_type(node)),
                               host::to_string(model.node_name(node)), inputs, outputs,
                               host::shape_text(output.shape), host::type_name(output.type),
                               std::to_string(output.exponent), std::to_string(model.node_macs(node))}));
  }
}

void print_text(const host::IntegerModel& file, const board::Facts& facts) {
  const MemoryReport memory = file.model().memory();
  fmt::print("{}", host::graph_text(file));
  fmt::print("target {}{}\n", host::target_name(file.target()), file.target_assumed() ? " (assumed)" : "");
  const std::string version = board::library_of(file);
  fmt::print("ESP-DL {} or newer{}\n", espdl::to_string(board::oldest_library(file)),
             version.empty() ? "" : fmt::format(" (written for {})", version));
  fmt::print("{}", description_text({facts.picture, facts.head, facts.names}));
  fmt::print("file {} ({} bytes)\n", format_bytes(file.file_bytes()), file.file_bytes());
  fmt::print("arena on a board {} ({} bytes): activations {} (lower bound {}), scratch {}, tables {}\n",
             format_bytes(memory.arena_bytes), memory.arena_bytes, memory.activation_bytes,
             memory.lower_bound, memory.scratch_bytes, memory.table_bytes);
  fmt::print("{}\n", chip_time_text(file.model(), file.target()));
  if (file.model().test_output_count() > 0) {
    fmt::print("test values: {} inputs, {} outputs\n", file.model().test_input_count(),
               file.model().test_output_count());
  }
}

void print_espdl(const InfoArguments& arguments) {
  const host::IntegerModel file = host::IntegerModel::open(arguments.file, host::on_board(arguments.options));
  report_on_file(file);
  if (arguments.ops) {
    fmt::print("{}", host::op_set_source(file.model()));
    return;
  }
  if (arguments.csv) return print_csv(file.model());
  const board::Facts facts = board::facts_of(file);
  arguments.json ? print_json(file, facts) : print_text(file, facts);
}

void run(const InfoArguments& arguments) {
  if (arguments.operators) {
    fmt::print("{}", operators::support_document());
    return;
  }
  if (arguments.cpu) print_cpu(arguments.options);
  if (arguments.file.empty() && !arguments.cpu) throw WrongCommandLine("FILE is required");
  if (arguments.file.empty()) return;
  const std::string& file = arguments.file;
  if (graph::is_float_model(file)) {
    if (!arguments.options.model.empty())
      fail("'{}' is no package of several models; leave --model out", file);
    if (arguments.ops) fail("'{}': --ops needs an .espdl file; quantise the model first", file);
    print_float_model(file, arguments.json  ? FloatForm::kJson
                            : arguments.csv ? FloatForm::kCsv
                                            : FloatForm::kText);
  } else {
    print_espdl(arguments);
  }
}

void add_info(Command& app) {
  auto arguments = std::make_shared<InfoArguments>();
  Command* command =
      app.add_subcommand("info", "Print a model's graph with shapes and formats, and its memory");
  command->footer(
      "Examples:\n"
      "  shrike info yolo11n.espdl\n"
      "  diff <(shrike info a.espdl) <(shrike info b.espdl)\n"
      "  shrike info yolo11n.onnx\n"
      "  shrike info --cpu\n"
      "2^e behind a tensor is the value of one unit; ? is a shape that the file leaves open.");
  command->add_option("FILE", arguments->file, ".espdl, .onnx, .pt or .tflite file");
  add_model_options(*command, arguments->options);
  command->add_flag("--cpu", arguments->cpu,
                    "Instruction sets that this machine can use, and the one chosen");
  command->add_flag("--json", arguments->json,
                    "Print input, outputs, class names, head, metadata, memory and time as JSON");
  command->add_flag("--csv", arguments->csv, "Print the nodes as a table for spreadsheets");
  command->add_flag("--ops", arguments->ops,
                    "Print a C++ source with the operators of an .espdl file and the decoder of its head, "
                    "for firmware that links no others");
  command->add_flag("--operators", arguments->operators,
                    "Print which operators can be quantised, at which width (docs/operators.md)");
  command->callback([arguments] { run(*arguments); });
}

const CommandRegistration info_registration("info", 70, add_info);

}  // namespace
}  // namespace shrike::cli
