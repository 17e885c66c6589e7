#include "cli/model_options.h"

#include <fmt/format.h>

#include <cmath>
#include <cstdio>

#include "cli/commands.h"
#include "toolchain/host/companions.h"
#include "toolchain/support/error.h"

namespace shrike::cli {

void add_file_options(Command& command, host::IntegerOptions& options) {
  command.add_option("--model", options.model,
                     "Name of the model to use, where the file is a package of several");
  command.add_option_function(
      "--target",
      [&options](const std::string& value) {
        as_command_line([&] { host::parse_target(value); });
        options.target = value;
      },
      "Chip whose arithmetic to use: " + host::target_names() + " (default: as the file says)");
  command.add_flag("--force-target", options.force_target,
                   "Compute as --target says even if the file is made for another chip");
}

void add_model_options(Command& command, host::IntegerOptions& options) {
  add_file_options(command, options);
  command
      .add_option_function(
          "--accumulators",
          [&options](const std::string& value) {
            options.accumulators = value == "wide" ? Accumulators::kWide : Accumulators::kExactChip;
          },
          "chip: esp32s3's saturating 20-bit lanes; wide: 32-bit sums, to see what the lanes cost (default: "
          "chip)")
      ->check(one_of({"chip", "wide"}));
  command
      .add_option("--threads", options.threads, "Threads (default: all cores); results do not depend on it")
      ->check(between(1, 256));
  command.add_option("--isa", options.isa,
                     "Instruction set of the kernels (default: SHRIKE_ISA, else the best here)");
}

void report_on_file(const host::IntegerModel& model) {
  for (const std::string& companion : host::strange_companions(model)) {
    fmt::print(
        stderr,
        "note: '{}' was not written with '{}': a later or an interrupted run left it; quantise again to "
        "have files that belong together\n",
        companion, model.name());
  }
  if (!model.target_assumed()) return;
  fmt::print(stderr, "note: '{}' names no target; {} is assumed (--target says otherwise)\n", model.name(),
             host::target_name(model.target()));
}

void report_saturation(const host::IntegerModel& model) {
  const uint64_t count = model.model().saturated_accumulators();
  if (count > 0)
    fmt::print(stderr, "note: {} accumulators met a limit of the lanes of {}; {} multiply-adds were cut\n",
               count, host::target_name(model.target()), model.model().saturated_multiply_adds());
}

uint64_t parse_bytes(const std::string& text) {
  size_t used = 0;
  double value = -1;
  try {
    value = std::stod(text, &used);
  } catch (const std::exception&) {
    used = 0;
  }
  const std::string unit = text.substr(used);
  double factor = 0;
  if (unit.empty()) factor = 1;
  if (unit == "K" || unit == "k" || unit == "KiB") factor = 1024;
  if (unit == "M" || unit == "m" || unit == "MiB") factor = 1024 * 1024;
  if (used == 0 || factor == 0 || !(value >= 0) || value * factor > 1e12) {
    throw WrongCommandLine("'" + text + "' is not a size; write bytes or 512K or 4M");
  }
  return static_cast<uint64_t>(std::llround(value * factor));
}

}  // namespace shrike::cli
