// The graph of an `.espdl` file as text: one line per node with shapes and formats, stable enough to diff.
#pragma once
#include <string>

#include "toolchain/host/integer_model.h"

namespace shrike::host {

std::string graph_text(const IntegerModel& model);

}  // namespace shrike::host
