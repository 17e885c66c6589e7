// The .info and .json files beside an .espdl file: do they belong to it?
#pragma once
#include <string>
#include <vector>

#include "toolchain/host/integer_model.h"

namespace shrike::host {

// Those of the two whose "espdl_sha256" (spec/espdl-format.md section 10) is not the file's: a run was killed
// between its files, or the .espdl was replaced. Companions without a hash, as ESP-PPQ writes them, say
// nothing.
std::vector<std::string> strange_companions(const IntegerModel& model);

}  // namespace shrike::host
