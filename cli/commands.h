// How a command joins the program: its file defines `void add_<name>(Command& app)`, which adds one
// subcommand whose callback does the work, and registers it at namespace scope:
//
//   const CommandRegistration registration("eval", 30, add_eval);
//
// Nothing else needs to change. Commands report failure by throwing shrike::Error (one sentence; main prints
// it to stderr and exits with 1); after having printed a result that means failure they throw Exit{1}. What
// is wrong with the command line itself they throw as WrongCommandLine (exit status 2).
#pragma once
#include "cli/command_line.h"
#include "toolchain/support/error.h"

namespace shrike::cli {

class CommandRegistration {
 public:
  // `order` sorts the help: quantize 10, analyze 20, train 25, eval 30, detect 40, run 50, compare 60, info
  // 70, test 80, profile 90.
  CommandRegistration(const char* name, int order, void (*add)(Command& app));
};

// Ends the program with this status; everything has been said.
struct Exit {
  int status;
};

// Runs `parse`, which reads the value of an option; what it says against the value is then said of the
// command line (status 2), not of the work.
template <typename Parse>
void as_command_line(Parse parse) {
  try {
    parse();
  } catch (const Error& error) {
    throw WrongCommandLine(error.what());
  }
}

}  // namespace shrike::cli
