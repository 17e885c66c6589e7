// How long a run takes on the chip, always with whose time it is.
#pragma once
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "shrike/inspect.h"

namespace shrike::cli {

// One line: ESP-DL's estimated time, and what Shrike's own runtime needs at least.
std::string chip_time_text(const InspectableModel& model, Target target);
// "chip_milliseconds", "chip_milliseconds_of" and "own_runtime", as far as they are known.
void add_chip_time(nlohmann::ordered_json& json, const InspectableModel& model, Target target);

}  // namespace shrike::cli
