// shrike check-board: what a board printed, beside this machine.
#include <fmt/format.h>

#include <cstdio>
#include <memory>

#include "cli/commands.h"
#include "cli/model_options.h"
#include "toolchain/board/check.h"
#include "toolchain/cost/prices.h"
#include "toolchain/host/package.h"
#include "toolchain/support/error.h"
#include "toolchain/support/files.h"
#include "toolchain/support/json.h"
#include "toolchain/support/sha256.h"

namespace shrike::cli {
namespace {

struct CheckBoardArguments {
  std::string file, log;
  host::IntegerOptions options;
  bool json = false;
};

std::string sentence(const board::Divergence& first) {
  std::string text = first.node < 0 ? fmt::format("tensor '{}'", first.tensor)
                                    : fmt::format("layer {} '{}' ({}), tensor '{}'", first.node,
                                                  first.node_name, first.node_type, first.tensor);
  if (!first.element.empty()) text += ": " + first.element;
  return text;
}

void print_times(const host::IntegerModel& file, const board::Check& check) {
  double estimated = 0, measured = 0;
  fmt::print("\n{:>5} {:<18} {:>12} {:>12}  {}\n", "layer", "type", "estimated ms", "measured ms", "name");
  for (const board::LayerTime& time : check.times) {
    fmt::print("{:>5} {:<18} {:>12} {:>12.3f}  {}\n", time.node, time.type,
               time.estimated ? fmt::format("{:.3f}", *time.estimated) : "-", time.measured, time.name);
    estimated += time.estimated.value_or(0);
    measured += time.measured;
  }
  fmt::print("{} of {} layers: estimated {:.1f} ms, measured {:.1f} ms\n", check.times.size(),
             file.model().node_count(), estimated, measured);
  if (quantize::has_cost_model(file.target()))
    fmt::print("the estimate is that of {}\n", quantize::price_source(file.target()));
}

void print_text(const CheckBoardArguments& arguments, const host::IntegerModel& file, const board::Log& log,
                const board::Check& check) {
  if (check.compared > 0)
    fmt::print("{} of {} tensors are what this machine computes\n", check.compared - check.differing,
               check.compared);
  if (check.first) {
    fmt::print("{}: first difference in {}\n", arguments.log, sentence(*check.first));
    if (check.first->element.empty() && log.backend == "shrike") {
      fmt::print(
          "for the element, give the project's option \"Layer whose values are printed\" the number {} and "
          "run it again\n",
          check.first->node);
    }
  }
  if (!check.times.empty()) print_times(file, check);
}

void print_json(const CheckBoardArguments& arguments, const board::Log& log, const board::Check& check) {
  nlohmann::ordered_json json;
  json["file"] = arguments.file;
  json["log"] = arguments.log;
  json["backend"] = log.backend;
  json["same_file"] = !check.other_file;
  json["compared"] = check.compared;
  json["differing"] = check.differing;
  if (check.first) {
    json["first_difference"] = {{"layer", check.first->node},
                                {"name", check.first->node_name},
                                {"type", check.first->node_type},
                                {"tensor", check.first->tensor},
                                {"element", check.first->element}};
  }
  json["layers"] = nlohmann::ordered_json::array();
  for (const board::LayerTime& time : check.times) {
    nlohmann::ordered_json entry = {{"layer", time.node},
                                    {"name", time.name},
                                    {"type", time.type},
                                    {"measured_milliseconds", time.measured}};
    if (time.estimated) entry["chip_milliseconds"] = *time.estimated;
    json["layers"].push_back(entry);
  }
  fmt::print("{}\n", indented_text(json));
}

void run(const CheckBoardArguments& arguments) {
  host::IntegerModel file = host::IntegerModel::open(arguments.file, arguments.options);
  report_on_file(file);
  const std::vector<uint8_t> bytes = host::read_model_file(arguments.file, arguments.options.model);
  const board::Log log = board::parse_log(read_text(arguments.log));
  const board::Check check = board::check_log(file, sha256(bytes.data(), bytes.size()), log, arguments.log);
  if (check.other_file) {
    fmt::print(stderr, "note: the board runs another file ({} bytes, sha256 {}) than '{}'\n", log.model_bytes,
               log.model_sha256, arguments.file);
  }
  if (!log.complete && log.seed)
    fmt::print(stderr, "note: '{}' ends before the run did; what is there was compared\n", arguments.log);
  for (const std::string& name : check.missing)
    fmt::print(stderr, "note: '{}' lacks the output '{}'\n", arguments.log, name);
  if (arguments.json) {
    print_json(arguments, log, check);
  } else {
    print_text(arguments, file, log, check);
  }
  if (check.first) throw Exit{1};
}

void add_check_board(Command& app) {
  auto arguments = std::make_shared<CheckBoardArguments>();
  Command* command =
      app.add_subcommand("check-board", "Compare what a board printed with this machine, layer by layer");
  command->footer(
      "Example:\n"
      "  shrike check-board yolo11n.espdl board.log\n"
      "LOG is the text of the serial monitor: of a project that 'shrike project' wrote, with the "
      "fingerprints switched\n"
      "on in its menu \"Model\", or of ESP-DL's own test() and profile(). The first layer that differs is "
      "named, with\n"
      "the element where the log tells it, and measured times stand beside estimated ones. Exit status 1 "
      "when\n"
      "something differs.");
  command->add_option("FILE", arguments->file, ".espdl file that the board runs")->required();
  command->add_option("LOG", arguments->log, "Text that the board printed")->required();
  add_model_options(*command, arguments->options);
  command->add_flag("--json", arguments->json, "Print JSON");
  command->callback([arguments] { run(*arguments); });
}

const CommandRegistration check_board_registration("check-board", 94, add_check_board);

}  // namespace
}  // namespace shrike::cli
