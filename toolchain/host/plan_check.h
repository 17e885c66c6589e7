// An independent check of the runtime's memory plan: it derives who reads what when from the nodes alone.
#pragma once
#include <optional>
#include <string>

#include "shrike/inspect.h"

namespace shrike::host {

// Simulates one run on the arena's map: every node writes its outputs' bytes, and every byte that a node (or
// the caller, for graph outputs) reads must still belong to the value that was written there. Values that
// share memory on purpose (reshapes) count as one. Gives a sentence about the first violation, or nothing.
std::optional<std::string> check_plan(const InspectableModel& model);

}  // namespace shrike::host
