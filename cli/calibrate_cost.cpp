// shrike calibrate-cost: the cost model's prices from a board's own times.
#include <fmt/format.h>

#include <cmath>
#include <memory>

#include "cli/commands.h"
#include "cli/model_options.h"
#include "toolchain/board/check.h"
#include "toolchain/cost/prices.h"
#include "toolchain/support/error.h"
#include "toolchain/support/files.h"

namespace shrike::cli {
namespace {

constexpr size_t kFewestLayers = 12;  // twice the number of prices

struct CalibrateCostArguments {
  std::vector<std::string> pairs;  // FILE LOG FILE LOG ...
  std::string output;
  host::IntegerOptions options;
};

struct Sums {
  double measured = 0, squares = 0;
  double estimated = 0;
};

Sums sums_with(const std::vector<quantize::Measured>& nodes, const Prices& prices) {
  Sums sums;
  for (const quantize::Measured& node : nodes) {
    const double estimate = quantize::milliseconds(node.work, prices);
    sums.measured += node.milliseconds;
    sums.estimated += estimate;
    sums.squares += (estimate - node.milliseconds) * (estimate - node.milliseconds);
  }
  return sums;
}

void print_fit(const char* name, const Sums& sums, size_t count) {
  fmt::print(
      "{:<8} total {:.1f} ms of {:.1f} measured ({:+.1f} %), a layer is off by {:.3f} ms (root mean "
      "square)\n",
      name, sums.estimated, sums.measured, 100 * (sums.estimated / sums.measured - 1),
      std::sqrt(sums.squares / static_cast<double>(count)));
}

void run(const CalibrateCostArguments& arguments) {
  if (arguments.pairs.size() % 2 != 0)
    throw WrongCommandLine("a file and its log belong together: FILE LOG, and perhaps more such pairs");
  require_writable(arguments.output);
  std::vector<quantize::Measured> nodes;
  quantize::BoardPrices found;
  for (size_t i = 0; i < arguments.pairs.size(); i += 2) {
    const std::string& log_path = arguments.pairs[i + 1];
    const host::IntegerModel file = host::IntegerModel::open(arguments.pairs[i], arguments.options);
    report_on_file(file);
    if (i > 0 && file.target() != found.target)
      fail("'{}' is for {}, the files before it are for {}; prices belong to one chip", arguments.pairs[i],
           host::target_name(file.target()), host::target_name(found.target));
    found.target = file.target();
    found.origin += (i == 0 ? "" : ", ") + log_path;
    const auto times = board::layer_times(file, board::parse_log(read_text(log_path)));
    if (times.empty()) {
      fail(
          "'{}' tells no layer's time of '{}'; switch on the option \"Print the time of every layer\" in the "
          "project's menu \"Model\"",
          log_path, arguments.pairs[i]);
    }
    for (const board::LayerTime& time : times)
      nodes.push_back({quantize::node_work(file.model(), time.node, file.target()), time.measured});
  }
  if (nodes.size() < kFewestLayers) {
    fail("{} layers are too few to tell six prices; give logs of at least {} layers", nodes.size(),
         kFewestLayers);
  }
  const Prices* known = quantize::prices_of(found.target);
  const Prices start = known != nullptr ? *known : Prices{0, 0, 0, 0, 0, 0, 65536};
  found.prices = quantize::fit_prices(nodes, start);
  quantize::write_prices(arguments.output, found);
  fmt::print("{} layers on {}\n", nodes.size(), host::target_name(found.target));
  if (known != nullptr) print_fit("before", sums_with(nodes, start), nodes.size());
  print_fit("fitted", sums_with(nodes, found.prices), nodes.size());
  fmt::print("{}: estimates use it while {}={} is in the environment\n", arguments.output,
             quantize::kPricesVariable, arguments.output);
}

void add_calibrate_cost(Command& app) {
  auto arguments = std::make_shared<CalibrateCostArguments>();
  Command* command = app.add_subcommand("calibrate-cost", "Fit the estimate of times to a board's own");
  command->footer(
      "Example:\n"
      "  shrike calibrate-cost yolo11n.espdl board.log -o my_board.json\n"
      "  SHRIKE_COST=my_board.json shrike quantize ... --auto --budget 600ms\n"
      "LOG is what the board printed with the times of layers, as for 'shrike check-board'. Several pairs of "
      "FILE and\n"
      "LOG, all of one chip, make better prices than one.");
  command->add_option("FILE_LOG", arguments->pairs, ".espdl file and the log of its run, in pairs")
      ->required();
  command->add_option("-o,--output", arguments->output, "File to write the prices to (JSON)")->required();
  add_file_options(*command, arguments->options);
  command->callback([arguments] { run(*arguments); });
}

const CommandRegistration calibrate_cost_registration("calibrate-cost", 96, add_calibrate_cost);

}  // namespace
}  // namespace shrike::cli
