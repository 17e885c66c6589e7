// The test vectors that a file may embed (spec/espdl-format.md 4.6), run and compared as `shrike test` does.
#pragma once
#include "shrike/inspect.h"
#include "web/json_text.h"

namespace shrike::web {

// Appends {"tensors", "values", "differing"} and the first tensor that differs, {"error"} when the vectors
// don't fit the model, or {} when there are none.
void run_self_test(InspectableModel& model, JsonText& json);

}  // namespace shrike::web
