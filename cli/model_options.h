// Options shared by the commands that run an integer model.
#pragma once
#include <string>
#include "cli/command_line.h"

#include "toolchain/host/integer_model.h"

namespace shrike::cli {

// What a file may leave open: --model, --target, --force-target.
void add_file_options(Command& command, host::IntegerOptions& options);
// Those and --accumulators, --threads, --isa.
void add_model_options(Command& command, host::IntegerOptions& options);
// Says on stderr which target was assumed when neither the file nor the command line names one, and which
// files beside it belong to another.
void report_on_file(const host::IntegerModel& model);
// One line on stderr when accumulators met a limit of the chip's lanes.
void report_saturation(const host::IntegerModel& model);
// "65536", "64K", "1.5M" (powers of 1024); a CLI validator that rewrites to bytes.
uint64_t parse_bytes(const std::string& text);

}  // namespace shrike::cli
