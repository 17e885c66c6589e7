// The `shrike` program: finds the command, turns errors into one sentence and an exit status.
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <tuple>
#include <vector>

#include "cli/commands.h"
#include "toolchain/system/interrupt.h"
#include "toolchain/system/last_words.h"
#include "toolchain/system/streams.h"

namespace shrike::cli {
namespace {

constexpr int kDone = 0, kFailed = 1, kWrongCommandLine = 2;

struct Registered {
  std::string name;
  int order;
  void (*add)(Command& app);
};

// A function's static, because the registrations of other files may run before this file's statics exist.
std::vector<Registered>& commands() {
  static std::vector<Registered> list;
  return list;
}

void declare(Command& app) {
  std::vector<Registered> sorted = commands();
  std::sort(sorted.begin(), sorted.end(), [](const Registered& a, const Registered& b) {
    return std::tie(a.order, a.name) < std::tie(b.order, b.name);
  });
  for (const Registered& command : sorted) command.add(app);
}

// What a failed run says: always one line, whatever a library put into its message.
int report(std::string message) {
  std::fflush(stdout);
  std::replace(message.begin(), message.end(), '\n', ' ');
  fmt::print(stderr, "shrike: {}\n", message);
  return kFailed;
}

// A reader that wanted no more (`| head`) needs no telling.
int report_unwritten_output(int error) {
  return error == EPIPE ? kFailed : report("cannot write the output: its disk is full or it is closed");
}

// What is no Error was not foreseen. A library's words would tell a user nothing; they are for whoever mends
// it.
int report_defect(const char* words) {
  const char* details = std::getenv("SHRIKE_DETAILS");
  if (details != nullptr && *details != '\0') return report(words);
  return report(
      "a defect ended the work; please report the command with its files, and what it says with "
      "SHRIKE_DETAILS=1 "
      "in the environment");
}

int run(const std::vector<std::string>& words) {
  const ProgramDescription program{
      "shrike", SHRIKE_VERSION,
      "From a float object detector to power-of-two integers on an ESP32-P4 or ESP32-S3.",
      "A first session:\n"
      "  shrike quantize yolo11n.onnx --calib images/ --target esp32p4 -o yolo11n.espdl\n"
      "  shrike eval yolo11n.espdl --data coco_val/\n"
      "  shrike detect yolo11n.espdl picture.jpg -o found/\n"
      "'shrike COMMAND --help' explains a command and shows examples.\n"
      "Exit status: 0 done, 1 the work failed, 2 the command line is wrong."};
  int status = kDone;
  try {
    const ParseResult outcome = run_command_line(program, declare, words);
    if (outcome.kind == ParseResult::Kind::kWrong) {
      fmt::print(stderr, "shrike: {}\n", outcome.text);
      return kWrongCommandLine;
    }
    fmt::print("{}", outcome.text);
  } catch (const Exit& exit) {
    status = exit.status;
  } catch (const std::bad_alloc&) {
    return report("the machine has not enough memory for this");
  } catch (const Error& error) {
    const int reason = errno;
    return std::ferror(stdout) ? report_unwritten_output(reason) : report(error.what());
  } catch (const std::exception& error) {
    const int reason = errno;
    return std::ferror(stdout) ? report_unwritten_output(reason) : report_defect(error.what());
  }
  return standard_output_is_written() ? status : report_unwritten_output(errno);
}

}  // namespace

CommandRegistration::CommandRegistration(const char* name, int order, void (*add)(Command& app)) {
  commands().push_back({name, order, add});
}

}  // namespace shrike::cli

int main(int count, char** arguments) {
  shrike::prepare_standard_streams();
  shrike::remove_temporary_files_on_signals();
  shrike::install_last_words();
  return shrike::cli::run(shrike::words_of_command_line(count, arguments));
}
