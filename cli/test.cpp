// shrike test: the test vectors embedded in a file.
#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/model_options.h"
#include "toolchain/host/self_test.h"
#include "toolchain/host/tensors.h"
#include "toolchain/support/json.h"

namespace shrike::cli {
namespace {

struct TestArguments {
  std::string file;
  host::IntegerOptions options;
  int64_t tolerance = 0;
  bool json = false;
};

void print_json(const host::SelfTestResult& result) {
  nlohmann::ordered_json json;
  json["passed"] = result.passed();
  for (const host::TensorResult& tensor : result.tensors) {
    json["tensors"].push_back({{"name", tensor.name},
                               {"type", host::type_name(tensor.type)},
                               {"values", tensor.values},
                               {"differing", tensor.differing},
                               {"largest_difference", tensor.largest}});
  }
  if (result.first) {
    json["first_difference"] = {
        {"tensor", result.first->tensor},     {"node", result.first->node_name},
        {"type", result.first->node_type},    {"coordinate", result.first->coordinate},
        {"expected", result.first->expected}, {"got", result.first->got}};
  }
  fmt::print("{}\n", indented_text(json));
}

void print_text(const TestArguments& arguments, const host::SelfTestResult& result) {
  for (const host::TensorResult& tensor : result.tensors) {
    fmt::print("{} {}: {} values, {} differ", tensor.name, host::type_name(tensor.type), tensor.values,
               tensor.differing);
    if (tensor.differing > 0) fmt::print(", by at most {}", tensor.largest);
    fmt::print("\n");
  }
  if (result.passed()) {
    fmt::print("{}: passed\n", arguments.file);
    return;
  }
  const host::Difference& first = *result.first;
  fmt::print("{}: failed; first difference in tensor '{}' of node '{}' ({}) at {}: expected {}, got {}\n",
             arguments.file, first.tensor, first.node_name, first.node_type, first.coordinate, first.expected,
             first.got);
}

void run(const TestArguments& arguments) {
  host::IntegerModel model = host::IntegerModel::open(arguments.file, arguments.options);
  report_on_file(model);
  const host::SelfTestResult result = host::run_self_test(model, arguments.tolerance);
  if (arguments.json) {
    print_json(result);
  } else {
    print_text(arguments, result);
  }
  report_saturation(model);
  if (!result.passed()) throw Exit{1};
}

void add_test(Command& app) {
  auto arguments = std::make_shared<TestArguments>();
  Command* command = app.add_subcommand("test", "Run the test values embedded in an .espdl file and compare");
  command->footer(
      "Example:\n"
      "  shrike test yolo11n.espdl --target esp32p4\n"
      "Every element must be equal. Exit status 1 when one differs.");
  command->add_option("FILE", arguments->file, ".espdl file with embedded test inputs and outputs")
      ->required();
  add_model_options(*command, arguments->options);
  command
      ->add_option(
          "--tolerance", arguments->tolerance,
          "Accept 16-bit values that differ by at most this (0 or 1); 8-bit values must always be equal")
      ->check(between(0, 1));
  command->add_flag("--json", arguments->json, "Print JSON");
  command->callback([arguments] { run(*arguments); });
}

const CommandRegistration test_registration("test", 80, add_test);

}  // namespace
}  // namespace shrike::cli
