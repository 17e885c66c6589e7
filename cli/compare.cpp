// shrike compare: two folders written by `shrike run --output`.
#include <fmt/format.h>

#include <memory>

#include "cli/commands.h"
#include "toolchain/host/dump.h"

namespace shrike::cli {
namespace {

struct CompareArguments {
  std::string first, second;
};

void run(const CompareArguments& arguments) {
  const auto first = host::read_dump(arguments.first), second = host::read_dump(arguments.second);
  if (const auto difference = host::first_difference(first, second)) {
    fmt::print("{}\n", *difference);
    throw Exit{1};
  }
  // Equal only because neither is what was run.
  host::require_as_stated(arguments.first, first);
  host::require_as_stated(arguments.second, second);
  fmt::print("{} tensors are equal\n", first.size());
}

void add_compare(Command& app) {
  auto arguments = std::make_shared<CompareArguments>();
  Command* command =
      app.add_subcommand("compare", "Name the first tensor and element where two dumps differ");
  command->footer(
      "Example:\n"
      "  shrike run y.espdl --tensors --output a/ --isa portable\n"
      "  shrike run y.espdl --tensors --output b/\n"
      "  shrike compare a/ b/\n"
      "Exit status 0 when all tensors are equal, 1 when they differ.");
  command->add_option("A", arguments->first, "Folder written by 'shrike run --output'")->required();
  command->add_option("B", arguments->second, "The other folder")->required();
  command->callback([arguments] { run(*arguments); });
}

const CommandRegistration compare_registration("compare", 60, add_compare);

}  // namespace
}  // namespace shrike::cli
