// shrike profile: time, work and memory of an integer model, node by node.
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <tuple>

#include "cli/chip_time.h"
#include "cli/commands.h"
#include "cli/memory_json.h"
#include "cli/model_options.h"
#include "toolchain/cost/cost_model.h"
#include "toolchain/host/plan_check.h"
#include "toolchain/host/profile.h"
#include "toolchain/host/tensors.h"
#include "toolchain/support/csv.h"
#include "toolchain/support/error.h"
#include "toolchain/support/format.h"
#include "toolchain/support/json.h"

namespace shrike::cli {
namespace {

struct ProfileArguments {
  std::string file, internal_ram;
  host::IntegerOptions options;
  int runs = 10;
  bool json = false, csv = false;
};

uint64_t total_macs(const host::Profile& profile) {
  uint64_t sum = 0;
  for (const host::NodeProfile& node : profile.nodes) sum += node.macs;
  return sum;
}

// A node's estimated time on the chip, "-" on a chip without published timings.
std::string chip_column(const std::optional<quantize::Latency>& chip, size_t node) {
  return chip ? fmt::format("{:.2f}", chip->nodes[node]) : "-";
}

void print_nodes(const host::Profile& profile, const std::optional<quantize::Latency>& chip) {
  fmt::print("{:>4} {:<18} {:>9} {:>6} {:>9} {:>9} {:>7} {:>10} {:>10} {:>10} {:>5}  {:<18} {}\n", "node",
             "type", "ms", "share", "chip ms", "MMAC", "GMAC/s", "moved", "weights", "live", "fast", "output",
             "name");
  double sum = 0;
  for (const host::NodeProfile& node : profile.nodes) sum += node.milliseconds;
  for (size_t i = 0; i < profile.nodes.size(); ++i) {
    const host::NodeProfile& node = profile.nodes[i];
    fmt::print(
        "{:>4} {:<18} {:>9.3f} {:>5.1f}% {:>9} {:>9.2f} {:>7} {:>10} {:>10} {:>10} {:>4.0f}%  {:<18} {}\n", i,
        node.type, node.milliseconds, sum > 0 ? 100 * node.milliseconds / sum : 0.0, chip_column(chip, i),
        static_cast<double>(node.macs) / 1e6,
        node.macs == 0 ? "" : fmt::format("{:.1f}", static_cast<double>(node.macs) / node.milliseconds / 1e6),
        node.activation_bytes, node.weight_bytes, node.live_bytes,
        node.activation_bytes == 0
            ? 0.0
            : 100.0 * static_cast<double>(node.internal_bytes) / static_cast<double>(node.activation_bytes),
        node.output_shape, node.name);
  }
}

void print_map(const InspectableModel& model) {
  std::vector<int32_t> order;
  for (int32_t i = 0; i < model.variable_count(); ++i) order.push_back(i);
  std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) {
    const TensorPlacement left = model.placement(a), right = model.placement(b);
    return std::make_tuple(!left.internal, left.offset) < std::make_tuple(!right.internal, right.offset);
  });
  fmt::print("\nmemory map on a board (offset in its memory, bytes, alive from node to node)\n");
  for (const int32_t i : order) {
    const TensorPlacement place = model.placement(i);
    fmt::print("{:>10} {:>9} {:>4}..{:<4} {}{}{}\n", place.offset, place.bytes, place.first_node,
               place.last_node, place.internal ? "[fast] " : "", host::to_string(model.variable(i).name),
               place.shares_with < 0 ? ""
                                     : fmt::format(" (in the memory of {})",
                                                   host::to_string(model.variable(place.shares_with).name)));
  }
}

// The table of print_nodes for spreadsheets.
void print_csv(const host::Profile& profile, const std::optional<quantize::Latency>& chip) {
  fmt::print("{}", csv_line({"node", "type", "name", "output_shape", "milliseconds", "chip_milliseconds",
                             "macs", "activation_bytes", "internal_bytes", "weight_bytes", "live_bytes"}));
  for (size_t i = 0; i < profile.nodes.size(); ++i) {
    const host::NodeProfile& node = profile.nodes[i];
    fmt::print("{}", csv_line({std::to_string(i), node.type, node.name, node.output_shape,
                               fmt::format("{:.6f}", node.milliseconds),
                               chip ? fmt::format("{:.6f}", chip->nodes[i]) : "", std::to_string(node.macs),
                               std::to_string(node.activation_bytes), std::to_string(node.internal_bytes),
                               std::to_string(node.weight_bytes), std::to_string(node.live_bytes)}));
  }
}

void print_summary(const host::IntegerModel& file, const host::Profile& profile, const MemoryReport& memory) {
  const uint64_t macs = total_macs(profile);
  fmt::print("\n{} on {}, kernels {}: {:.2f} ms a run, {:.1f} MMAC, {:.1f} GMAC/s\n", file.name(),
             host::target_name(file.target()), file.isa(), profile.milliseconds,
             static_cast<double>(macs) / 1e6, static_cast<double>(macs) / profile.milliseconds / 1e6);
  fmt::print("activations {} ({} bytes), lower bound {} ({:+.2f} %)", format_bytes(memory.activation_bytes),
             memory.activation_bytes, memory.lower_bound,
             100.0 * (static_cast<double>(memory.activation_bytes) /
                          static_cast<double>(std::max<uint64_t>(1, memory.lower_bound)) -
                      1));
  if (memory.internal_bytes > 0) {
    uint64_t moved = 0, fast = 0;
    for (const host::NodeProfile& node : profile.nodes) {
      moved += node.activation_bytes;
      fast += node.internal_bytes;
    }
    fmt::print(", {} of it in the fast pool, which takes {:.1f} % of the bytes moved",
               format_bytes(memory.internal_bytes),
               100.0 * static_cast<double>(fast) / static_cast<double>(std::max<uint64_t>(1, moved)));
  }
  fmt::print("\non a board: scratch {}, tables {}, arena {} ({} bytes), weights in the file {}\n",
             format_bytes(memory.scratch_bytes), format_bytes(memory.table_bytes),
             format_bytes(memory.arena_bytes), memory.arena_bytes, format_bytes(profile.weight_bytes));
}

nlohmann::ordered_json to_json(const host::IntegerModel& file, const host::Profile& profile,
                               const InspectableModel& board, const std::optional<quantize::Latency>& chip) {
  const MemoryReport memory = board.memory();
  nlohmann::ordered_json json;
  json["file"] = file.name();
  json["target"] = host::target_name(file.target());
  json["target_assumed"] = file.target_assumed();
  json["isa"] = file.isa();
  json["milliseconds"] = profile.milliseconds;
  add_chip_time(json, file.model(), file.target());
  json["macs"] = total_macs(profile);
  json["weight_bytes"] = profile.weight_bytes;
  json["arena_bytes"] = memory.arena_bytes;
  json["memory"] = {{"arena_bytes", memory.arena_bytes}};
  json["memory"].update(memory_json(memory));
  for (size_t i = 0; i < profile.nodes.size(); ++i) {
    const host::NodeProfile& node = profile.nodes[i];
    nlohmann::ordered_json entry = {{"name", node.name},
                                    {"type", node.type},
                                    {"output_shape", node.output_shape},
                                    {"milliseconds", node.milliseconds},
                                    {"macs", node.macs},
                                    {"activation_bytes", node.activation_bytes},
                                    {"internal_bytes", node.internal_bytes},
                                    {"weight_bytes", node.weight_bytes},
                                    {"live_bytes", node.live_bytes}};
    if (chip) entry["chip_milliseconds"] = chip->nodes[i];
    json["nodes"].push_back(std::move(entry));
  }
  for (int32_t i = 0; i < board.variable_count(); ++i) {
    const TensorPlacement place = board.placement(i);
    nlohmann::ordered_json entry = {{"name", host::to_string(board.variable(i).name)},
                                    {"offset", place.offset},
                                    {"bytes", place.bytes},
                                    {"first_node", place.first_node},
                                    {"last_node", place.last_node},
                                    {"internal", place.internal}};
    if (place.shares_with >= 0)
      entry["shares_with"] = host::to_string(board.variable(place.shares_with).name);
    json["arena"].push_back(entry);
  }
  return json;
}

void run(ProfileArguments& arguments) {
  if (!arguments.internal_ram.empty())
    arguments.options.internal_bytes = parse_bytes(arguments.internal_ram) / 16 * 16;
  host::IntegerModel model = host::IntegerModel::open(arguments.file, arguments.options);
  report_on_file(model);
  if (const auto problem = host::check_plan(model.model()))
    fail("the memory plan of '{}' is wrong: {}", arguments.file, *problem);
  host::fill_inputs(model.model(), 1);
  const host::Profile profile = host::profile(model, arguments.runs);
  const std::optional<quantize::Latency> chip = quantize::estimate_latency(model.model(), model.target());
  const host::IntegerModel board = model.on_board();
  if (arguments.json) {
    fmt::print("{}\n", indented_text(to_json(model, profile, board.model(), chip)));
    return;
  }
  if (arguments.csv) return print_csv(profile, chip);
  print_nodes(profile, chip);
  print_map(board.model());
  print_summary(model, profile, board.model().memory());
  fmt::print("{}\n", chip_time_text(model.model(), model.target()));
}

void add_profile(Command& app) {
  auto arguments = std::make_shared<ProfileArguments>();
  Command* command = app.add_subcommand(
      "profile", "Time here and on the chip, multiply-adds, bytes moved and arena map, node by node");
  command->footer(
      "Examples:\n"
      "  shrike profile yolo11n.espdl --target esp32p4\n"
      "  shrike profile yolo11n.espdl --internal-ram 512K --json\n"
      "'ms' is this machine's time, 'chip ms' what ESP-DL on one core of the target is estimated to take: "
      "totals\n"
      "to about a tenth, single nodes roughly.\n"
      "'moved' counts activations read and written once; 'fast' is their share in the internal RAM.");
  command->add_option("FILE", arguments->file, ".espdl file")->required();
  add_model_options(*command, arguments->options);
  command->add_option("--internal-ram", arguments->internal_ram,
                      "Size of a fast memory pool that the planner may fill, e.g. 512K (default: none)");
  command->add_option("--runs", arguments->runs, "Timed runs; medians are shown (default: 10)")
      ->check(between(1, 10000));
  command->add_flag("--json", arguments->json, "Print JSON");
  command->add_flag("--csv", arguments->csv, "Print the nodes as a table for spreadsheets");
  command->callback([arguments] { run(*arguments); });
}

const CommandRegistration profile_registration("profile", 90, add_profile);

}  // namespace
}  // namespace shrike::cli
