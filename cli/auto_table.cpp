#include "cli/auto_table.h"

#include <fmt/format.h>

#include <cmath>

#include "toolchain/support/format.h"

namespace shrike::cli {
namespace {

std::string options_text(const quantize::AutoRow& row, bool start) {
  std::string text;
  for (const auto& [name, value] : row.options)
    text += fmt::format("{}{}={}", text.empty() ? "" : " ", name, value);
  if (!text.empty()) return text;
  return start ? "(the start)" : "";
}

std::string time_text(const std::optional<double>& milliseconds) {
  return milliseconds ? fmt::format("{:.1f}", *milliseconds) : "-";
}

std::string limits_text(const quantize::Limits& limits) {
  std::string text;
  if (std::isfinite(limits.milliseconds)) text += fmt::format(" {:.1f} ms", limits.milliseconds);
  if (std::isfinite(limits.bytes))
    text += fmt::format("{} {:.2f} MiB", text.empty() ? "" : " and", limits.bytes / kMib);
  return text;
}

}  // namespace

void print_auto_table(const quantize::AutoResult& result) {
  fmt::print("{} trials, {} of them remembered; budget{}\n", result.trials + result.remembered,
             result.remembered, limits_text(result.limits));
  fmt::print("    {:>9} {:>8} {:>8} {:>7} {:>10}  {}\n", "error %", "est. ms", "MiB", "16-bit", "Requantize",
             "options");
  for (size_t i = 0; i < result.rows.size(); ++i) {
    const quantize::AutoRow& row = result.rows[i];
    if (row.dominated && i != 0) continue;
    fmt::print("  {} {:>9.3f} {:>8} {:>8.2f} {:>7} {:>10}  {}\n", i == result.chosen ? '*' : ' ',
               100 * row.judgement.error, time_text(row.judgement.cost.milliseconds),
               row.judgement.cost.bytes / kMib, row.wide_layers, row.judgement.requantize_nodes,
               options_text(row, i == 0));
  }
}

nlohmann::ordered_json auto_json(const quantize::AutoResult& result) {
  nlohmann::ordered_json json;
  json["trials"] = result.trials;
  json["remembered"] = result.remembered;
  if (std::isfinite(result.limits.milliseconds)) json["budget_milliseconds"] = result.limits.milliseconds;
  if (std::isfinite(result.limits.bytes)) json["budget_bytes"] = result.limits.bytes;
  for (size_t i = 0; i < result.rows.size(); ++i) {
    const quantize::AutoRow& row = result.rows[i];
    nlohmann::ordered_json entry;
    entry["chosen"] = i == result.chosen;
    entry["within_budget"] = row.allowed;
    entry["dominated"] = row.dominated;
    entry["error"] = row.judgement.error;
    for (size_t k = 0; k < result.output_names.size(); ++k)
      entry["noise_to_signal"][result.output_names[k]] = row.judgement.noise[k];
    if (row.judgement.cost.milliseconds) entry["chip_milliseconds"] = *row.judgement.cost.milliseconds;
    entry["bytes"] = static_cast<uint64_t>(row.judgement.cost.bytes);
    entry["layers_at_16_bit"] = row.wide_layers;
    entry["requantize_nodes"] = row.judgement.requantize_nodes;
    for (const auto& [name, value] : row.options) entry["options"][name] = value;
    entry["int16_layers"] = row.settings.int16_layers;
    json["rows"].push_back(std::move(entry));
  }
  return json;
}

}  // namespace shrike::cli
