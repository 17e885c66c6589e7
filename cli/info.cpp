// shrike info: what is in a model file, and what this machine can run it with.
#include <fmt/format.h>

#include <memory>

#include "cli/commands.h"
#include "cli/model_options.h"
#include "runtime/kernels/kernels.h"
#include "toolchain/graph/passes.h"
#include "toolchain/host/graph_text.h"
#include "toolchain/host/op_list.h"
#include "toolchain/host/tensors.h"
#include "toolchain/import/import.h"
#include "toolchain/support/error.h"
#include "toolchain/support/format.h"

namespace shrike::cli {
namespace {

struct Arguments {
  std::string file;
  host::IntegerOptions options;
  bool cpu = false;
  bool ops = false;
};

void print_cpu(const host::IntegerOptions& options) {
  std::string names;
  for (int i = 0; const KernelSet* kernels = available_kernels(i); ++i) {
    names += fmt::format("{}{}", i == 0 ? "" : ", ", kernels->isa);
  }
  const char* forced = options.isa.empty() ? std::getenv("SHRIKE_ISA") : options.isa.c_str();
  const KernelSet* chosen = forced == nullptr || *forced == '\0' ? best_kernels() : kernels_by_name(forced);
  if (chosen == nullptr)
    fail("the instruction set '{}' is not available here; this machine has {}", forced, names);
  fmt::print("kernels available: {}\nkernels chosen: {}{}\n", names, chosen->isa,
             forced == nullptr || *forced == '\0' ? "" : " (forced)");
}

void print_onnx(const std::string& path) {
  graph::Graph graph = graph::import_model(path);
  graph::infer_shapes(graph);
  fmt::print("{}", graph::to_text(graph));
}

void print_espdl(const Arguments& arguments) {
  host::IntegerOptions options = arguments.options;
  // The device's own path: its tables and scratch are what the memory figures should show, on every machine.
  if (options.isa.empty()) options.isa = "portable";
  const host::IntegerModel file = host::IntegerModel::open(arguments.file, options);
  report_assumed_target(file);
  if (arguments.ops) {
    fmt::print("{}", host::op_set_source(file.model()));
    return;
  }
  const MemoryReport memory = file.model().memory();
  fmt::print("{}", host::graph_text(file));
  fmt::print("target {}{}\n", host::target_name(file.target()), file.target_assumed() ? " (assumed)" : "");
  fmt::print("file {} bytes\n", file.file_bytes());
  fmt::print("arena {} bytes: activations {} (lower bound {}), scratch {}, tables {}\n", memory.arena_bytes,
             memory.activation_bytes, memory.lower_bound, memory.scratch_bytes, memory.table_bytes);
  if (file.model().test_output_count() > 0) {
    fmt::print("test values: {} inputs, {} outputs\n", file.model().test_input_count(),
               file.model().test_output_count());
  }
}

void run(const Arguments& arguments) {
  if (arguments.cpu) print_cpu(arguments.options);
  if (arguments.file.empty() && !arguments.cpu) throw WrongCommandLine("FILE is required");
  if (arguments.file.empty()) return;
  const std::string& file = arguments.file;
  if (file.size() > 5 && file.compare(file.size() - 5, 5, ".onnx") == 0) {
    print_onnx(file);
  } else {
    print_espdl(arguments);
  }
}

void add_info(Command& app) {
  auto arguments = std::make_shared<Arguments>();
  Command* command =
      app.add_subcommand("info", "Print a model's graph with shapes and formats, and its memory");
  command->footer(
      "Examples:\n"
      "  shrike info yolo11n.espdl\n"
      "  diff <(shrike info a.espdl) <(shrike info b.espdl)\n"
      "  shrike info --cpu\n"
      "2^e behind a tensor is the value of one unit.");
  command->add_option("FILE", arguments->file, ".espdl or .onnx file");
  add_model_options(*command, arguments->options);
  command->add_flag("--cpu", arguments->cpu,
                    "Instruction sets that this machine can use, and the one chosen");
  command->add_flag("--ops", arguments->ops,
                    "Print a C++ source that registers the operators of an .espdl file, for firmware that "
                    "links no others");
  command->callback([arguments] { run(*arguments); });
}

const CommandRegistration registration("info", 70, add_info);

}  // namespace
}  // namespace shrike::cli
