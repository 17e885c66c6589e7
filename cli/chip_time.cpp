#include "cli/chip_time.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "toolchain/cost/cost_model.h"
#include "toolchain/cost/own_runtime.h"
#include "toolchain/host/integer_model.h"

namespace shrike::cli {
namespace {

std::string whose_time() {
  return fmt::format("{} on the vector unit, one core", quantize::kPricedLibrary);
}

}  // namespace

std::string chip_time_text(const InspectableModel& model, Target target) {
  const std::string chip = host::target_name(target);
  const auto library = quantize::estimate_latency(model, target);
  const auto own = quantize::estimate_own_runtime(model, target);
  std::string text = library ? fmt::format("estimated on {}: {:.1f} ms a run ({})", chip,
                                           library->milliseconds, whose_time())
                             : fmt::format("no published timings tell how long {} takes", chip);
  if (own)
    text += fmt::format("; Shrike's own runtime: at least {:.0f} ms ({:.0f} M instructions, one core)",
                        own->milliseconds, own->instructions / 1e6);
  return text;
}

void add_chip_time(nlohmann::ordered_json& json, const InspectableModel& model, Target target) {
  if (const auto library = quantize::estimate_latency(model, target)) {
    json["chip_milliseconds"] = library->milliseconds;
    json["chip_milliseconds_of"] = whose_time();
  }
  if (const auto own = quantize::estimate_own_runtime(model, target)) {
    json["own_runtime"] = {{"instructions", own->instructions}, {"milliseconds_at_least", own->milliseconds}};
  }
}

}  // namespace shrike::cli
