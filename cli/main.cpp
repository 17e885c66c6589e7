// The `shrike` program: finds the command, turns errors into one sentence and an exit status.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "toolchain/graph/nearest.h"
#include "toolchain/support/interrupt.h"

namespace shrike::cli {
namespace {

constexpr int kDone = 0, kFailed = 1, kWrongCommandLine = 2;

struct Command {
  std::string name;
  int order;
  void (*add)(CLI::App& app);
};

// A function's static, because the registrations of other files may run before this file's statics exist.
std::vector<Command>& commands() {
  static std::vector<Command> list;
  return list;
}

// What a failed run says: always one line, whatever a library put into its message.
int report(std::string message) {
  std::fflush(stdout);
  std::replace(message.begin(), message.end(), '\n', ' ');
  fmt::print(stderr, "shrike: {}\n", message);
  return kFailed;
}

// Names that are not known, with the nearest that is; empty when every name is known.
std::string unknown_command(const CLI::App& app) {
  const std::vector<std::string> unknown = app.remaining();
  if (unknown.empty()) return "";
  std::vector<std::string> names;
  for (const Command& command : commands()) names.push_back(command.name);
  return fmt::format("there is no command '{}'; did you mean '{}'?", unknown[0],
                     nearest_name(unknown[0], names));
}

std::string unknown_option(const CLI::App& command) {
  std::vector<std::string> names;
  for (const CLI::Option* option : command.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
  for (const std::string& argument : command.remaining()) {
    if (!argument.starts_with("--")) continue;
    const std::string name = argument.substr(0, argument.find('='));
    return fmt::format("there is no option '{}'; did you mean '{}'?", name, nearest_name(name, names));
  }
  return "";
}

int run(int count, char** arguments) {
  CLI::App app("From a float object detector to power-of-two integers on an ESP32-P4 or ESP32-S3.", "shrike");
  app.set_version_flag("--version", "shrike " SHRIKE_VERSION);
  app.require_subcommand(1);
  app.footer(
      "A first session:\n"
      "  shrike quantize yolo11n.onnx --calib images/ --target esp32p4 -o yolo11n.espdl\n"
      "  shrike eval yolo11n.espdl --data coco_val/\n"
      "  shrike detect yolo11n.espdl picture.jpg -o found/\n"
      "'shrike COMMAND --help' explains a command and shows examples.\n"
      "Exit status: 0 done, 1 the work failed, 2 the command line is wrong.");
  std::vector<Command> sorted = commands();
  std::sort(sorted.begin(), sorted.end(), [](const Command& a, const Command& b) {
    return std::tie(a.order, a.name) < std::tie(b.order, b.name);
  });
  for (const Command& command : sorted) command.add(app);

  try {
    app.parse(count, arguments);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);  // --help, --version
    const CLI::App* command = app.get_subcommands().empty() ? nullptr : app.get_subcommands()[0];
    std::string message = command == nullptr ? unknown_command(app) : unknown_option(*command);
    if (message.empty()) message = error.what();
    std::replace(message.begin(), message.end(), '\n', ' ');
    fmt::print(stderr, "shrike: {}; see 'shrike {}--help'\n", message,
               command == nullptr ? "" : command->get_name() + " ");
    return kWrongCommandLine;
  } catch (const Exit& exit) {
    return exit.status;
  } catch (const std::bad_alloc&) {
    return report("the machine has not enough memory for this");
  } catch (const std::exception& error) {
    return report(error.what());
  }
  return std::fflush(stdout) == 0 ? kDone
                                  : report("cannot write the output: the disk is full or the reader is gone");
}

}  // namespace

CommandRegistration::CommandRegistration(const char* name, int order, void (*add)(CLI::App& app)) {
  commands().push_back({name, order, add});
}

}  // namespace shrike::cli

int main(int count, char** arguments) {
  shrike::remove_temporary_files_on_signals();
  return shrike::cli::run(count, arguments);
}
