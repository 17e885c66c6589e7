// Which versions of ESP-DL compute an .espdl file as it is meant.
#pragma once
#include "toolchain/espdl/library_version.h"
#include "toolchain/host/integer_model.h"

namespace shrike::board {

// From what the file uses: exponents per channel, 16-bit tables with steps.
espdl::LibraryVersion oldest_library(const host::IntegerModel& file);

// The version that the file says it was written for (`quantize --esp-dl`), as text; empty when it says none.
std::string library_of(const host::IntegerModel& file);

}  // namespace shrike::board
